"""Every emitter against the estimator it writes, hostile rows included: the exporter's own parity check, and ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from app import load
from app.signature import Kind
from export import export_model
from tests.export_models import CASES, NUMBERS, THREE, TWO

BY_SKL2ONNX = ("classifiers-svc", "pipelines-outliers")
"""Cases that skl2onnx writes, in float32; all others are exact up to the last bits of a double."""


@pytest.mark.parametrize("case", CASES)
def test_an_exported_model_answers_as_it_was_trained(case: str, tmp_path: Path) -> None:
    model, sample = CASES[case]()
    report = export_model(model, sample, tmp_path, "model")
    assert report.certificate.flips == 0
    assert report.certificate.worst < (1e-5 if case.startswith(BY_SKL2ONNX) else 1e-11)
    assert load(report.path).signature == report.signature


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(7),
        GradientBoostingClassifier(n_estimators=5),
        HistGradientBoostingClassifier(max_iter=15),
    ],
)
def test_trees_are_exact(model: Any, tmp_path: Path) -> None:
    """On fresh rows, and on rows that stand on the splits of a forest's trees."""
    model = clone(model).set_params(random_state=1).fit(NUMBERS, THREE)
    served = load(export_model(model, NUMBERS, tmp_path, "trees").path)
    rows = np.random.default_rng(1).normal(size=(3000, 4)) * [1, 10, 0.1, 1000]
    for index, tree in enumerate(getattr(model, "estimators_", [])):
        if hasattr(tree, "tree_"):
            inner = tree.tree_.feature >= 0
            splits = tree.tree_.threshold[inner]
            rows[index * 100 : index * 100 + len(splits), tree.tree_.feature[inner]] = splits[:, None]
    answers = served.predict(rows)
    assert (answers["label"] == model.predict(rows)).all()
    exact = isinstance(model, RandomForestClassifier)  # the others' softmax differs in the last bit
    worst = np.abs(answers["probabilities"] - model.predict_proba(rows)).max()
    assert worst == 0 if exact else worst < 1e-15


@pytest.mark.parametrize(
    ("yes", "no"), [(True, False), (1, 0), (7, -3), (1.5, 2.5), ("yes", "no"), (np.uint8(3), np.uint8(4))]
)
def test_classes_keep_their_type(yes: Any, no: Any, tmp_path: Path) -> None:
    target = np.where(TWO == "yes", yes, no)
    if isinstance(yes, float):
        target = target * 2  # scikit-learn takes fractions for a regression's targets
    model = LogisticRegression().fit(NUMBERS, target)
    report = export_model(model, NUMBERS, tmp_path, "model")
    labels = load(report.path).predict(NUMBERS)["label"]
    assert labels.tolist() == model.predict(NUMBERS).tolist()
    assert {type(label) for label in labels.tolist()} == {type(model.classes_[0].item())}
    assert report.signature.kind is Kind.CLASSIFIER
