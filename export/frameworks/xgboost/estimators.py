"""The estimators of XGBoost, and its Booster.

What is marked exact takes XGBoost's operations in its order: comparisons and additions in float32. Objectives that take
an exponential of the margin are exact only up to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto
from xgboost import (
    Booster,
    DMatrix,
    XGBClassifier,
    XGBRanker,
    XGBRegressor,
    XGBRFClassifier,
    XGBRFRegressor,
)

from app.signature import Array
from export.frameworks import Answers, adapter, exact, predictor
from export.frameworks.native import NativeModel
from export.frameworks.xgboost.margins import margins
from export.frameworks.xgboost.objectives import answer
from export.frameworks.xgboost.saved import Saved
from export.graph import Columns, Graph


@adapter(Booster)
class AdaptedBooster(NativeModel):
    """A Booster, asked by a DMatrix of the rows, in which NaN is missing."""

    missing = np.nan

    def __init__(self, model: Booster) -> None:
        super().__init__(model)
        self.n_features_in_ = model.num_features()
        if model.feature_names is not None:
            self.feature_names_in_ = np.array(model.feature_names, dtype=object)

    def get_booster(self) -> Any:
        return self.model

    def predict(self, X: Any) -> Array:  # noqa: N803
        types = None if isinstance(X, pd.DataFrame) else self.model.feature_types
        found: Array = self.model.predict(DMatrix(X, feature_types=types, enable_categorical=True))
        return found


@predictor(AdaptedBooster, XGBRegressor, XGBRFRegressor, XGBRanker)
@exact
def regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    saved = Saved.of(model)
    value = answer(graph, saved, margins(graph, saved, columns))
    return {"value": graph.cast(value, TensorProto.DOUBLE)}


@predictor(XGBClassifier, XGBRFClassifier)
@exact
def classifier(graph: Graph, model: Any, columns: Columns) -> Answers:
    saved = Saved.of(model)
    raw = margins(graph, saved, columns)
    found = answer(graph, saved, raw)
    if saved.objective == "multi:softmax":
        chances = graph.op("Softmax", graph.cast(raw, TensorProto.DOUBLE), axis=1)
        return {"label": graph.cast(found, TensorProto.INT64), "probabilities": chances}
    likely = graph.cast(graph.op("Greater", found, graph.constant(0.5, np.float32)), TensorProto.INT64)
    if len(saved.start) > 1:
        several = not saved.objective.startswith("multi:")  # labels that hold or not, each for itself
        label = likely if several else graph.op("ArgMax", found, axis=1, keepdims=0)
        return {"label": label, "probabilities": graph.cast(found, TensorProto.DOUBLE)}
    yes = graph.op("Reshape", found, graph.constant([-1, 1], np.int64))
    both = graph.op("Concat", graph.op("Sub", graph.constant(1.0, np.float32), yes), yes, axis=1)
    return {"label": likely, "probabilities": graph.cast(both, TensorProto.DOUBLE)}
