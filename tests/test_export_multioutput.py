"""Several targets at once: classifiers whose label is one per output, and regressors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model as lm
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from app import load, schema
from app.signature import Datatype
from export import export_model
from tests.export_models import AMOUNT, NUMBERS, SCALES, THREE, TWO

ROWS = NUMBERS / SCALES
WORDS = np.c_[THREE.astype(object), TWO.astype(object)]
SEVERAL = np.c_[AMOUNT > 0, AMOUNT > 3, ROWS[:, 0] > 0].astype(int)
VALUES = np.c_[AMOUNT, 1 - AMOUNT, ROWS[:, 0]]
LOGISTIC = lm.LogisticRegression(max_iter=1000)
FOREST = RandomForestClassifier(4, random_state=0)

CLASSIFIERS: dict[str, tuple[Any, Any]] = {
    "tree": (DecisionTreeClassifier(max_depth=4), WORDS),
    "forest": (FOREST, np.c_[SEVERAL[:, 0] * 7 - 3, SEVERAL.sum(axis=1)]),
    "forest_of_booleans": (FOREST, SEVERAL.astype(bool)),
    "one_per_output": (MultiOutputClassifier(LOGISTIC), WORDS),
    "one_per_output_without_probabilities": (MultiOutputClassifier(DecisionTreeClassifier(max_depth=3)), WORDS),
    "one_vs_rest": (OneVsRestClassifier(LOGISTIC), SEVERAL),
    "one_vs_rest_margins": (OneVsRestClassifier(LinearSVC()), SEVERAL),
    "one_vs_rest_constant": (OneVsRestClassifier(LOGISTIC), np.c_[SEVERAL, np.ones(len(SEVERAL), int)]),
    "ridge": (lm.RidgeClassifier(), SEVERAL),
    "chain": (ClassifierChain(LOGISTIC, order=[1, 2, 0]), SEVERAL),
    "chain_of_probabilities": (ClassifierChain(LOGISTIC, chain_method="predict_proba"), SEVERAL),
    "chain_of_decisions": (ClassifierChain(LinearSVC(), chain_method="decision_function"), SEVERAL),
}


@pytest.mark.filterwarnings("ignore:Label 3 is present")
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_output_keeps_its_own_classes(name: str, tmp_path: Path) -> None:
    estimator, target = CLASSIFIERS[name]
    model = clone(estimator).fit(ROWS, target)
    report = export_model(model, ROWS, tmp_path, "model")
    served = load(report.path).predict(ROWS)["label"]
    assert (served == model.predict(ROWS)).all()
    assert {type(one) for one in served.ravel().tolist()} == {type(one) for one in model.predict(ROWS).ravel().tolist()}
    assert report.certificate.flips == 0
    assert report.certificate.worst < 1e-12


def test_what_a_client_sees(tmp_path: Path) -> None:
    model = MultiOutputClassifier(clone(LOGISTIC)).fit(ROWS, WORDS)
    served = load(export_model(model, ROWS, tmp_path, "model").path)
    label, probabilities = served.signature.outputs
    assert label.columns == ("y0", "y1")
    assert label.classes == ("high", "low", "middle", "no", "yes")
    assert probabilities.columns == ("y0=high", "y0=low", "y0=middle", "y1=no", "y1=yes")
    (answer,) = served.answer(served.codec.rows(ROWS[:1]))
    assert answer["label"] == dict(zip(label.columns, model.predict(ROWS[:1])[0], strict=True))
    assert list(answer["probabilities"].values()) == pytest.approx(np.hstack(model.predict_proba(ROWS[:1]))[0])
    described = schema.of_output(label)["properties"]["y1"]
    assert described == {"enum": ["high", "low", "middle", "no", "yes"]}


def test_one_probability_for_each_label_that_may_hold(tmp_path: Path) -> None:
    model = OneVsRestClassifier(clone(LOGISTIC)).fit(ROWS, SEVERAL)
    label, probabilities = export_model(model, ROWS, tmp_path, "model").signature.outputs
    assert (label.classes, label.datatype) == ((0, 1), Datatype.INT64)
    assert label.columns == probabilities.columns == ("y0", "y1", "y2")


@pytest.mark.parametrize(
    "model",
    [
        MultiOutputRegressor(lm.Ridge()),
        RegressorChain(lm.Ridge(), order=[2, 0, 1]),
        RegressorChain(lm.Ridge(), cv=2),
    ],
)
def test_regressors(model: Any, tmp_path: Path) -> None:
    report = export_model(clone(model).fit(ROWS, VALUES), ROWS, tmp_path, "model")
    assert report.certificate.worst < 1e-12
    assert report.signature.outputs[0].columns == ("y0", "y1", "y2")
