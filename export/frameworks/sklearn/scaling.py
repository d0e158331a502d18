"""Scalers: arithmetic on columns, in double as in the original.

What is marked exact is one operation on each value after the other, those of the estimator's own `transform` in its
order: subtract and divide, multiply and add, compare, replace. IEEE 754 leaves each of them one result.
"""

from __future__ import annotations

from dataclasses import replace
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
    mean, scale = model.mean_ if model.with_mean else None, model.scale_ if model.with_std else None
    if _single(columns):
        mean, scale = (None if one is None else np.float32(one) for one in (mean, scale))
    return _each(graph, columns, ("Sub", mean), ("Div", scale))


@transformer(RobustScaler)
@exact
def robust_scaler(graph: Graph, model: RobustScaler, columns: Columns) -> Columns:
    centre, scale = model.center_ if model.with_centering else None, model.scale_ if model.with_scaling else None
    return _each(graph, columns, ("Sub", centre), ("Div", scale))


@transformer(MaxAbsScaler)
@exact
def max_abs_scaler(graph: Graph, model: MaxAbsScaler, columns: Columns) -> Columns:
    scaled = _each(graph, columns, ("Div", model.scale_))
    return _clipped(graph, scaled, -1.0, 1.0) if getattr(model, "clip", False) else scaled


@transformer(MinMaxScaler)
@exact
def min_max_scaler(graph: Graph, model: MinMaxScaler, columns: Columns) -> Columns:
    scaled = _each(graph, columns, ("Mul", model.scale_), ("Add", model.min_))
    return _clipped(graph, scaled, *map(float, model.feature_range)) if model.clip else scaled


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


def _each(graph: Graph, columns: Columns, *operations: tuple[str, Any]) -> Columns:
    """One operation on all values after the other, in the float32 or the double that scikit-learn does them in.

    The float32 result is had by rounding the double one: that the double has more than twice the digits makes it so.
    """
    tensor, single = graph.matrix(columns), _single(columns)
    for operation, constant in operations:
        if constant is not None:
            tensor = graph.op(operation, tensor, graph.constant(rows(constant)))
            tensor = graph.cast(graph.cast(tensor, TensorProto.FLOAT), TensorProto.DOUBLE) if single else tensor
    found = graph.columns(tensor, len(columns))
    return tuple(replace(column, dtype=np.dtype(np.float32)) for column in found) if single else found


def _single(columns: Columns) -> bool:
    """Whether scikit-learn has a matrix of these columns in float32."""
    dtypes = [column.dtype for column in columns]
    return all(isinstance(dtype, np.dtype) for dtype in dtypes) and bool(np.result_type(*dtypes) == np.float32)


def _clipped(graph: Graph, columns: Columns, low: float, high: float) -> Columns:
    tensor = graph.op("Clip", graph.matrix(columns), graph.constant(low), graph.constant(high))
    return tuple(
        replace(new, dtype=old.dtype) for new, old in zip(graph.columns(tensor, len(columns)), columns, strict=True)
    )
