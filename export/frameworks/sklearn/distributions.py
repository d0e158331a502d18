"""Transformers that change how numbers are distributed: power, quantiles, bins."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri_exp
from scipy.stats import norm
from sklearn.preprocessing import KBinsDiscretizer, PowerTransformer, QuantileTransformer

from app.signature import Array
from export.frameworks import arithmetic, exact, transform, transformer
from export.frameworks.piecewise import looked_up, polynomials
from export.graph import Columns, Graph, rows

_NEAR_END = 1e-7
"""scikit-learn's BOUNDS_THRESHOLD: how near its ends a normal QuantileTransformer takes a number for the end."""


@transformer(KBinsDiscretizer)
@exact
def bins(graph: Graph, model: KBinsDiscretizer, columns: Columns) -> Columns:
    """Exact: numbers are compared with the edges, and nothing is computed."""
    edges = [found[1:-1] for found in model.bin_edges_]
    deepest = 1 if model.encode == "ordinal" else int(max(model.n_bins_))
    tables = [
        np.arange(len(found) + 1.0).reshape(-1, 1) if model.encode == "ordinal" else np.eye(len(found) + 1, deepest)
        for found in edges
    ]
    found = _flat(graph, looked_up(graph, graph.matrix(columns), edges, tables), len(columns) * deepest)
    held = graph.columns(found, len(columns) * deepest)
    widths = [1 if model.encode == "ordinal" else int(count) for count in model.n_bins_]
    return tuple(held[column * deepest + index] for column, width in enumerate(widths) for index in range(width))


@transformer(PowerTransformer)
def power_transformer(graph: Graph, model: PowerTransformer, columns: Columns) -> Columns:
    matrix, power = graph.matrix(columns), rows(model.lambdas_)
    if model.method == "box-cox":
        found = _power(graph, graph.op("Log", matrix), graph.constant(power))
    else:
        negative = graph.op("Less", matrix, graph.constant(0.0))
        exponent = graph.op("Where", negative, graph.constant(2.0 - power), graph.constant(power))
        size = _power(graph, arithmetic.log1p(graph, graph.op("Abs", matrix)), exponent)
        found = graph.op("Where", negative, graph.op("Neg", size), size)
    result = graph.columns(found, len(columns))
    return transform(graph, model._scaler, result) if model.standardize else result


@transformer(QuantileTransformer)
def quantile_transformer(graph: Graph, model: QuantileTransformer, columns: Columns) -> Columns:
    """The mean of two interpolations, one from below and one from above, which differ where quantiles are equal."""
    matrix, quantiles, references = graph.matrix(columns), model.quantiles_.T, model.references_
    upward = _interpolated(graph, matrix, quantiles, references)
    downward = _interpolated(graph, graph.op("Neg", matrix), -quantiles[:, ::-1], -references[::-1])
    half = graph.constant(0.5)
    found = graph.op("Mul", graph.op("Sub", upward, downward), half)
    low, high = (graph.constant(rows(quantiles[:, end])) for end in (0, -1))
    if model.output_distribution == "normal":
        near = graph.constant(_NEAR_END)
        below = graph.op("Less", graph.op("Sub", matrix, near), low)
        above = graph.op("Greater", graph.op("Add", matrix, near), high)
    else:
        below, above = graph.op("Equal", matrix, low), graph.op("Equal", matrix, high)
    found = graph.op("Where", above, graph.constant(1.0), found)
    found = graph.op("Where", below, graph.constant(0.0), found)
    if model.output_distribution == "normal":
        found = _normal_quantile(graph, found, len(columns))
    return graph.columns(found, len(columns))


def _power(graph: Graph, logarithm: str, exponent: str) -> str:
    """(exp(exponent * logarithm) - 1) / exponent, and its limit, the logarithm, where the exponent is zero."""
    none = graph.op("Less", graph.op("Abs", exponent), graph.constant(float(np.finfo(np.float64).eps)))
    divisor = graph.op("Where", none, graph.constant(1.0), exponent)
    grown = graph.op("Div", arithmetic.expm1(graph, graph.op("Mul", divisor, logarithm)), divisor)
    return graph.op("Where", none, logarithm, grown)


def _interpolated(graph: Graph, matrix: str, points: Array, heights: Array) -> str:
    """numpy.interp of each column [rows, columns], whose points [columns, points] have the same heights."""
    pieces = [lines(one, heights) for one in points]
    return _flat(graph, polynomials(graph, matrix, list(points), pieces, 1), len(points))


def lines(points: Array, heights: Array) -> Array:
    """Origin, slope and height of each piece: flat beyond the ends, and where points are equal."""
    with np.errstate(all="ignore"):
        slopes = np.diff(heights) / np.diff(points)
    inner = np.c_[points[:-1], np.where(np.isfinite(slopes), slopes, 0.0), heights[:-1]]
    return np.vstack([[points[0], 0.0, heights[0]], inner, [points[-1], 0.0, heights[-1]]])


def _normal_quantile(graph: Graph, chance: str, width: int) -> str:
    """scipy's norm.ppf, clipped as scikit-learn does: a function of sqrt(-2 log p) that polynomials follow closely."""
    lowest, one = _NEAR_END - np.spacing(1), graph.constant(1.0)
    inside = graph.op("Clip", chance, graph.constant(lowest), graph.constant(1 - lowest))
    upper = graph.op("Greater", inside, graph.constant(0.5))
    tail = graph.op("Where", upper, graph.op("Sub", one, inside), inside)
    root = graph.op("Sqrt", graph.op("Mul", graph.op("Log", tail), graph.constant(-2.0)))
    edges = np.linspace(1.0, 6.0, 11)
    pieces = np.array([_fitted(low, low + 0.5) for low in edges[:-1]])
    table = [np.vstack([pieces[:1], pieces, pieces[-1:]])] * width
    size = _flat(graph, polynomials(graph, root, [edges] * width, table, pieces.shape[1] - 2), width)
    signed = graph.op("Where", upper, size, graph.op("Neg", size))
    ends = [float(norm.ppf(end)) for end in (lowest, 1 - lowest)]
    return graph.op("Clip", signed, *map(graph.constant, ends))


def _fitted(low: float, high: float, degree: int = 13) -> list[float]:
    """Origin and coefficients, the highest first, of -ppf as a function of sqrt(-2 log p), by Chebyshev's nodes."""
    middle, half = (low + high) / 2, (high - low) / 2
    fit = np.polynomial.Chebyshev.interpolate(lambda u: -ndtri_exp(-((middle + half * u) ** 2) / 2), degree)
    coefficients: Array = fit.convert(kind=np.polynomial.Polynomial).coef
    found = coefficients / half ** np.arange(degree + 1)
    return [middle, *found[::-1].tolist()]


def _flat(graph: Graph, tensor: str, width: int) -> str:
    return graph.op("Reshape", tensor, graph.constant([-1, width], np.int64))
