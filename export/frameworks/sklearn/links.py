"""From decisions to answers: what many models do after their arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from app.signature import Array
from export.classes import union
from export.errors import UnsupportedModel
from export.frameworks import Answers, predict
from export.graph import Columns, Graph

_ANSWERS = {"predict_proba": "probabilities", "decision_function": "scores", "predict": "value"}


def responded(graph: Graph, model: Any, columns: Columns, *methods: str) -> tuple[str, str]:
    """The answer of a model inside another by the first of these methods that it has, and that method's name."""
    method = next((one for one in methods if hasattr(model, one)), methods[-1])
    answers = predict(graph, model, columns)
    return wanted(model, answers, _ANSWERS[method]), method


def wanted(model: Any, answers: Answers, name: str) -> str:
    """One of the answers of a model inside another. Raises UnsupportedModel if its conversion does not give it."""
    if name not in answers:
        raise UnsupportedModel(f"a {type(model).__name__} inside another model, which asks for its {name}")
    return answers[name]


def everywhere(graph: Graph, columns: Columns, values: Array) -> str:
    """The one row of values, once for each row of the input."""
    rows = graph.op("Shape", graph.matrix(columns[:1]), start=0, end=1)
    shape = graph.op("Concat", rows, graph.constant(values.shape[1:], np.int64), axis=0)
    return graph.op("Expand", graph.constant(values), shape)


def class_values(graph: Graph, model: Any, index: str) -> str:
    """The classes themselves, which are numbers, as a model that learns from them takes them."""
    classes = np.asarray(model.classes_)
    if classes.dtype.kind not in "iufb":
        raise UnsupportedModel(f"a {type(model).__name__} whose classes are no numbers, as features of another model")
    return picked(graph, classes, index, np.float64)


def label(graph: Graph, decision: str, *, binary: bool, at_zero: int = 0) -> str:
    """The class's index: the sign of a binary decision [rows], the first largest of several [rows, classes].

    `at_zero` is the class of a binary decision of exactly zero.
    """
    if binary:
        over = graph.op("GreaterOrEqual" if at_zero else "Greater", decision, graph.constant(0.0))
        return graph.cast(over, TensorProto.INT64)
    return graph.op("ArgMax", decision, axis=1, keepdims=0)


def labels(graph: Graph, classes: Sequence[Array], indices: Sequence[str]) -> str:
    """The labels [rows, outputs] of several outputs, from each one's index [rows] into its own classes."""
    every = union(classes)
    found = [picked(graph, np.searchsorted(every, own), one) for own, one in zip(classes, indices, strict=True)]
    return joined(graph, [as_column(graph, one) for one in found])


def labels_above(graph: Graph, numbers: str, threshold: float) -> str:
    """The index 1 where numbers are above a threshold, else 0."""
    return graph.cast(graph.op("Greater", numbers, graph.constant(threshold)), TensorProto.INT64)


def two_sided(graph: Graph, chance: str) -> str:
    """Both classes' probabilities [rows, 2] from the second's [rows]."""
    second = as_column(graph, chance)
    return graph.op("Concat", graph.op("Sub", graph.constant(1.0), second), second, axis=1)


def logistic(graph: Graph, decision: str, *, binary: bool) -> Answers:
    """The answers of a decision: its sigmoid for two classes, else its softmax."""
    chances = two_sided(graph, graph.op("Sigmoid", decision)) if binary else graph.op("Softmax", decision, axis=1)
    return {"label": label(graph, decision, binary=binary), "probabilities": chances, "scores": decision}


def likeliest(graph: Graph, chances: str) -> Answers:
    """Probabilities [rows, classes], and the class that has most of them."""
    return {"label": label(graph, chances, binary=False), "probabilities": chances}


def posterior(graph: Graph, joint: str) -> Answers:
    """The probabilities of joint log-likelihoods [rows, classes]."""
    return {"label": label(graph, joint, binary=False), "probabilities": graph.op("Softmax", joint, axis=1)}


def normalised(graph: Graph, each: str, otherwise: float) -> str:
    """Numbers [rows, classes] divided by their sum; where that is zero, all of them `otherwise`."""
    total = graph.op("ReduceSum", each, graph.constant([1], np.int64), keepdims=1)
    none = graph.op("Equal", total, graph.constant(0.0))
    return graph.op("Where", none, graph.constant(otherwise), graph.op("Div", each, total))


def far_sigmoid(graph: Graph, decision: str) -> str:
    """A sigmoid that keeps the tiniest values apart from zero, where onnxruntime's gives up: they are divided by."""
    small = graph.op("Exp", graph.op("Neg", graph.op("Abs", decision)))
    ratio = graph.op("Div", small, graph.op("Add", small, graph.constant(1.0)))
    negative = graph.op("Less", decision, graph.constant(0.0))
    return graph.op("Where", negative, ratio, graph.op("Sub", graph.constant(1.0), ratio))


def linear(graph: Graph, matrix: str, weights: Array, intercept: Any) -> str:
    """matrix [rows, columns] @ weights [columns, outputs] + intercept."""
    product = graph.op("MatMul", matrix, graph.constant(np.asarray(weights, dtype=np.float64)))
    return graph.op("Add", product, graph.constant(np.asarray(intercept, dtype=np.float64).reshape(1, -1)))


def added(graph: Graph, tensors: Sequence[str]) -> str:
    """Tensors added in their order, as the trained model adds them."""
    return tensors[0] if len(tensors) == 1 else graph.op("Sum", *tensors)


def mean(graph: Graph, tensors: Sequence[str]) -> str:
    return graph.op("Div", added(graph, tensors), graph.constant(float(len(tensors))))


def joined(graph: Graph, tensors: Sequence[str]) -> str:
    """Matrices side by side."""
    return tensors[0] if len(tensors) == 1 else graph.op("Concat", *tensors, axis=1)


def flat(graph: Graph, matrix: str) -> str:
    """[rows] from [rows, 1]."""
    return graph.op("Reshape", matrix, graph.constant([-1], np.int64))


def as_column(graph: Graph, vector: str) -> str:
    """[rows, 1] from [rows]."""
    return graph.op("Unsqueeze", vector, graph.constant([1], np.int64))


def column(graph: Graph, matrix: str, index: int) -> str:
    """One column [rows] of a matrix."""
    return graph.op("Gather", matrix, graph.constant(index, np.int64), axis=1)


def sliced(graph: Graph, matrix: str, start: int, end: int) -> str:
    """The columns from `start` to before `end` of a matrix."""
    return graph.op("Slice", matrix, *(graph.constant([one], np.int64) for one in (start, end, 1)))


def picked(graph: Graph, table: Any, index: str, dtype: Any = None) -> str:
    """The entries of a table, or its rows, at these indices."""
    return graph.op("Gather", graph.constant(table, dtype), index, axis=0)
