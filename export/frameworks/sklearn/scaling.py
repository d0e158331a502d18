"""Scalers and imputers: arithmetic on columns, in double as in the original.

What is marked exact is one operation on each value after the other, those of the estimator's own `transform` in its
order: subtract and divide, multiply and add, compare, replace. IEEE 754 leaves each of them one result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from app.signature import MISSING
from export.errors import UnsupportedModel
from export.frameworks import exact, transformer
from export.graph import Columns, Graph, rows

_UFUNCS = {
    np.abs: "Abs",
    np.absolute: "Abs",
    np.ceil: "Ceil",
    np.cos: "Cos",
    np.exp: "Exp",
    np.floor: "Floor",
    np.log: "Log",
    np.negative: "Neg",
    np.sin: "Sin",
    np.sqrt: "Sqrt",
    np.tanh: "Tanh",
}


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


@transformer(FunctionTransformer)
@exact
def function_transformer(graph: Graph, model: FunctionTransformer, columns: Columns) -> Columns:
    """Functions of numpy that are one node, or two; any other function is Python, which a graph cannot hold."""
    if model.func is None:
        return columns
    graph.doubt("a function of numpy, which computes with integers in integers")
    if model.func in (np.log1p, np.expm1, np.square):
        matrix = graph.matrix(columns)
        one = graph.constant(1.0)
        found = {
            np.log1p: lambda: graph.op("Log", graph.op("Add", matrix, one)),
            np.expm1: lambda: graph.op("Sub", graph.op("Exp", matrix), one),
            np.square: lambda: graph.op("Mul", matrix, matrix),
        }[model.func]()
    elif not model.kw_args and model.func in _UFUNCS:
        found = graph.op(_UFUNCS[model.func], graph.matrix(columns))
    else:
        name = getattr(model.func, "__name__", repr(model.func))
        raise UnsupportedModel(
            f"FunctionTransformer({name}) runs Python; use a ufunc of numpy such as np.log1p, or compute the column "
            "before the model"
        )
    return graph.columns(found, len(columns))


@transformer(SimpleImputer)
@exact
def simple_imputer(graph: Graph, model: SimpleImputer, columns: Columns) -> Columns:
    """Each missing value becomes its column's statistic; columns without one are dropped, as scikit-learn does."""
    filled = [index for index, value in enumerate(model.statistics_) if not _is_missing(value)]
    kept = tuple(columns[index] for index in filled)
    matrix = graph.matrix(kept)
    text = kept[0].text
    statistics = np.array([[model.statistics_[index] for index in filled]], dtype=np.object_ if text else np.float64)
    absent = _absent(graph, matrix, model.missing_values, text)
    imputed = graph.op("Where", absent, graph.constant(statistics), matrix)
    result = graph.columns(imputed, len(kept), text=text, like=kept)
    return result + (missing_indicator(graph, model.indicator_, columns) if model.add_indicator else ())


@transformer(MissingIndicator)
@exact
def missing_indicator(graph: Graph, model: MissingIndicator, columns: Columns) -> Columns:
    watched = tuple(columns[int(index)] for index in model.features_)
    if not watched:
        return ()
    absent = _absent(graph, graph.matrix(watched), model.missing_values, watched[0].text)
    return graph.columns(graph.cast(absent, TensorProto.DOUBLE), len(watched))


def _shifted_scaled(graph: Graph, columns: Columns, shift: Any, scale: Any) -> Columns:
    tensor = graph.matrix(columns)
    if shift is not None:
        tensor = graph.op("Sub", tensor, graph.constant(rows(shift)))
    if scale is not None:
        tensor = graph.op("Div", tensor, graph.constant(rows(scale)))
    return graph.columns(tensor, len(columns))


def _clipped(graph: Graph, tensor: str, low: float, high: float) -> str:
    return graph.op("Clip", tensor, graph.constant(low), graph.constant(high))


def _absent(graph: Graph, matrix: str, missing: Any, text: bool) -> str:
    """Where a matrix holds what an imputer takes for missing."""
    if text:
        marker = MISSING if _is_missing(missing) else missing
        return graph.op("Equal", matrix, graph.constant(np.array(marker, dtype=np.object_)))
    if _is_missing(missing):
        return graph.op("IsNaN", matrix)
    return graph.op("Equal", matrix, graph.constant(float(missing)))


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))
