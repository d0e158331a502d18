"""What an objective makes of margins, in float32 as XGBoost does, but for exponentials, which are rounded right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from export.errors import UnsupportedModel
from export.frameworks.xgboost.saved import Saved
from export.graph import Graph


def answer(graph: Graph, saved: Saved, margins: str) -> str:
    """The answers [rows, groups], or [rows] where that is one number, to margins [rows, groups]."""
    if saved.objective not in _ANSWERS:
        known = ", ".join(sorted(_ANSWERS))
        raise UnsupportedModel(f"XGBoost with the objective {saved.objective}; train with one of {known}")
    found = _ANSWERS[saved.objective](graph, margins)
    flat = len(saved.start) == 1 or saved.objective == "multi:softmax"
    return graph.op("Reshape", found, graph.constant([-1], np.int64)) if flat else found


def _single(graph: Graph, value: float) -> str:
    return graph.constant(value, np.float32)


def _as_it_is(graph: Graph, margins: str) -> str:  # noqa: ARG001
    return margins


def _exp(graph: Graph, numbers: str) -> str:
    """The exponential, rounded right to float32."""
    return graph.cast(graph.op("Exp", graph.cast(numbers, TensorProto.DOUBLE)), TensorProto.FLOAT)


def _sigmoid(graph: Graph, margins: str) -> str:
    bounded = graph.op("Min", graph.op("Neg", margins), _single(graph, 88.7))
    return graph.op("Div", _single(graph, 1.0), graph.op("Add", _exp(graph, bounded), _single(graph, 1.0)))


def _softmax(graph: Graph, margins: str) -> str:
    powers = _exp(graph, graph.op("Sub", margins, graph.op("ReduceMax", margins, graph.constant([1], np.int64))))
    total = graph.op("ReduceSum", graph.cast(powers, TensorProto.DOUBLE), graph.constant([1], np.int64))
    return graph.op("Div", powers, graph.cast(total, TensorProto.FLOAT))


def _hinge(graph: Graph, margins: str) -> str:
    return graph.cast(graph.op("Greater", margins, _single(graph, 0.0)), TensorProto.FLOAT)


def _largest(graph: Graph, margins: str) -> str:
    return graph.cast(graph.op("ArgMax", margins, axis=1, keepdims=0), TensorProto.FLOAT)


_ANSWERS: dict[str, Callable[[Graph, str], str]] = {
    "binary:hinge": _hinge,
    "binary:logistic": _sigmoid,
    "binary:logitraw": _as_it_is,
    "count:poisson": _exp,
    "multi:softmax": _largest,
    "multi:softprob": _softmax,
    "rank:map": _as_it_is,
    "rank:ndcg": _as_it_is,
    "rank:pairwise": _as_it_is,
    "reg:absoluteerror": _as_it_is,
    "reg:gamma": _exp,
    "reg:logistic": _sigmoid,
    "reg:pseudohubererror": _as_it_is,
    "reg:quantileerror": _as_it_is,
    "reg:squarederror": _as_it_is,
    "reg:squaredlogerror": _as_it_is,
    "reg:tweedie": _exp,
    "survival:aft": _exp,
    "survival:cox": _exp,
}
