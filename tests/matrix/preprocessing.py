"""Every transformer of scikit-learn alone, and the usual ones in front of a linear model and of trees."""

from __future__ import annotations

import numpy as np
from sklearn import cluster, decomposition, impute, kernel_approximation, manifold, neighbors, random_projection
from sklearn import feature_selection as fs
from sklearn import preprocessing as pp
from sklearn.base import clone
from sklearn.cross_decomposition import PLSSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # makes IterativeImputer importable
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import FeatureUnion, make_pipeline

from tests.matrix.case import Case, fits

_SEED = {"random_state": 0}

SCALERS = [
    pp.StandardScaler(),
    pp.MinMaxScaler(),
    pp.MinMaxScaler((-1, 2), clip=True),
    pp.MaxAbsScaler(),
    pp.RobustScaler(),
    pp.RobustScaler(quantile_range=(10.0, 90.0), unit_variance=True),
    pp.Normalizer(),
    pp.Normalizer("l1"),
    pp.Normalizer("max"),
    pp.PowerTransformer(),
    pp.QuantileTransformer(n_quantiles=50),
    pp.QuantileTransformer(n_quantiles=50, output_distribution="normal"),
    pp.Binarizer(threshold=0.5),
    pp.KBinsDiscretizer(quantile_method="averaged_inverted_cdf"),
    pp.KBinsDiscretizer(encode="ordinal", strategy="uniform"),
    pp.KBinsDiscretizer(encode="onehot-dense", strategy="kmeans", **_SEED),
    pp.PolynomialFeatures(),
    pp.PolynomialFeatures(3, interaction_only=True, include_bias=False),
    pp.SplineTransformer(),
    pp.SplineTransformer(degree=2, n_knots=4, extrapolation="linear"),
    pp.SplineTransformer(extrapolation="periodic"),
    pp.SplineTransformer(extrapolation="continue", include_bias=False, knots="quantile"),
    pp.FunctionTransformer(),
    pp.FunctionTransformer(np.square),
    pp.FunctionTransformer(np.tanh),
    pp.FunctionTransformer(np.sign),
]

DECOMPOSITIONS = [
    decomposition.PCA(),
    decomposition.PCA(3, whiten=True),
    decomposition.IncrementalPCA(3),
    decomposition.KernelPCA(3, **_SEED),
    decomposition.KernelPCA(3, kernel="rbf", gamma=0.05, **_SEED),
    decomposition.FactorAnalysis(2, **_SEED),
    decomposition.FastICA(3, **_SEED, whiten="unit-variance"),
    decomposition.SparsePCA(3, max_iter=50, **_SEED),
    decomposition.MiniBatchSparsePCA(3, max_iter=50, **_SEED),
    decomposition.TruncatedSVD(3, **_SEED),
    decomposition.DictionaryLearning(3, max_iter=20, **_SEED),
    decomposition.MiniBatchDictionaryLearning(3, max_iter=20, **_SEED),
    decomposition.SparseCoder(np.eye(6)[:4]),
    cluster.FeatureAgglomeration(3),
    cluster.KMeans(3, **_SEED),
    kernel_approximation.Nystroem(n_components=20, **_SEED),
    kernel_approximation.RBFSampler(n_components=20, **_SEED),
    kernel_approximation.PolynomialCountSketch(n_components=20, **_SEED),
    manifold.Isomap(),
    manifold.LocallyLinearEmbedding(**_SEED),
    manifold.TSNE(**_SEED),
    neighbors.KNeighborsTransformer(n_neighbors=3),
    neighbors.RadiusNeighborsTransformer(radius=2.0),
    random_projection.GaussianRandomProjection(3, **_SEED),
    random_projection.SparseRandomProjection(3, **_SEED),
    BernoulliRBM(4, n_iter=5, **_SEED),
    RandomTreesEmbedding(5, max_depth=3, **_SEED),
]

SELECTORS = [
    fs.VarianceThreshold(0.5),
    fs.SelectKBest(k=3),
    fs.SelectPercentile(percentile=50),
    fs.SelectFdr(),
    fs.SelectFpr(),
    fs.SelectFwe(),
    fs.GenericUnivariateSelect(mode="k_best", param=2),
    fs.RFE(LogisticRegression(max_iter=1000), n_features_to_select=3),
    fs.RFECV(LogisticRegression(max_iter=1000), cv=3),
    fs.SelectFromModel(RandomForestClassifier(8, **_SEED)),
    fs.SequentialFeatureSelector(LogisticRegression(max_iter=1000), n_features_to_select=2, cv=2),
    neighbors.NeighborhoodComponentsAnalysis(2, **_SEED),
    LinearDiscriminantAnalysis(),
    pp.TargetEncoder(**_SEED, cv=3),
]

IMPUTERS = [
    impute.SimpleImputer(),
    impute.SimpleImputer(strategy="median", add_indicator=True),
    impute.SimpleImputer(strategy="most_frequent"),
    impute.SimpleImputer(strategy="constant", fill_value=-1.0),
    impute.KNNImputer(n_neighbors=3),
    impute.KNNImputer(weights="distance", add_indicator=True),
    impute.IterativeImputer(max_iter=5, **_SEED),
    impute.MissingIndicator(),
    impute.MissingIndicator(features="all"),
]

ENCODERS = [
    pp.OneHotEncoder(),
    pp.OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    pp.OneHotEncoder(drop="first"),
    pp.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30),
    pp.OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, drop="if_binary"),
    pp.OrdinalEncoder(),
    pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, min_frequency=40),
]


def alone() -> list[Case]:
    steps = fits("transformers", "numbers", *SCALERS, *DECOMPOSITIONS)
    positive = [
        pp.PowerTransformer("box-cox"),
        pp.FunctionTransformer(np.log1p),
        pp.FunctionTransformer(np.sqrt),
        decomposition.NMF(3, **_SEED, max_iter=400),
        decomposition.MiniBatchNMF(3, **_SEED),
        decomposition.LatentDirichletAllocation(3, max_iter=3, **_SEED),
        kernel_approximation.AdditiveChi2Sampler(),
        kernel_approximation.SkewedChi2Sampler(n_components=20, **_SEED),
    ]
    named = FeatureUnion([("scaled", pp.StandardScaler()), ("pca", decomposition.PCA(2)), ("same", "passthrough")])
    weighted = FeatureUnion([("a", pp.StandardScaler()), ("b", pp.MinMaxScaler())], transformer_weights={"a": 2.0})
    return [
        *steps,
        *fits("transformers", "positive numbers", *positive),
        *fits("transformers", "three classes", *SELECTORS),
        *fits("transformers", "positive numbers, three classes", SelectKBest_chi2=fs.SelectKBest(fs.chi2, k=3)),
        *fits("transformers", "two amounts", PLSSVD()),
        *fits("transformers", "numbers", FeatureUnion=named, weighted_FeatureUnion=weighted),
        *fits("transformers", "missing", *IMPUTERS),
        *fits("transformers", "small integers", *ENCODERS),
    ]


def before_models() -> list[Case]:
    """A step, and then a linear model or trees: where rounding to float32 would change sides."""
    found = []
    for step in [*SCALERS[:12], SCALERS[13], SCALERS[16], SCALERS[18], *DECOMPOSITIONS[:3], DECOMPOSITIONS[9]]:
        models = {
            "Ridge": make_pipeline(clone(step), Ridge()),
            "RandomForest": make_pipeline(clone(step), RandomForestRegressor(8, **_SEED)),
        }
        found += fits("preprocessing", "amount", **{f"{_short(step)} | {name}": one for name, one in models.items()})
    for step in IMPUTERS[:7]:
        models = {
            "Lasso": make_pipeline(clone(step), Lasso()),
            "HistGradientBoosting": make_pipeline(clone(step), HistGradientBoostingRegressor(max_iter=10, **_SEED)),
        }
        found += fits(
            "preprocessing", "missing, amount", **{f"{_short(step)} | {name}": one for name, one in models.items()}
        )
    return found


def _short(step: object) -> str:
    return " ".join(repr(step).replace("random_state=0", "").split()).replace(", )", ")")


GROUPS = [alone, before_models]
