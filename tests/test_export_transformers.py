"""Transformers and clusterers against what scikit-learn answers, hostile rows included, by the exporter's parity check.

Each is exact up to the last bits of a double; what is not says by how much it may differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import cluster as cl
from sklearn import decomposition as dc
from sklearn import feature_selection as fs
from sklearn import kernel_approximation as ka
from sklearn import preprocessing as pp
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import PLSSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # makes the IterativeImputer importable
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.random_projection import SparseRandomProjection
from sklearn.tree import DecisionTreeRegressor

from export import UnsupportedModel, export_model
from tests.export_models import AMOUNT, HOLED, NUMBERS, SCALES, THREE

LEVEL = (NUMBERS / SCALES)[:, :3]
POSITIVE = np.abs(LEVEL) + 0.01
REPEATED = LEVEL.round()
"""Values that are there many times, so that quantiles are equal."""

DISTRIBUTIONS = {
    "yeo_johnson": (pp.PowerTransformer(), NUMBERS),
    "yeo_johnson_missing": (pp.PowerTransformer(standardize=False), HOLED),
    "box_cox": (pp.PowerTransformer("box-cox"), POSITIVE),
    "uniform": (pp.QuantileTransformer(n_quantiles=50), REPEATED),
    "uniform_missing": (pp.QuantileTransformer(n_quantiles=20), HOLED),
    "normal": (pp.QuantileTransformer(n_quantiles=240, output_distribution="normal"), NUMBERS),
    "bins": (pp.KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), NUMBERS),
    "bins_dense": (pp.KBinsDiscretizer([2, 3, 4, 5], encode="onehot-dense", strategy="kmeans"), NUMBERS),
    "bins_ordinal": (pp.KBinsDiscretizer(4, encode="ordinal", strategy="uniform"), NUMBERS),
}

EXPANSIONS = {
    "polynomial": (pp.PolynomialFeatures(), NUMBERS),
    "polynomial_high": (pp.PolynomialFeatures((2, 3), include_bias=False), LEVEL),
    "interactions": (pp.PolynomialFeatures(3, interaction_only=True), LEVEL),
    "spline": (pp.SplineTransformer(), NUMBERS),
    "spline_error": (pp.SplineTransformer(extrapolation="error", knots="quantile"), NUMBERS),
    "spline_steps": (pp.SplineTransformer(degree=0), NUMBERS),
    "spline_continued": (pp.SplineTransformer(degree=2, extrapolation="continue", include_bias=False), LEVEL),
    "spline_lines": (pp.SplineTransformer(degree=1, extrapolation="linear"), NUMBERS),
    "spline_line": (pp.SplineTransformer(degree=3, extrapolation="linear"), NUMBERS),
    "spline_periodic": (pp.SplineTransformer(extrapolation="periodic"), LEVEL),
    "spline_missing": (pp.SplineTransformer(handle_missing="zeros"), HOLED),
}

KERNELS = {
    "rbf_sampler": (ka.RBFSampler(n_components=12, random_state=0), LEVEL),
    "skewed_chi2_sampler": (ka.SkewedChi2Sampler(n_components=12, random_state=0), POSITIVE),
    "additive_chi2_sampler": (ka.AdditiveChi2Sampler(), POSITIVE),
    "nystroem": (ka.Nystroem(n_components=12, random_state=0), LEVEL),
    "nystroem_laplacian": (ka.Nystroem("laplacian", n_components=12, random_state=0), LEVEL),
    "nystroem_chi2": (ka.Nystroem("chi2", n_components=12, random_state=0), POSITIVE),
    "kernel_pca": (dc.KernelPCA(2), LEVEL),
    "kernel_pca_rbf": (dc.KernelPCA(2, kernel="rbf"), LEVEL),
    "kernel_pca_poly": (dc.KernelPCA(2, kernel="poly"), LEVEL),
    "kernel_pca_cosine": (dc.KernelPCA(2, kernel="cosine"), LEVEL),
    "kernel_pca_sigmoid": (dc.KernelPCA(2, kernel="sigmoid", gamma=0.01), LEVEL),
}

DECOMPOSITIONS = {
    "pca": (dc.PCA(2, whiten=True), NUMBERS),
    "incremental_pca": (dc.IncrementalPCA(2), NUMBERS),
    "truncated_svd": (dc.TruncatedSVD(2), NUMBERS),
    "factor_analysis": (dc.FactorAnalysis(2), LEVEL),
    "fast_ica": (dc.FastICA(2, tol=0.1, random_state=0), LEVEL),
    "sparse_pca": (dc.SparsePCA(2, random_state=0), LEVEL),
    "sparse_projection": (SparseRandomProjection(2, random_state=0), LEVEL),
    "boltzmann": (BernoulliRBM(3, n_iter=2, random_state=0), LEVEL),
    "agglomeration": (cl.FeatureAgglomeration(2), LEVEL),
    "agglomeration_max": (cl.FeatureAgglomeration(2, pooling_func=np.max), LEVEL),
    "neighbourhood": (NeighborhoodComponentsAnalysis(2, max_iter=5, random_state=0), LEVEL),
    "pls_svd": (PLSSVD(1), LEVEL),
    "discriminant": (make_pipeline(LinearDiscriminantAnalysis(), LogisticRegression()), LEVEL),
    "discriminant_eigen": (make_pipeline(LinearDiscriminantAnalysis(solver="eigen"), LogisticRegression()), LEVEL),
}

SELECTIONS = {
    "k_best": (fs.SelectKBest(k=2), LEVEL),
    "from_model": (fs.SelectFromModel(LogisticRegression()), LEVEL),
    "recursive": (make_pipeline(fs.RFE(LogisticRegression(), n_features_to_select=2), pp.StandardScaler()), LEVEL),
    "sequential": (fs.SequentialFeatureSelector(LogisticRegression(), n_features_to_select=2, cv=2), LEVEL),
}

CLUSTERERS = {
    "k_means": (cl.KMeans(4, n_init=1, random_state=0), LEVEL),
    "mini_batch_k_means": (cl.MiniBatchKMeans(4, n_init=1, random_state=0), LEVEL),
    "bisecting_k_means": (cl.BisectingKMeans(5, random_state=0), LEVEL),
    "birch": (cl.Birch(threshold=1.0), LEVEL),
    "mean_shift": (cl.MeanShift(bandwidth=2.0), LEVEL[:, :2]),
    "distances_to_centres": (make_pipeline(cl.KMeans(3, n_init=1, random_state=0), LogisticRegression()), LEVEL),
    "distances_to_subclusters": (make_pipeline(cl.Birch(threshold=1.0), LogisticRegression(max_iter=5000)), LEVEL),
}

WEIGHTED = {
    "column_weights": (
        ColumnTransformer(
            [("scaled", pp.StandardScaler(), [0, 1]), ("kept", "passthrough", [2])],
            remainder=pp.MinMaxScaler(),
            transformer_weights={"scaled": 2.0, "kept": 0.5},
        ),
        NUMBERS,
    ),
    "union_weights": (
        FeatureUnion([("scaled", pp.StandardScaler()), ("kept", "passthrough")], transformer_weights={"kept": -3.0}),
        NUMBERS,
    ),
}

ANYWHERE = (
    *(np.abs, np.arcsinh, np.arctan, np.ceil, np.cos, np.cosh, np.degrees, np.exp, np.exp2, np.expm1, np.floor),
    *(np.isnan, np.nan_to_num, np.negative, np.positive, np.radians, np.reciprocal, np.rint, np.sign, np.sin),
    *(np.sinh, np.square, np.tan, np.tanh, np.trunc),
)
ABOVE_ZERO = (np.log, np.log10, np.log1p, np.log2, np.sqrt)

SOME_HOLED = np.c_[HOLED[:, :2], NUMBERS[:, 2]]

IMPUTERS = {
    "iterative": (IterativeImputer(random_state=0, add_indicator=True), SOME_HOLED),
    "iterative_trees": (IterativeImputer(DecisionTreeRegressor(max_depth=3), max_iter=2, tol=1e3), SOME_HOLED),
    "nearest": (KNNImputer(add_indicator=True), HOLED),
}

CASES = IMPUTERS | DISTRIBUTIONS | EXPANSIONS | KERNELS | DECOMPOSITIONS | SELECTIONS | CLUSTERERS | WEIGHTED
LOOSE = dict.fromkeys(("kernel_pca_sigmoid", "kernel_pca_poly", "nystroem_chi2", "nystroem", "rbf_sampler"), 1e-6)
"""Ill-conditioned in themselves: another order of the same sums shows."""

BOUNDED = ("rbf_sampler", "kernel_pca_sigmoid", "sparse_projection")
"""Sums of large numbers that cancel: their last digits show when all columns are far out at once."""


@pytest.mark.parametrize("case", CASES)
def test_a_transformer_is_exact(case: str, tmp_path: Path) -> None:
    model, sample = CASES[case]
    target = THREE if case != "pls_svd" else np.c_[AMOUNT, LEVEL]
    bounds = {f"x{index}": {"minimum": -10, "maximum": 10} for index in range(3)} if case in BOUNDED else {}
    report = export_model(clone(model).fit(sample, target), sample, tmp_path, "model", features=bounds)
    assert report.certificate.flips == 0
    assert report.certificate.worst < LOOSE.get(case, 1e-11)


@pytest.mark.parametrize(("functions", "sample"), [(ANYWHERE, LEVEL), (ABOVE_ZERO, POSITIVE)])
def test_functions_of_numpy_are_exact(functions: Any, sample: Any, tmp_path: Path) -> None:
    each = FeatureUnion([(function.__name__, pp.FunctionTransformer(function)) for function in functions])
    report = export_model(each.fit(sample), sample, tmp_path, "model")
    assert report.certificate.worst < 1e-12


def test_a_count_sketch_is_exact_where_it_is_meant_to_be(tmp_path: Path) -> None:
    """Its Fourier transforms lose the digits of small numbers beside large ones, in scikit-learn as in the graph."""
    sketch = ka.PolynomialCountSketch(degree=3, coef0=1, n_components=12, random_state=0).fit(LEVEL)
    bounds = {f"x{index}": {"minimum": -10, "maximum": 10} for index in range(3)}
    assert export_model(sketch, LEVEL, tmp_path, "model", features=bounds).certificate.worst < 1e-11


def test_functions_take_bounds(tmp_path: Path) -> None:
    union = FeatureUnion(
        [
            ("clipped", pp.FunctionTransformer(np.clip, kw_args={"a_min": -1, "a_max": 0.5})),
            ("filled", pp.FunctionTransformer(np.nan_to_num, kw_args={"nan": -7})),
        ]
    )
    assert export_model(union.fit(HOLED), HOLED, tmp_path, "model").certificate.worst == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (pp.FunctionTransformer(np.cbrt), "FunctionTransformer\\(cbrt\\) runs Python; use a ufunc"),
        (pp.FunctionTransformer(np.clip, kw_args={"a_min": [0, 1, 2], "a_max": None}), "two numbers"),
        (pp.FunctionTransformer(np.nan_to_num, kw_args={"posinf": 1}), "infinity is never served"),
        (dc.NMF(2, max_iter=5, tol=1), "solves a problem for each row.*use PCA"),
        (dc.LatentDirichletAllocation(2, max_iter=1), "use TruncatedSVD"),
        (IterativeImputer(sample_posterior=True, max_iter=1, tol=1e3), "draws at random"),
        (KNNImputer(weights=lambda far: far), "use nan_euclidean, and 'uniform' or 'distance'"),
        (ka.Nystroem(np.dot, n_components=3), "the kernel .* use one of chi2, cosine"),
        (cl.FeatureAgglomeration(2, pooling_func=np.median), "np.mean, np.max or np.min"),
    ],
)
def test_what_no_graph_can_do_is_refused_by_name(model: Any, message: str, tmp_path: Path) -> None:
    fitted = model.fit(POSITIVE)
    with pytest.raises(UnsupportedModel, match=message):
        export_model(fitted, POSITIVE, tmp_path, "model")
