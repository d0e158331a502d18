"""Scalers: arithmetic on columns, in double as in the original.

What is marked exact is one operation on each value after the other, those of the estimator's own `transform` in its
order: subtract and divide, multiply and add, compare, replace. IEEE 754 leaves each of them one result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from export.frameworks import exact, transformer
from export.graph import Columns, Graph, rows


@transformer(StandardScaler)
@exact
def standard_scaler(graph: Graph, model: StandardScaler, columns: Columns) -> Columns:
    return _shifted_scaled(
        graph, columns, model.mean_ if model.with_mean else None, model.scale_ if model.with_std else None
    )


@transformer(RobustScaler)
@exact
def robust_scaler(graph: Graph, model: RobustScaler, columns: Columns) -> Columns:
    return _shifted_scaled(
        graph, columns, model.center_ if model.with_centering else None, model.scale_ if model.with_scaling else None
    )


@transformer(MaxAbsScaler)
@exact
def max_abs_scaler(graph: Graph, model: MaxAbsScaler, columns: Columns) -> Columns:
    scaled = graph.op("Div", graph.matrix(columns), graph.constant(rows(model.scale_)))
    if getattr(model, "clip", False):
        scaled = _clipped(graph, scaled, -1.0, 1.0)
    return graph.columns(scaled, len(columns))


@transformer(MinMaxScaler)
@exact
def min_max_scaler(graph: Graph, model: MinMaxScaler, columns: Columns) -> Columns:
    scaled = graph.op("Mul", graph.matrix(columns), graph.constant(rows(model.scale_)))
    scaled = graph.op("Add", scaled, graph.constant(rows(model.min_)))
    if model.clip:
        scaled = _clipped(graph, scaled, *map(float, model.feature_range))
    return graph.columns(scaled, len(columns))


@transformer(Binarizer)
@exact
def binarizer(graph: Graph, model: Binarizer, columns: Columns) -> Columns:
    over = graph.op("Greater", graph.matrix(columns), graph.constant(float(model.threshold)))
    return graph.columns(graph.cast(over, TensorProto.DOUBLE), len(columns))


@transformer(Normalizer)
def normalizer(graph: Graph, model: Normalizer, columns: Columns) -> Columns:
    matrix, axis = graph.matrix(columns), graph.constant([1], np.int64)
    if model.norm == "max":
        norms = graph.op("ReduceMax", graph.op("Abs", matrix), axis, keepdims=1)
    else:
        norms = graph.op({"l1": "ReduceL1", "l2": "ReduceL2"}[model.norm], matrix, axis, keepdims=1)
    zero = graph.op("Equal", norms, graph.constant(0.0))
    return graph.columns(graph.op("Div", matrix, graph.op("Where", zero, graph.constant(1.0), norms)), len(columns))


def _shifted_scaled(graph: Graph, columns: Columns, shift: Any, scale: Any) -> Columns:
    tensor = graph.matrix(columns)
    if shift is not None:
        tensor = graph.op("Sub", tensor, graph.constant(rows(shift)))
    if scale is not None:
        tensor = graph.op("Div", tensor, graph.constant(rows(scale)))
    return graph.columns(tensor, len(columns))


def _clipped(graph: Graph, tensor: str, low: float, high: float) -> str:
    return graph.op("Clip", tensor, graph.constant(low), graph.constant(high))
