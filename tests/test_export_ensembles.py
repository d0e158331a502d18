"""Models made of other models: each exported, and held against the original by the exporter's own parity check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model as lm
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from app import load
from export import export_model
from tests.export_models import AMOUNT, NUMBERS, SCALES, THREE, TWO

ROWS = NUMBERS / SCALES
LOGISTIC = lm.LogisticRegression(max_iter=1000)
FOREST = RandomForestClassifier(4, max_depth=4, random_state=0)
TREE = DecisionTreeClassifier(max_depth=4, random_state=0)
BINARY: list[tuple[str, Any]] = [("logistic", LOGISTIC), ("forest", FOREST), ("tree", TREE)]

BOTH_TARGETS = {
    "voting_soft": VotingClassifier(BINARY, voting="soft", weights=[1, 2, 0.5]),
    "voting_hard": VotingClassifier(BINARY[1:], weights=[1, 1.5]),
    "stacking": StackingClassifier([*BINARY, ("svc", LinearSVC())], cv=2),
    "stacking_of_labels": StackingClassifier(BINARY[1:], stack_method="predict", passthrough=True, cv=2),
    "bagging": BaggingClassifier(n_estimators=5, max_features=3, random_state=0),
    "bagging_of_few_rows": BaggingClassifier(n_estimators=6, max_samples=3, random_state=0),
    "bagging_of_linear": BaggingClassifier(LOGISTIC, n_estimators=3, bootstrap_features=True, random_state=0),
    "ada": AdaBoostClassifier(n_estimators=6, random_state=0),
    "calibrated_sigmoid": CalibratedClassifierCV(LinearSVC(), cv=2),
    "calibrated_isotonic": CalibratedClassifierCV(FOREST, method="isotonic", cv=2),
    "calibrated_temperature": CalibratedClassifierCV(LinearSVC(), method="temperature", ensemble=False, cv=2),
    "one_vs_rest": OneVsRestClassifier(LOGISTIC),
    "one_vs_rest_margins": OneVsRestClassifier(LinearSVC()),
    "one_vs_one": OneVsOneClassifier(LOGISTIC),
    "one_vs_one_of_trees": OneVsOneClassifier(TREE),
    "output_code": OutputCodeClassifier(FOREST, random_state=0),
    "rfe": RFE(LOGISTIC, n_features_to_select=2),
}

TWO_CLASSES = {
    "fixed_threshold": FixedThresholdClassifier(FOREST, threshold=0.25),
    "fixed_threshold_of_the_first_class": FixedThresholdClassifier(LOGISTIC, threshold=0.3, pos_label="no"),
    "fixed_threshold_of_a_decision": FixedThresholdClassifier(
        LOGISTIC, threshold=0.3, pos_label="no", response_method="decision_function"
    ),
    "tuned_threshold": TunedThresholdClassifierCV(LOGISTIC, cv=2),
    "threshold_in_a_search": GridSearchCV(
        make_pipeline(StandardScaler(), FixedThresholdClassifier(LOGISTIC)),
        {"fixedthresholdclassifier__threshold": [0.2, 0.6]},
        cv=2,
    ),
}

REGRESSORS = {
    "voting": VotingRegressor([("ridge", lm.Ridge()), ("tree", DecisionTreeRegressor(max_depth=4))], weights=[1, 3]),
    "stacking": StackingRegressor([("ridge", lm.Ridge()), ("tree", DecisionTreeRegressor(max_depth=4))], cv=2),
    "bagging": BaggingRegressor(n_estimators=4, max_features=3, random_state=0),
    "bagging_of_linear": BaggingRegressor(lm.Ridge(), n_estimators=3, random_state=0),
    "ada": AdaBoostRegressor(n_estimators=6, random_state=0),
    "ada_of_linear": AdaBoostRegressor(lm.Ridge(), n_estimators=4, random_state=0),
    "ransac": lm.RANSACRegressor(random_state=0),
    "rfe": RFE(lm.Ridge(), n_features_to_select=2),
}


def agrees(model: Any, rows: Any, directory: Path) -> None:
    found = export_model(model, rows, directory, "model").certificate
    assert found.flips == 0
    assert found.worst < 1e-12


@pytest.mark.parametrize("target", [THREE, TWO], ids=["three", "two"])
@pytest.mark.parametrize("name", BOTH_TARGETS)
def test_classifiers_of_classifiers(name: str, target: Any, tmp_path: Path) -> None:
    agrees(clone(BOTH_TARGETS[name]).fit(ROWS, target), ROWS, tmp_path)


@pytest.mark.parametrize("name", TWO_CLASSES)
def test_thresholds_are_kept(name: str, tmp_path: Path) -> None:
    agrees(clone(TWO_CLASSES[name]).fit(ROWS, TWO), ROWS, tmp_path)


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors_of_regressors(name: str, tmp_path: Path) -> None:
    agrees(clone(REGRESSORS[name]).fit(ROWS, AMOUNT), ROWS, tmp_path)


def test_a_frozen_model_inside_another(tmp_path: Path) -> None:
    frozen = FrozenEstimator(clone(FOREST).fit(ROWS, THREE))
    agrees(CalibratedClassifierCV(frozen).fit(ROWS, THREE), ROWS, tmp_path)


def test_self_training(tmp_path: Path) -> None:
    known = np.where(np.arange(len(TWO)) % 3, (TWO == "yes").astype(int), -1)
    agrees(SelfTrainingClassifier(clone(LOGISTIC)).fit(ROWS, known), ROWS, tmp_path)


@pytest.mark.parametrize("out_of_bounds", ["clip", "nan", "raise"])
def test_isotonic_regression(out_of_bounds: str, tmp_path: Path) -> None:
    model = IsotonicRegression(out_of_bounds=out_of_bounds).fit(ROWS[:, :1], AMOUNT)
    report = export_model(model, ROWS[:, :1], tmp_path, "model")
    assert report.certificate.worst < 1e-12
    (feature,) = report.signature.features
    low, high = ROWS[:, 0].min(), ROWS[:, 0].max()
    assert (feature.minimum, feature.maximum) == ((None, None) if out_of_bounds == "clip" else (low, high))


def test_answers_that_nobody_asks_for_leave_no_node(tmp_path: Path) -> None:
    """The thresholded labels replace the classifier's own."""
    plain = export_model(clone(LOGISTIC).fit(ROWS, TWO), ROWS, tmp_path, "plain").path
    fixed = export_model(FixedThresholdClassifier(clone(LOGISTIC)).fit(ROWS, TWO), ROWS, tmp_path, "fixed").path
    sizes = [(path / "model.onnx").stat().st_size for path in (plain, fixed)]
    assert sizes[1] < sizes[0] + 200
    assert load(fixed).predict(ROWS)["label"].tolist() == load(plain).predict(ROWS)["label"].tolist()
