"""Regressors of a transformed target: their answer, transformed back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from export.errors import UnsupportedModel
from export.frameworks import Answers, arithmetic, predict, predictor, transform
from export.frameworks.piecewise import polynomials
from export.frameworks.sklearn import links
from export.frameworks.sklearn.distributions import lines
from export.graph import Graph, rows

_NEAR_END = 1e-7
"""Chances as near to zero or one as this are the end itself, for QuantileTransformer."""


@predictor(TransformedTargetRegressor)
def transformed_target_regressor(graph: Graph, model: TransformedTargetRegressor, columns: Any) -> Answers:
    value = predict(graph, model.regressor_, columns)["value"]
    width = _width(model)
    matrix = graph.op("Reshape", value, graph.constant([-1, width], np.int64))
    found = _inverse(graph, model.transformer_, matrix, width)
    return {"value": links.flat(graph, found) if model._training_dim == 1 and width == 1 else found}


def _width(model: TransformedTargetRegressor) -> int:
    """How many amounts it answers; its transformer was fitted on so many columns."""
    return int(getattr(model.transformer_, "n_features_in_", 1))


def _inverse(graph: Graph, model: Any, matrix: str, width: int) -> str:
    """`inverse_transform` of a fitted transformer. Raises UnsupportedModel."""
    if isinstance(model, Pipeline):
        for _, step in reversed(model.steps):
            matrix = _inverse(graph, step, matrix, width)
        return matrix
    if type(model) not in _INVERSES:
        known = ", ".join(sorted(one.__name__ for one in _INVERSES))
        raise UnsupportedModel(
            f"a target transformed by {type(model).__name__}; use one of {known}, or func and inverse_func"
        )
    return _INVERSES[type(model)](graph, model, matrix)


def _of_function(graph: Graph, model: FunctionTransformer, matrix: str) -> str:
    """What a FunctionTransformer of the inverse function does."""
    forward = FunctionTransformer(model.inverse_func, kw_args=model.inv_kw_args)
    columns = graph.columns(matrix, 1)
    return graph.matrix(transform(graph, forward, columns))


def _standard(graph: Graph, model: StandardScaler, matrix: str) -> str:
    return _unscaled(graph, matrix, model.scale_ if model.with_std else None, model.mean_ if model.with_mean else None)


def _robust(graph: Graph, model: RobustScaler, matrix: str) -> str:
    return _unscaled(
        graph, matrix, model.scale_ if model.with_scaling else None, model.center_ if model.with_centering else None
    )


def _max_abs(graph: Graph, model: MaxAbsScaler, matrix: str) -> str:
    return _unscaled(graph, matrix, model.scale_, None)


def _min_max(graph: Graph, model: MinMaxScaler, matrix: str) -> str:
    moved = graph.op("Sub", matrix, graph.constant(rows(model.min_)))
    return graph.op("Div", moved, graph.constant(rows(model.scale_)))


def _unscaled(graph: Graph, matrix: str, scale: Any, shift: Any) -> str:
    if scale is not None:
        matrix = graph.op("Mul", matrix, graph.constant(rows(scale)))
    return matrix if shift is None else graph.op("Add", matrix, graph.constant(rows(shift)))


def _power(graph: Graph, model: PowerTransformer, matrix: str) -> str:
    if model.standardize:
        matrix = _standard(graph, model._scaler, matrix)
    inverse = {"box-cox": _box_cox, "yeo-johnson": _yeo_johnson}[model.method]
    each = [
        inverse(graph, links.sliced(graph, matrix, index, index + 1), float(power))
        for index, power in enumerate(model.lambdas_)
    ]
    return links.joined(graph, each)


def _box_cox(graph: Graph, column: str, power: float) -> str:
    """x from (x**power - 1) / power, or from log x."""
    if power == 0:
        return graph.op("Exp", column)
    raised = graph.op("Add", graph.op("Mul", column, graph.constant(power)), graph.constant(1.0))
    return graph.op("Pow", raised, graph.constant(1.0 / power))


def _yeo_johnson(graph: Graph, column: str, power: float) -> str:
    """A Box-Cox of x + 1 from zero on, and one of 1 - x with 2 - power, turned around, below."""
    zero, one = graph.constant(0.0), graph.constant(1.0)
    positive = graph.op("GreaterOrEqual", column, zero)
    up = _box_cox(graph, graph.op("Where", positive, column, zero), power)
    down = _box_cox(graph, graph.op("Where", positive, zero, graph.op("Neg", column)), 2.0 - power)
    return graph.op("Where", positive, graph.op("Sub", up, one), graph.op("Sub", one, down))


def _quantile(graph: Graph, model: QuantileTransformer, matrix: str) -> str:
    """The quantile at a chance, or at the chance that a normal number is below this one."""
    normal = model.output_distribution == "normal"
    if normal:
        half = graph.constant(0.5)
        share = arithmetic.erf(graph, graph.op("Mul", matrix, graph.constant(float(np.sqrt(0.5)))))
        matrix = graph.op("Add", graph.op("Mul", share, half), half)
    quantiles, margin = model.quantiles_, graph.constant(_NEAR_END if normal else 0.0)
    pieces = [lines(model.references_, one) for one in quantiles.T]
    deep = polynomials(graph, matrix, [model.references_] * len(pieces), pieces, 1)
    found = graph.op("Squeeze", deep, graph.constant([2], np.int64))
    below = graph.op("Less", graph.op("Sub", matrix, margin), graph.constant(0.0))
    above = graph.op("Greater", graph.op("Add", matrix, margin), graph.constant(1.0))
    found = graph.op("Where", above, graph.constant(rows(quantiles[-1])), found)
    return graph.op("Where", below, graph.constant(rows(quantiles[0])), found)


_INVERSES: dict[type, Callable[[Graph, Any, str], str]] = {
    FunctionTransformer: _of_function,
    MaxAbsScaler: _max_abs,
    MinMaxScaler: _min_max,
    PowerTransformer: _power,
    QuantileTransformer: _quantile,
    RobustScaler: _robust,
    StandardScaler: _standard,
}
