"""Estimators of all families, in double: each exported, and held against the original by the exporter's own check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model as lm
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.covariance import EllipticEnvelope
from sklearn.cross_decomposition import CCA, PLSRegression
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process import kernels as gp
from sklearn.kernel_ridge import KernelRidge
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
    NearestCentroid,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, QuantileTransformer, RobustScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeRegressor

from app import load
from app.signature import Datatype
from export import UnsupportedModel, export_model
from tests.export_models import AMOUNT, HOLED, NUMBERS, SCALES, THREE, TWO

ROWS = NUMBERS / SCALES
COUNTS = np.random.default_rng(2).integers(0, 4, ROWS.shape)
POSITIVE = np.maximum(AMOUNT, 0) + 1
SEVERAL = np.c_[AMOUNT > 0, AMOUNT > 3, ROWS[:, 0] > 0].astype(int)
VALUES = np.c_[AMOUNT, 1 - AMOUNT, ROWS[:, 0]]
UNLABELLED = np.where(np.arange(len(TWO)) % 3, (TWO == "yes").astype(int), -1)

CLASSIFIERS: dict[str, tuple[Any, Any]] = {
    "svc": (SVC(), ROWS),
    "svc_unscaled": (SVC(C=100), NUMBERS),
    "svc_polynomial_of_pairs": (SVC(kernel="poly", decision_function_shape="ovo"), ROWS),
    "svc_sigmoid": (SVC(kernel="sigmoid"), ROWS),
    "svc_linear_breaking_ties": (SVC(kernel="linear", break_ties=True), ROWS),
    "nu_svc": (NuSVC(nu=0.1), ROWS),
    "gaussian_nb": (GaussianNB(), ROWS),
    "multinomial_nb": (MultinomialNB(), np.abs(ROWS)),
    "complement_nb": (ComplementNB(norm=True), np.abs(ROWS)),
    "bernoulli_nb": (BernoulliNB(binarize=0.1), ROWS),
    "categorical_nb": (CategoricalNB(), COUNTS),
    "quadratic_discriminant": (QuadraticDiscriminantAnalysis(), ROWS),
    "nearest_centroid": (NearestCentroid(), ROWS),
    "nearest_centroid_by_steps": (NearestCentroid(metric="manhattan"), ROWS),
    "nearest_centroid_with_priors": (NearestCentroid(priors="empirical"), ROWS),
    "neighbors_by_distance": (KNeighborsClassifier(weights="distance"), ROWS),
    "neighbors_in_a_radius": (RadiusNeighborsClassifier(radius=1.0, outlier_label="most_frequent"), ROWS),
    "perceptron": (MLPClassifier((6, 4), max_iter=9, random_state=0), ROWS),
    "perceptron_logistic": (MLPClassifier((6,), activation="logistic", max_iter=9, random_state=0), ROWS),
    "sgd_modified_huber": (lm.SGDClassifier(loss="modified_huber", random_state=0), ROWS),
    "dummy": (DummyClassifier(), ROWS),
    "dummy_most_frequent": (DummyClassifier(strategy="most_frequent"), ROWS),
}

OTHERS: dict[str, tuple[Any, Any, Any]] = {
    "svr": (SVR(), ROWS, AMOUNT),
    "kernel_ridge": (KernelRidge(kernel="rbf"), ROWS, VALUES),
    "kernel_ridge_linear": (KernelRidge(), ROWS, AMOUNT),
    "kernel_ridge_laplacian": (KernelRidge(kernel="laplacian", gamma=0.1), ROWS, AMOUNT),
    "neighbors": (KNeighborsRegressor(weights="distance", metric="chebyshev"), ROWS, VALUES),
    "neighbors_in_a_radius": (RadiusNeighborsRegressor(radius=2.0, weights="distance"), ROWS, AMOUNT),
    "perceptron": (MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", max_iter=9), ROWS, VALUES),
    "perceptron_poisson": (MLPRegressor(hidden_layer_sizes=(6,), loss="poisson", max_iter=9), ROWS, POSITIVE),
    "gaussian_process": (GaussianProcessRegressor(gp.ConstantKernel(2.0) * gp.RBF() + gp.WhiteKernel()), ROWS, AMOUNT),
    "gaussian_process_matern": (GaussianProcessRegressor(gp.Matern([1, 2, 1, 3.0], nu=2.5), alpha=0.1), ROWS, VALUES),
    "gaussian_process_others": (
        GaussianProcessRegressor(
            gp.RationalQuadratic() + gp.ExpSineSquared() + gp.DotProduct() ** 2, alpha=1.0, optimizer=None
        ),
        ROWS[:, :1],
        AMOUNT,
    ),
    "boosting_from_a_guess": (
        GradientBoostingRegressor(init=DecisionTreeRegressor(max_depth=2), n_estimators=4),
        ROWS,
        AMOUNT,
    ),
    "partial_least_squares": (PLSRegression(), ROWS, AMOUNT),
    "canonical_correlation": (CCA(), ROWS, VALUES),
    "dummy_median": (DummyRegressor(strategy="median"), ROWS, VALUES),
    "target_of_logarithms": (
        TransformedTargetRegressor(RandomForestRegressor(3, random_state=0), func=np.log1p, inverse_func=np.expm1),
        ROWS,
        POSITIVE,
    ),
    "target_of_a_frame_s_columns": (
        TransformedTargetRegressor(
            make_pipeline(make_column_transformer((RobustScaler(), ["b"]), remainder="passthrough"), lm.Ridge()),
            func=np.log1p,
            inverse_func=np.expm1,
        ),
        pd.DataFrame(ROWS, columns=list("abcd")),
        POSITIVE,
    ),
    "target_of_powers": (TransformedTargetRegressor(lm.Ridge(), transformer=PowerTransformer()), ROWS, VALUES),
    "target_box_cox": (TransformedTargetRegressor(lm.Ridge(), transformer=PowerTransformer("box-cox")), ROWS, POSITIVE),
    "target_of_quantiles": (
        TransformedTargetRegressor(lm.Ridge(), transformer=QuantileTransformer(n_quantiles=50)),
        ROWS,
        AMOUNT,
    ),
    "target_of_normal_quantiles": (
        TransformedTargetRegressor(
            lm.Ridge(), transformer=QuantileTransformer(n_quantiles=50, output_distribution="normal")
        ),
        ROWS,
        VALUES,
    ),
    "target_scaled": (TransformedTargetRegressor(lm.Ridge(), transformer=MinMaxScaler()), ROWS, AMOUNT),
    "target_robust": (TransformedTargetRegressor(lm.Ridge(), transformer=RobustScaler()), ROWS, VALUES),
    "target_as_it_is": (TransformedTargetRegressor(lm.Ridge()), ROWS, AMOUNT),
    "mixture": (GaussianMixture(3, random_state=0), ROWS, None),
    "mixture_tied": (GaussianMixture(3, covariance_type="tied", random_state=0), ROWS, None),
    "mixture_bayesian": (
        BayesianGaussianMixture(n_components=3, covariance_type="diag", max_iter=500, random_state=0),
        ROWS,
        None,
    ),
    "isolation_forest": (
        IsolationForest(n_estimators=20, contamination=0.1, max_features=2, random_state=0),
        NUMBERS,
        None,
    ),
    "isolation_forest_learns_missing": (IsolationForest(n_estimators=5, random_state=0), HOLED, None),
    "local_outlier_factor": (LocalOutlierFactor(n_neighbors=9, novelty=True), ROWS, None),
    "elliptic_envelope": (EllipticEnvelope(random_state=0), ROWS, None),
    "one_class_svm": (OneClassSVM(nu=0.2), ROWS, None),
    "sgd_one_class_svm": (lm.SGDOneClassSVM(random_state=0), ROWS, None),
    "perceptron_of_several_labels": (MLPClassifier((6,), max_iter=9, random_state=0), ROWS, SEVERAL),
    "neighbors_of_several_labels": (KNeighborsClassifier(weights="distance"), ROWS, SEVERAL),
    "gaussian_process_classes": (GaussianProcessClassifier(gp.RBF(), optimizer=None), ROWS[:60], TWO[:60]),
    "gaussian_process_three": (GaussianProcessClassifier(gp.DotProduct(), optimizer=None), ROWS[:60], THREE[:60]),
    "label_spreading": (LabelSpreading(), ROWS, UNLABELLED),
    "dummy_of_several": (DummyClassifier(), ROWS, np.c_[THREE.astype(object), TWO.astype(object)]),
}


def agrees(model: Any, rows: Any, directory: Path) -> None:
    found = export_model(model, rows, directory, "model").certificate
    assert found.flips == 0
    assert found.worst < 1e-7  # powers of what nearly cancels; else 1e-11


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("target", [THREE, TWO], ids=["three", "two"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name: str, target: Any, tmp_path: Path) -> None:
    model, rows = CLASSIFIERS[name]
    agrees(clone(model).fit(rows, target), rows, tmp_path)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", OTHERS)
def test_other_predictors(name: str, tmp_path: Path) -> None:
    model, rows, target = OTHERS[name]
    agrees(clone(model).fit(rows) if target is None else clone(model).fit(rows, target), rows, tmp_path)


def test_an_unseen_category_is_refused_where_the_original_refuses_it(tmp_path: Path) -> None:
    model = CategoricalNB().fit(COUNTS, THREE)
    signature = export_model(model, COUNTS, tmp_path, "model").signature
    assert {(feature.minimum, feature.maximum) for feature in signature.features} == {(0.0, 3.0)}
    assert signature.features[0].datatype is Datatype.INT64


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (DummyClassifier(strategy="uniform"), "answers by chance"),
        (DummyClassifier(strategy="stratified"), "answers by chance"),
        (KNeighborsClassifier(weights=lambda far: 1 / (far + 1)), "weights of one's own"),
        (KNeighborsClassifier(metric="braycurtis", algorithm="brute"), "the metric 'braycurtis'"),
        (SVC(kernel=lambda one, other: one @ other.T), "the kernel"),
        (GaussianProcessClassifier(gp.Matern(nu=1.1), optimizer=None), "use nu of"),
    ],
)
def test_what_is_refused_says_what_to_do(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=message):
        export_model(model.fit(ROWS[:60], TWO[:60]), ROWS[:60], tmp_path, "model")


def test_an_outlier_s_label_is_exact_where_its_score_is_zero(tmp_path: Path) -> None:
    """The offset is a percentile of the training data's own scores, and so can be one of them."""
    model = IsolationForest(n_estimators=10, contamination=24 / 239, random_state=0).fit(NUMBERS)
    scores = model.decision_function(NUMBERS)
    assert (scores == 0).any()
    served = load(export_model(model, NUMBERS, tmp_path, "model").path).predict(NUMBERS)
    assert (served["label"] == model.predict(NUMBERS)).all()
