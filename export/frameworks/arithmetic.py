"""Functions of numpy that ONNX lacks in double, or loses digits of, written with those it has."""

from __future__ import annotations

from functools import partial

import numpy as np

from export.graph import Graph


def log1p(graph: Graph, tensor: str) -> str:
    """log(1 + x) to the last digits, also of the smallest x: what 1 + x rounds away is put back (Kahan)."""
    one = graph.constant(1.0)
    shifted = graph.op("Add", tensor, one)
    difference = graph.op("Sub", shifted, one)
    tiny = graph.op("Equal", difference, graph.constant(0.0))
    ratio = graph.op("Div", tensor, graph.op("Where", tiny, one, difference))
    corrected = graph.op("Mul", graph.op("Log", shifted), ratio)
    return graph.op("Where", tiny, tensor, corrected)


def expm1(graph: Graph, tensor: str) -> str:
    """exp(x) - 1 to the last digits: in the middle by the hyperbolic tangent, which does not cancel, else directly."""
    one = graph.constant(1.0)
    power = graph.op("Exp", tensor)
    near = graph.op("Less", graph.op("Abs", tensor), one)
    half = graph.op("Where", near, graph.op("Mul", tensor, graph.constant(0.5)), graph.constant(0.0))
    tangent = _tanh_by_series(graph, half)
    small = graph.op("Div", graph.op("Add", tangent, tangent), graph.op("Sub", one, tangent))
    return graph.op("Where", near, small, graph.op("Sub", power, one))


def tan(graph: Graph, tensor: str) -> str:
    return graph.op("Div", graph.op("Sin", tensor), graph.op("Cos", tensor))


def arctan(graph: Graph, tensor: str) -> str:
    """Three halvings of the angle bring the tangent below 0.2, where the series is short; 1/x beyond 1."""
    one = graph.constant(1.0)
    steep = graph.op("Greater", graph.op("Abs", tensor), one)
    tangent = graph.op("Where", steep, graph.op("Reciprocal", tensor), tensor)
    for _ in range(3):
        secant = graph.op("Sqrt", graph.op("Add", graph.op("Mul", tangent, tangent), one))
        tangent = graph.op("Div", tangent, graph.op("Add", secant, one))
    series = [(-1.0) ** k / (2 * k + 1) for k in range(12)]
    angle = graph.op("Mul", _odd_series(graph, tangent, series), graph.constant(8.0))
    right = graph.op("Mul", graph.op("Sign", tensor), graph.constant(np.pi / 2))
    return graph.op("Where", steep, graph.op("Sub", right, angle), angle)


def trunc(graph: Graph, tensor: str) -> str:
    return graph.op("Mul", graph.op("Sign", tensor), graph.op("Floor", graph.op("Abs", tensor)))


def sinh(graph: Graph, tensor: str) -> str:
    up, down = expm1(graph, tensor), expm1(graph, graph.op("Neg", tensor))
    return graph.op("Mul", graph.op("Sub", up, down), graph.constant(0.5))


def cosh(graph: Graph, tensor: str) -> str:
    both = graph.op("Add", graph.op("Exp", tensor), graph.op("Exp", graph.op("Neg", tensor)))
    return graph.op("Mul", both, graph.constant(0.5))


def arcsinh(graph: Graph, tensor: str) -> str:
    one, size = graph.constant(1.0), graph.op("Abs", tensor)
    square = graph.op("Mul", size, size)
    root = graph.op("Add", graph.op("Sqrt", graph.op("Add", square, one)), one)
    found = log1p(graph, graph.op("Add", size, graph.op("Div", square, root)))
    return graph.op("Mul", graph.op("Sign", tensor), found)


def logarithm(base: float) -> partial[str]:
    """The logarithm to a base, as a function of a graph and a tensor."""
    return partial(_scaled_log, base=base)


def _scaled_log(graph: Graph, tensor: str, base: float) -> str:
    return graph.op("Div", graph.op("Log", tensor), graph.constant(float(np.log(base))))


def _tanh_by_series(graph: Graph, tensor: str) -> str:
    """tanh of |x| <= 1/2 by its continued fraction, x / (1 + x²/(3 + x²/(5 + …)))."""
    square = graph.op("Mul", tensor, tensor)
    fraction = graph.constant(17.0)
    for odd in range(15, 0, -2):
        fraction = graph.op("Add", graph.op("Div", square, fraction), graph.constant(float(odd)))
    return graph.op("Div", tensor, fraction)


def _odd_series(graph: Graph, tensor: str, coefficients: list[float]) -> str:
    """c0 x + c1 x³ + c2 x⁵ + …"""
    square = graph.op("Mul", tensor, tensor)
    total = graph.constant(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = graph.op("Add", graph.op("Mul", total, square), graph.constant(coefficient))
    return graph.op("Mul", total, tensor)


def erf(graph: Graph, tensor: str) -> str:
    """erf, which onnxruntime lacks in double, by the rational functions of Cephes (Moshier): one near zero, one far."""
    one, size = graph.constant(1.0), graph.op("Abs", tensor)
    near = graph.op("LessOrEqual", size, one)
    inner = graph.op("Where", near, tensor, graph.constant(0.0))
    square = graph.op("Mul", inner, inner)
    ratio = graph.op("Div", _polynomial(graph, square, _NEAR[0]), _polynomial(graph, square, _NEAR[1]))
    outer = graph.op("Clip", size, one, graph.constant(7.5))
    decay = graph.op("Exp", graph.op("Neg", graph.op("Mul", outer, outer)))
    tail = graph.op("Div", _polynomial(graph, outer, _FAR[0]), _polynomial(graph, outer, _FAR[1]))
    far = graph.op("Mul", graph.op("Sign", tensor), graph.op("Sub", one, graph.op("Mul", decay, tail)))
    return graph.op("Where", near, graph.op("Mul", inner, ratio), far)


def _polynomial(graph: Graph, tensor: str, coefficients: tuple[float, ...]) -> str:
    """By Horner, the highest power first."""
    found = graph.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        found = graph.op("Add", graph.op("Mul", found, tensor), graph.constant(coefficient))
    return found


_NEAR = (
    (
        9.604973739870516, 90.02601972038427, 2232.005345946843, 7003.325141128051, 55592.30130103949,
    ),
    (
        1.0, 33.56171416475031, 521.3579497801527, 4594.323829709801, 22629.000061389095, 49267.39426086359,
    ),
)  # fmt: skip
_FAR = (
    (
        2.461969814735305e-10, 0.5641895648310689, 7.463210564422699, 48.63719709856814, 196.5208329560771,
        526.4451949954773, 934.5285271719576, 1027.5518868951572, 557.5353353693994,
    ),
    (
        1.0, 13.228195115474499, 86.70721408859897, 354.9377788878199, 975.7085017432055, 1823.9091668790973,
        2246.3376081871097, 1656.6630919416134, 557.5353408177277,
    ),
)  # fmt: skip
