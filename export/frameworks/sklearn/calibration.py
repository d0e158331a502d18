"""Calibrated classifiers, and the isotonic regression that is one way to calibrate."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from export.errors import UnsupportedModel
from export.frameworks import Answers, predictor, transformer
from export.frameworks.sklearn import links
from export.graph import Columns, Graph


@predictor(CalibratedClassifierCV)
def calibrated_classifier(graph: Graph, model: CalibratedClassifierCV, columns: Columns) -> Answers:
    """The mean of the members, as `_CalibratedClassifier.predict_proba` has each."""
    members = [_calibrated(graph, one, columns) for one in model.calibrated_classifiers_]
    return links.likeliest(graph, links.mean(graph, members))


@predictor(IsotonicRegression)
def isotonic_regression(graph: Graph, model: IsotonicRegression, columns: Columns) -> Answers:
    return {"value": links.flat(graph, _isotonic(graph, model, graph.matrix(columns)))}


@transformer(IsotonicRegression)
def isotonic_transform(graph: Graph, model: IsotonicRegression, columns: Columns) -> Columns:
    return graph.columns(_isotonic(graph, model, graph.matrix(columns)), 1)


def _calibrated(graph: Graph, member: Any, columns: Columns) -> str:
    decision, method = links.responded(graph, member.estimator, columns, "decision_function", "predict_proba")
    classes, own = len(member.classes), len(member.estimator.classes_)
    if member.method == "temperature":
        return _by_temperature(graph, member, decision, method)
    if classes == 2:
        second = links.column(graph, decision, 1) if method == "predict_proba" else decision
        return links.two_sided(
            graph, links.flat(graph, _calibrator(graph, member.calibrators[0], links.as_column(graph, second)))
        )
    if own < classes:
        raise UnsupportedModel("a CalibratedClassifierCV with a member that never saw one of the classes")
    each = [
        _calibrator(graph, one, links.sliced(graph, decision, index, index + 1))
        for index, one in enumerate(member.calibrators)
    ]
    return links.normalised(graph, links.joined(graph, each), 1.0 / classes)


def _calibrator(graph: Graph, calibrator: Any, decision: str) -> str:
    if isinstance(calibrator, _SigmoidCalibration):
        scaled = graph.op("Mul", graph.constant(float(calibrator.a_)), decision)
        return graph.op("Sigmoid", graph.op("Neg", graph.op("Add", scaled, graph.constant(float(calibrator.b_)))))
    return _isotonic(graph, calibrator, decision)


def _by_temperature(graph: Graph, member: Any, decision: str, method: str) -> str:
    if method == "predict_proba":
        logits = graph.op("Log", graph.op("Add", decision, graph.constant(1e-12)))
    elif len(member.classes) == 2:
        second = links.as_column(graph, decision)
        logits = links.joined(graph, [graph.op("Neg", second), second])
    else:
        logits = decision
    return graph.op("Softmax", graph.op("Mul", graph.constant(float(member.calibrators[0].beta_)), logits), axis=1)


def _isotonic(graph: Graph, model: IsotonicRegression, matrix: str) -> str:
    """[rows, 1]: on the line between the thresholds that a value lies between."""
    x, y = (np.asarray(values, dtype=np.float64) for values in (model.X_thresholds_, model.y_thresholds_))
    if len(x) == 1:
        return graph.op("Add", graph.op("Mul", matrix, graph.constant(0.0)), graph.constant(float(y[0])))
    clipped = graph.op("Clip", matrix, graph.constant(float(x[0])), graph.constant(float(x[-1])))
    passed = graph.cast(graph.op("GreaterOrEqual", clipped, graph.constant(x[1:-1].reshape(1, -1))), TensorProto.INT64)
    place = graph.op("ReduceSum", passed, graph.constant([1], np.int64), keepdims=1)
    start, slope, base = (links.picked(graph, table, place) for table in (x[:-1], np.diff(y) / np.diff(x), y[:-1]))
    found = graph.op("Add", graph.op("Mul", slope, graph.op("Sub", clipped, start)), base)
    if model.out_of_bounds != "nan":
        return found
    inside = graph.op("Equal", clipped, matrix)
    return graph.op("Where", inside, found, graph.constant(np.nan))
