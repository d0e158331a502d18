"""Models that hold one other model, and answer by it."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.feature_selection import RFE, RFECV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RANSACRegressor
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.semi_supervised import SelfTrainingClassifier

from export.frameworks import Answers, predict, predictor, transform, transformer
from export.frameworks.sklearn import links
from export.graph import Columns, Graph


@predictor(FrozenEstimator)
def predict_frozen(graph: Graph, model: FrozenEstimator, columns: Columns) -> Answers:
    return predict(graph, model.estimator, columns)


@transformer(FrozenEstimator)
def transform_frozen(graph: Graph, model: FrozenEstimator, columns: Columns) -> Columns:
    return transform(graph, model.estimator, columns)


@predictor(SelfTrainingClassifier, RANSACRegressor)
def predict_inner(graph: Graph, model: Any, columns: Columns) -> Answers:
    return predict(graph, model.estimator_, columns)


@predictor(RFE, RFECV)
def predict_selected(graph: Graph, model: RFE, columns: Columns) -> Answers:
    return predict(graph, model.estimator_, tuple(columns[index] for index in np.flatnonzero(model.support_)))


@predictor(FixedThresholdClassifier)
def fixed_threshold(graph: Graph, model: FixedThresholdClassifier, columns: Columns) -> Answers:
    inner = getattr(model, "estimator_", model.estimator)
    method = _method(model, inner)
    default = 0.5 if method == "predict_proba" else 0.0
    threshold = default if model.threshold == "auto" else model.threshold
    return _thresholded(
        graph, predict(graph, inner, columns), method, float(threshold), _positive(model, model.pos_label)
    )


@predictor(TunedThresholdClassifierCV)
def tuned_threshold(graph: Graph, model: TunedThresholdClassifierCV, columns: Columns) -> Answers:
    answers = predict(graph, model.estimator_, columns)
    positive = _positive(model, model._curve_scorer._get_pos_label())
    return _thresholded(graph, answers, _method(model, model.estimator_), float(model.best_threshold_), positive)


def _method(model: Any, inner: Any) -> str:
    if model.response_method == "auto":
        return "predict_proba" if hasattr(inner, "predict_proba") else "decision_function"
    return str(model.response_method)


def _positive(model: Any, label: Any) -> int:
    """The index of the class that is answered from the threshold on."""
    return 1 if label is None else int(np.flatnonzero(model.classes_ == label)[0])


def _thresholded(graph: Graph, answers: Answers, method: str, threshold: float, positive: int) -> Answers:
    if method == "predict_proba":
        sure = links.column(graph, answers["probabilities"], positive)
    else:
        sure = answers["scores"] if positive else graph.op("Neg", answers["scores"])
    above = graph.op("GreaterOrEqual", sure, graph.constant(threshold))
    return {**answers, "label": graph.cast(above if positive else graph.op("Not", above), TensorProto.INT64)}
