"""The estimators of CatBoost.

What is marked exact takes CatBoost's operations in its order; probabilities and exponents are exact only up to exp.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from catboost import CatBoost, CatBoostClassifier, CatBoostRanker, CatBoostRegressor
from onnx import TensorProto

from app.signature import Array
from export.frameworks import Answers, adapter, exact, predictor
from export.frameworks.catboost.raw import raw
from export.frameworks.catboost.saved import Saved
from export.frameworks.native import NativeModel
from export.graph import Columns, Graph

_SIGMOID = {"MultiClassOneVsAll", "MultiLogloss", "MultiCrossEntropy"}
_OUTPUTS = {"MultiLogloss", "MultiCrossEntropy"}
_EXPONENTS = {"Poisson", "Tweedie"}


@adapter(CatBoost)
class AdaptedCatBoost(NativeModel):
    """A CatBoost that is neither classifier nor regressor: it answers raw values."""

    def __init__(self, model: CatBoost) -> None:
        super().__init__(model)
        self.n_features_in_ = model.n_features_in_

    def predict(self, X: Any) -> Array:  # noqa: N803
        found: Array = self.model.predict(X)
        return found


@predictor(AdaptedCatBoost)
@exact
def native(graph: Graph, model: AdaptedCatBoost, columns: Columns) -> Answers:
    return {"value": _shaped(graph, *_raw(graph, model.model, columns))}


@predictor(CatBoostRegressor, CatBoostRanker)
@exact
def regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    values, saved = _raw(graph, model, columns)
    if isinstance(model, CatBoostRegressor) and saved.loss in _EXPONENTS:
        values = graph.op("Exp", values)
    if isinstance(model, CatBoostRegressor) and saved.loss == "RMSEWithUncertainty":
        mean, spread = graph.ops("Split", values, outputs=2, axis=1, num_outputs=2)
        variance = graph.op("Exp", graph.op("Mul", spread, graph.constant(2.0)))
        values = graph.op("Concat", mean, variance, axis=1)
    return {"value": _shaped(graph, values, saved)}


@predictor(CatBoostClassifier)
@exact
def classifier(graph: Graph, model: CatBoostClassifier, columns: Columns) -> Answers:
    values, saved = _raw(graph, model, columns)
    if len(saved.bias) == 1:
        chance = graph.op("Sigmoid", values)
        both = graph.op("Concat", graph.op("Sub", graph.constant(1.0), chance), chance, axis=1)
        return {"label": _over(graph, model, _shaped(graph, values, saved)), "probabilities": both}
    chances = graph.op("Sigmoid", values) if saved.loss in _SIGMOID else graph.op("Softmax", values, axis=1)
    if saved.loss in _OUTPUTS:
        return {"label": _over(graph, model, values), "probabilities": chances}
    return {"label": graph.op("ArgMax", values, axis=1, keepdims=0), "probabilities": chances}


def _raw(graph: Graph, model: Any, columns: Columns) -> tuple[str, Saved]:
    saved = Saved.of(model)
    return raw(graph, saved, columns), saved


def _over(graph: Graph, model: CatBoostClassifier, values: str) -> str:
    """Whether a raw value is above the one that the probability threshold stands for."""
    threshold = model.get_probability_threshold() or 0.5
    border = float(np.log(threshold) - np.log1p(-threshold))
    return graph.cast(graph.op("Greater", values, graph.constant(border)), TensorProto.INT64)


def _shaped(graph: Graph, values: str, saved: Saved) -> str:
    """[rows] where there is one value per row."""
    return values if len(saved.bias) > 1 else graph.op("Reshape", values, graph.constant([-1], np.int64))
