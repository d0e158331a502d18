"""Transformers that make many columns of one: polynomials and splines."""

from __future__ import annotations

from itertools import pairwise
from math import factorial
from typing import Any

import numpy as np
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer

from app.signature import Array
from export.frameworks import transformer
from export.frameworks.piecewise import polynomials
from export.graph import Columns, Graph, rows

Powers = tuple[int, ...]
"""A product of columns: their positions, each as often as its power, in rising order."""


@transformer(PolynomialFeatures)
def polynomial_features(graph: Graph, model: PolynomialFeatures, columns: Columns) -> Columns:
    """Products by rising degree, each a column times a product of the degree before, in scikit-learn's order."""
    wanted = [tuple(np.repeat(np.arange(len(columns)), powers).tolist()) for powers in model.powers_]
    known: dict[Powers, Any] = {(index,): column for index, column in enumerate(columns)}
    for degree in range(2, max(map(len, wanted), default=0) + 1):
        products = sorted(_needed(wanted, degree))
        first = graph.matrix(tuple(columns[one[0]] for one in products))
        product = graph.op("Mul", first, graph.matrix(tuple(known[one[1:]] for one in products)))
        known |= dict(zip(products, graph.columns(product, len(products)), strict=True))
    if () in wanted:
        known[()] = graph.columns(_ones(graph, columns), 1)[0]
    return tuple(known[one] for one in wanted)


def _needed(wanted: list[Powers], degree: int) -> set[Powers]:
    """The products of this degree that are asked for, or that those of higher degrees end in."""
    return {one[-degree:] for one in wanted if len(one) >= degree}


def _ones(graph: Graph, columns: Columns) -> str:
    count = graph.op("Shape", graph.matrix(columns[:1]), start=0, end=1)
    shape = graph.op("Concat", count, graph.constant([1], np.int64), axis=0)
    return graph.op("Expand", graph.constant(np.ones((1, 1))), shape)


@transformer(SplineTransformer)
def spline_transformer(graph: Graph, model: SplineTransformer, columns: Columns) -> Columns:
    matrix, degree = graph.matrix(columns), max(model.degree, 1)
    held = matrix
    if model.extrapolation == "periodic":
        held = _wrapped(graph, matrix, model.bsplines_)
    found = [
        _pieces(spline, model.extrapolation, _reach(model, position)) for position, spline in enumerate(model.bsplines_)
    ]
    edges, pieces = [one for one, _ in found], [one for _, one in found]
    values = polynomials(graph, held, edges, pieces, degree)
    count = int(model.bsplines_[0].c.shape[1])
    flat = graph.op("Reshape", values, graph.constant([-1, len(columns) * count], np.int64))
    if getattr(model, "handle_missing", "error") == "zeros":
        flat = graph.op("Where", graph.op("IsNaN", flat), graph.constant(0.0), flat)
    every = graph.columns(flat, len(columns) * count)
    return tuple(one for one in every if model.include_bias or (one.index + 1) % count)


def _wrapped(graph: Graph, matrix: str, splines: Any) -> str:
    """Numbers brought into the first period, as scipy does."""
    starts = rows(np.array([spline.t[spline.k] for spline in splines]))
    ends = rows(np.array([spline.t[len(spline.t) - spline.k - 1] for spline in splines]))
    periods = graph.constant(ends - starts)
    start = graph.constant(starts)
    rest = graph.op("Mod", graph.op("Sub", matrix, start), periods, fmod=1)
    lifted = graph.op("Where", graph.op("Less", rest, graph.constant(0.0)), graph.op("Add", rest, periods), rest)
    return graph.op("Add", start, lifted)


def _reach(model: SplineTransformer, position: int) -> int:
    """How many knots scikit-learn leaves out at each end of a feature's range: more than it means to, for some."""
    if model.extrapolation != "linear":
        return int(model.degree)
    return max(int(model.degree), min(int(model.degree) + position, 2))


def _pieces(spline: Any, extrapolation: str, reach: int) -> tuple[Array, Array]:
    """The edges between a spline's polynomials, and these: below its range, in it by knots, and above it."""
    knots = np.unique(spline.t[reach : len(spline.t) - reach])
    inner = [_piece(spline, low, high) for low, high in pairwise(knots)]
    if extrapolation in ("constant", "linear"):
        outermost = max(reach, min(reach + 1, 2)) if extrapolation == "linear" else reach
        ends = [
            _outside(spline, end, extrapolation, outermost, low) for end, low in ((knots[0], True), (knots[-1], False))
        ]
    else:
        ends = [inner[0], inner[-1]]
    edges = np.concatenate([knots[:-1], [np.nextafter(knots[-1], np.inf)]])
    return edges, np.array([ends[0], *inner, ends[1]])


def _piece(spline: Any, low: float, high: float) -> Array:
    """Origin and coefficients, by the series about the middle of the interval."""
    middle = (low + high) / 2
    terms = [spline(middle, nu=order) / factorial(order) for order in range(max(spline.k, 1), -1, -1)]
    return np.concatenate([[middle], *terms])


def _outside(spline: Any, end: float, extrapolation: str, outermost: int, low: bool) -> Array:
    """What scikit-learn goes on with for the outermost splines: the value at the end, or a line; zero for others."""
    value, count = spline(end), spline.c.shape[1]
    slope = spline(end, nu=1) if extrapolation == "linear" else np.zeros(count)
    kept = np.arange(count) < outermost if low else np.arange(count) >= count - outermost
    lines = np.vstack([np.zeros((max(spline.k, 1) - 1, count)), slope * kept, value * kept])
    return np.concatenate([[end], lines.ravel()])
