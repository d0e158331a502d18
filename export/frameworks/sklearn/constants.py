"""Dummies: what they answer does not depend on the row."""

from __future__ import annotations

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor

from export.classes import union
from export.errors import UnsupportedModel
from export.frameworks import Answers, predictor
from export.frameworks.sklearn import links
from export.graph import Columns, Graph


@predictor(DummyRegressor)
def dummy_regressor(graph: Graph, model: DummyRegressor, columns: Columns) -> Answers:
    values = np.asarray(model.constant_, dtype=np.float64)
    return {"value": links.everywhere(graph, columns, values.ravel() if model.n_outputs_ == 1 else values)}


@predictor(DummyClassifier)
def dummy_classifier(graph: Graph, model: DummyClassifier, columns: Columns) -> Answers:
    if model._strategy in ("stratified", "uniform"):
        raise UnsupportedModel(
            f"DummyClassifier(strategy='{model.strategy}') answers by chance; use 'prior' or 'most_frequent'"
        )
    asked = np.zeros((1, 1))
    label, chances = model.predict(asked), model.predict_proba(asked)
    several = model.n_outputs_ > 1
    classes = union(model.classes_) if several else model.classes_
    return {
        "label": links.everywhere(graph, columns, np.searchsorted(classes, label)),
        "probabilities": links.everywhere(graph, columns, np.hstack(chances) if several else chances),
    }
