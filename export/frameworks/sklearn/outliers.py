"""Outlier detectors. A label is the index 1 of an inlier."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length
from sklearn.linear_model import SGDOneClassSVM

from export.frameworks import Answers, predictor
from export.frameworks.sklearn import links
from export.frameworks.sklearn.trees import valued_leaves
from export.frameworks.trees import summed
from export.graph import Columns, Graph, rows


@predictor(IsolationForest)
def isolation_forest(graph: Graph, model: IsolationForest, columns: Columns) -> Answers:
    """2 to the power of minus the mean depth, in units of what is usual. The depths' exact sum decides the label."""
    members = zip(model._decision_path_lengths, model._average_path_length_per_tree, strict=True)
    values = [(paths + averages - 1.0).reshape(-1, 1) for paths, averages in members]
    leaves = valued_leaves(graph, model.estimators_, model.estimators_features_, values, columns)
    depths = links.flat(graph, summed(graph, leaves))
    usual = len(model.estimators_) * float(_average_path_length([model._max_samples])[0])
    power = graph.op("Neg", graph.op("Div", depths, graph.constant(usual)))
    score = graph.op("Neg", graph.op("Pow", graph.constant(2.0), power))
    inlier = graph.op("GreaterOrEqual", depths, graph.constant(_least_depth(usual, float(model.offset_))))
    return {
        "label": graph.cast(inlier, TensorProto.INT64),
        "scores": graph.op("Sub", score, graph.constant(float(model.offset_))),
    }


@predictor(EllipticEnvelope)
def elliptic_envelope(graph: Graph, model: EllipticEnvelope, columns: Columns) -> Answers:
    moved = graph.op("Sub", graph.matrix(columns), graph.constant(rows(model.location_)))
    turned = graph.op("MatMul", moved, graph.constant(np.asarray(model.get_precision(), dtype=np.float64)))
    squares = graph.op("ReduceSum", graph.op("Mul", turned, moved), graph.constant([1], np.int64), keepdims=0)
    decision = graph.op("Sub", graph.op("Neg", squares), graph.constant(float(model.offset_)))
    return {"label": links.label(graph, decision, binary=True, at_zero=1), "scores": decision}


@predictor(SGDOneClassSVM)
def sgd_one_class_svm(graph: Graph, model: Any, columns: Columns) -> Answers:
    weights = np.asarray(model.coef_, dtype=np.float64).reshape(-1, 1)
    decision = links.flat(graph, links.linear(graph, graph.matrix(columns), weights, -model.offset_))
    return {"label": links.label(graph, decision, binary=True, at_zero=1), "scores": decision}


def _least_depth(usual: float, offset: float) -> float:
    """The smallest sum of depths that scikit-learn's own arithmetic takes for an inlier, found by bisection."""
    low, high = -1.0, 64.0 * usual
    while True:
        middle = low + (high - low) / 2
        if middle in (low, high):
            return high
        inlier = -(2 ** (-np.divide(np.array([middle]), usual)))[0] - offset >= 0
        low, high = (low, middle) if inlier else (middle, high)
