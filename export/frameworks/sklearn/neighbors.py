"""Neighbours: distances as the trees of scikit-learn compute them, so that the same rows are the nearest.

The differences of each column are squared and added in the order of the columns, as its compiled loops do. Rows that
are equally far are taken in the order in which a tree holds them; where a tree takes others, parity says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import Answers, predictor
from export.frameworks.sklearn import links
from export.graph import Columns, Graph, rows


@predictor(KNeighborsClassifier)
def k_neighbors_classifier(graph: Graph, model: KNeighborsClassifier, columns: Columns) -> Answers:
    far, nearest = _nearest(graph, model, columns)
    weights = _weights(graph, model, far)
    parts = [_votes(graph, labels, len(own), nearest, weights) for labels, own in _targets(model)]
    chances = [links.normalised(graph, votes, 0.0) for votes in parts]
    return _of_outputs(graph, model, chances, [links.label(graph, votes, binary=False) for votes in parts])


@predictor(KNeighborsRegressor)
def k_neighbors_regressor(graph: Graph, model: KNeighborsRegressor, columns: Columns) -> Answers:
    far, nearest = _nearest(graph, model, columns)
    weights = _weights(graph, model, far)
    values = links.picked(graph, model._y.reshape(len(model._y), -1), nearest, np.float64)
    axis = graph.constant([1], np.int64)
    if not weights:
        return _valued(graph, model, graph.op("ReduceMean", values, axis, keepdims=0))
    deep = graph.op("Unsqueeze", weights, graph.constant([2], np.int64))
    total = graph.op("ReduceSum", graph.op("Mul", values, deep), axis, keepdims=0)
    return _valued(graph, model, graph.op("Div", total, graph.op("ReduceSum", weights, axis, keepdims=1)))


@predictor(RadiusNeighborsClassifier)
def radius_neighbors_classifier(graph: Graph, model: RadiusNeighborsClassifier, columns: Columns) -> Answers:
    weights = _within(graph, model, columns)
    chances = []
    for index, (labels, own) in enumerate(_targets(model)):
        votes = graph.op("MatMul", weights, graph.constant(np.eye(len(own))[labels]))
        lonely = np.zeros(len(own))
        if model.outlier_label_ is not None:
            lonely[own == model.outlier_label_[index]] = 1.0
            if not lonely.any():
                raise UnsupportedModel(
                    "a RadiusNeighborsClassifier whose outlier_label is no class of the training data"
                )
        total = graph.op("ReduceSum", votes, graph.constant([1], np.int64), keepdims=1)
        none = graph.op("Equal", total, graph.constant(0.0))
        chances.append(graph.op("Where", none, graph.constant(rows(lonely)), graph.op("Div", votes, total)))
    return _of_outputs(graph, model, chances, [links.label(graph, one, binary=False) for one in chances])


@predictor(RadiusNeighborsRegressor)
def radius_neighbors_regressor(graph: Graph, model: RadiusNeighborsRegressor, columns: Columns) -> Answers:
    """Without a neighbour 0 / 0, which is NaN in the original too."""
    weights = _within(graph, model, columns)
    total = graph.op("MatMul", weights, graph.constant(model._y.reshape(len(model._y), -1), np.float64))
    return _valued(
        graph, model, graph.op("Div", total, graph.op("ReduceSum", weights, graph.constant([1], np.int64), keepdims=1))
    )


@predictor(LocalOutlierFactor)
def local_outlier_factor(graph: Graph, model: LocalOutlierFactor, columns: Columns) -> Answers:
    far, nearest = _nearest(graph, model, columns, model.n_neighbors_)
    axis = graph.constant([1], np.int64)
    reach = links.picked(graph, model._distances_fit_X_[:, model.n_neighbors_ - 1], nearest, np.float64)
    mean = graph.op("ReduceMean", graph.op("Max", far, reach), axis, keepdims=1)
    padded = graph.op("Add", mean, graph.constant(1e-10))
    density = graph.op("Div", graph.constant(1.0), padded)
    ratios = graph.op("Div", links.picked(graph, model._lrd, nearest, np.float64), density)
    score = graph.op("Neg", graph.op("ReduceMean", ratios, axis, keepdims=0))
    decision = graph.op("Sub", score, graph.constant(float(model.offset_)))
    return {"label": links.label(graph, decision, binary=True, at_zero=1), "scores": decision}


@predictor(LabelPropagation, LabelSpreading)
def label_propagation(graph: Graph, model: Any, columns: Columns) -> Answers:
    if model.kernel == "knn":
        _, nearest = _nearest(graph, model.nn_fit, columns)
        near = links.picked(graph, model.label_distributions_, nearest)
        votes = graph.op("ReduceSum", near, graph.constant([1], np.int64), keepdims=0)
    elif model.kernel == "rbf":
        apart = sums(graph, columns, model.X_, 2.0)
        similar = graph.op("Exp", graph.op("Mul", apart, graph.constant(-float(model.gamma))))
        votes = graph.op("MatMul", similar, graph.constant(model.label_distributions_))
    else:
        raise UnsupportedModel(f"{type(model).__name__} with a kernel of one's own; use rbf or knn")
    total = graph.op("ReduceSum", votes, graph.constant([1], np.int64), keepdims=1)
    return links.likeliest(graph, graph.op("Div", votes, total))


def distances(graph: Graph, columns: Columns, points: Array, metric: str, power: float = 2.0) -> str:
    """Distances [rows, points]. Raises UnsupportedModel for another metric than Minkowski's."""
    exponent = _exponent(metric, power)
    return _rooted(graph, sums(graph, columns, points, exponent), exponent)


def _exponent(metric: Any, power: float) -> float:
    """p of a metric of Minkowski."""
    known = {"chebyshev": np.inf, "infinity": np.inf, "l1": 1.0, "l2": 2.0, "manhattan": 1.0, "cityblock": 1.0}
    known |= {"euclidean": 2.0, "minkowski": power, "p": power}
    if not isinstance(metric, str) or metric not in known:
        raise UnsupportedModel(f"the metric {metric!r}; use euclidean, manhattan, chebyshev or minkowski")
    return float(known[metric])


def sums(graph: Graph, columns: Columns, points: Array, exponent: float) -> str:
    """Distances [rows, points] before their root is taken, which no order depends on."""
    matrix, total = graph.matrix(columns), ""
    for index in range(points.shape[1]):
        value = links.sliced(graph, matrix, index, index + 1)
        apart = graph.op("Sub", value, graph.constant(rows(points[:, index])))
        term = graph.op("Mul", apart, apart) if exponent == 2 else graph.op("Abs", apart)
        if exponent not in (1, 2, np.inf):
            term = graph.op("Pow", term, graph.constant(exponent))
        total = graph.op("Max" if exponent == np.inf else "Add", total, term) if total else term
    return total


def _rooted(graph: Graph, total: str, exponent: float) -> str:
    if exponent in (1, np.inf):
        return total
    return graph.op("Sqrt", total) if exponent == 2 else graph.op("Pow", total, graph.constant(1.0 / exponent))


def _fitted(model: Any) -> tuple[Array, float]:
    """The rows that the model was fitted on, in the order in which its tree holds them, and its metric's exponent."""
    parameters = model.effective_metric_params_ or {}
    if parameters.get("w") is not None:
        raise UnsupportedModel(f"{type(model).__name__} with weights in its metric; scale the columns before it")
    points = model._fit_X.toarray() if hasattr(model._fit_X, "toarray") else model._fit_X
    exponent = _exponent(model.effective_metric_, float(parameters.get("p", 2.0)))
    return np.asarray(points, dtype=np.float64)[_order(model)], exponent


def _order(model: Any) -> Array:
    if model._fit_method == "brute":
        return np.arange(model.n_samples_fit_)
    return np.asarray(model._tree.get_arrays()[1])


def _nearest(graph: Graph, model: Any, columns: Columns, count: int = 0) -> tuple[str, str]:
    """Distances of the nearest rows of the training data, and their positions in it [rows, neighbours]."""
    points, exponent = _fitted(model)
    wanted = graph.constant([count or model.n_neighbors], np.int64)
    every = sums(graph, columns, points, exponent)
    least, found = graph.ops("TopK", every, wanted, outputs=2, axis=1, largest=0, sorted=1)
    return _rooted(graph, least, exponent), links.picked(graph, _order(model), found, np.int64)


def _weights(graph: Graph, model: Any, far: str) -> str:
    """Of each neighbour, or none if all have the same. Where some are not away at all, only they count."""
    if model.weights in (None, "uniform"):
        return ""
    if model.weights != "distance":
        raise UnsupportedModel(f"{type(model).__name__} with weights of one's own; use 'uniform' or 'distance'")
    inverse = graph.op("Div", graph.constant(1.0), far)
    here = graph.cast(graph.op("IsInf", inverse), TensorProto.DOUBLE)
    some = graph.op("ReduceMax", here, graph.constant([1], np.int64), keepdims=1)
    return graph.op("Where", graph.op("Greater", some, graph.constant(0.0)), here, inverse)


def _within(graph: Graph, model: Any, columns: Columns) -> str:
    """The weight of each row of the training data [rows, points], zero outside the radius."""
    points, exponent = _fitted(model)
    every = sums(graph, columns, points, exponent)
    reach = float(model.radius) if exponent in (1, np.inf) else float(model.radius) ** exponent
    inside, far = graph.op("LessOrEqual", every, graph.constant(reach)), _rooted(graph, every, exponent)
    weights = graph.constant(1.0)
    if model.weights == "distance":
        kept = graph.op("Where", inside, far, graph.constant(np.inf))
        weights = _weights(graph, model, kept)
    elif model.weights not in (None, "uniform"):
        _weights(graph, model, far)
    found = graph.op("Where", inside, weights, graph.constant(0.0))
    back = np.argsort(_order(model))
    return graph.op("Gather", found, graph.constant(back, np.int64), axis=1)


def _targets(model: Any) -> list[tuple[Array, Array]]:
    """Of each output: the training data's classes as indices, in its own order, and the classes."""
    if not model.outputs_2d_:
        return [(model._y.ravel(), np.asarray(model.classes_))]
    return [(model._y[:, index], np.asarray(own)) for index, own in enumerate(model.classes_)]


def _votes(graph: Graph, labels: Array, classes: int, nearest: str, weights: str) -> str:
    """[rows, classes]"""
    each = links.picked(graph, np.eye(classes)[labels], nearest)
    if weights:
        each = graph.op("Mul", each, graph.op("Unsqueeze", weights, graph.constant([2], np.int64)))
    return graph.op("ReduceSum", each, graph.constant([1], np.int64), keepdims=0)


def _of_outputs(graph: Graph, model: Any, chances: Sequence[str], best: Sequence[str]) -> Answers:
    if not model.outputs_2d_:
        return {"label": best[0], "probabilities": chances[0]}
    return {"label": links.labels(graph, model.classes_, best), "probabilities": links.joined(graph, chances)}


def _valued(graph: Graph, model: Any, value: str) -> Answers:
    return {"value": links.flat(graph, value) if model._y.ndim == 1 else value}
