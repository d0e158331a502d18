"""FunctionTransformer: functions of numpy, known by identity, as any other function is Python, which no graph holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.preprocessing import FunctionTransformer

from export.errors import UnsupportedModel
from export.frameworks import arithmetic, exact, transformer
from export.graph import Columns, Graph


def _node(kind: str) -> Callable[[Graph, str], str]:
    return lambda graph, tensor: graph.op(kind, tensor)


def _times(factor: float) -> Callable[[Graph, str], str]:
    return lambda graph, tensor: graph.op("Mul", tensor, graph.constant(factor))


_FUNCTIONS: dict[Any, Callable[[Graph, str], str]] = {
    np.abs: _node("Abs"),
    np.arcsinh: arithmetic.arcsinh,
    np.arctan: arithmetic.arctan,
    np.ceil: _node("Ceil"),
    np.cos: _node("Cos"),
    np.cosh: arithmetic.cosh,
    np.deg2rad: _times(np.pi / 180),
    np.degrees: _times(180 / np.pi),
    np.exp: _node("Exp"),
    np.exp2: lambda graph, tensor: graph.op("Pow", graph.constant(2.0), tensor),
    np.expm1: arithmetic.expm1,
    np.fabs: _node("Abs"),
    np.floor: _node("Floor"),
    np.isnan: lambda graph, tensor: graph.cast(graph.op("IsNaN", tensor), TensorProto.DOUBLE),
    np.log: _node("Log"),
    np.log10: arithmetic.logarithm(10.0),
    np.log1p: arithmetic.log1p,
    np.log2: arithmetic.logarithm(2.0),
    np.negative: _node("Neg"),
    np.rad2deg: _times(180 / np.pi),
    np.radians: _times(np.pi / 180),
    np.reciprocal: _node("Reciprocal"),
    np.rint: _node("Round"),
    np.sign: _node("Sign"),
    np.sin: _node("Sin"),
    np.sinh: arithmetic.sinh,
    np.sqrt: _node("Sqrt"),
    np.square: lambda graph, tensor: graph.op("Mul", tensor, tensor),
    np.tan: arithmetic.tan,
    np.tanh: _node("Tanh"),
    np.trunc: arithmetic.trunc,
}


@transformer(FunctionTransformer)
@exact
def function_transformer(graph: Graph, model: FunctionTransformer, columns: Columns) -> Columns:
    if model.func is None or model.func is np.positive:
        return columns
    graph.doubt("a function of numpy, which computes with integers in integers")
    if model.func in (np.clip, np.nan_to_num):
        found = _BOUNDED[model.func](graph, graph.matrix(columns), **(model.kw_args or {}))
    elif model.func in _FUNCTIONS and not model.kw_args:
        found = _FUNCTIONS[model.func](graph, graph.matrix(columns))
    else:
        raise UnsupportedModel(
            f"FunctionTransformer({getattr(model.func, '__name__', repr(model.func))}) runs Python; use a ufunc of "
            "numpy such as np.log1p, or compute the column before the model"
        )
    return graph.columns(found, len(columns))


def _clipped(graph: Graph, tensor: str, a_min: Any = None, a_max: Any = None, **others: Any) -> str:
    low, high = others.pop("min", a_min), others.pop("max", a_max)
    if others or any(bound is not None and np.ndim(bound) for bound in (low, high)):
        raise UnsupportedModel("FunctionTransformer(clip) with other options than two numbers a_min and a_max")
    bounds = ("" if bound is None else graph.constant(float(bound)) for bound in (low, high))
    return graph.op("Clip", tensor, *bounds)


def _without_nan(graph: Graph, tensor: str, nan: float = 0.0, **others: Any) -> str:
    if set(others) - {"copy"}:
        raise UnsupportedModel("FunctionTransformer(nan_to_num) with other options than nan; infinity is never served")
    return graph.op("Where", graph.op("IsNaN", tensor), graph.constant(float(nan)), tensor)


_BOUNDED: dict[Any, Callable[..., str]] = {np.clip: _clipped, np.nan_to_num: _without_nan}
