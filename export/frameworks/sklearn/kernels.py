"""Kernels and distances between rows and the points a model holds, and the transformers made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.decomposition import KernelPCA
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import transformer
from export.graph import Columns, Graph, rows

Kernel = Callable[[Graph, str, Array, Mapping[str, Any]], str]


def kernel(graph: Graph, name: Any, matrix: str, points: Array, parameters: Mapping[str, Any]) -> str:
    """scikit-learn's kernel of that name [rows, points]. Raises UnsupportedModel."""
    if name not in _KERNELS:
        raise UnsupportedModel(f"the kernel {name!r}; use one of {', '.join(sorted(_KERNELS))}")
    given = {"gamma": None, "degree": 3, "coef0": 1.0} | {k: v for k, v in parameters.items() if v is not None}
    if given["gamma"] is None:
        given["gamma"] = 1.0 if name == "chi2" else 1.0 / points.shape[1]
    return _KERNELS[name](graph, matrix, np.asarray(points, dtype=np.float64), given)


def distances(graph: Graph, matrix: str, points: Array, *, squared: bool = False, norms: Any = None) -> str:
    """Euclidean distances [rows, points], from the same dot products as scikit-learn takes them from.

    `norms` are the squared ones of the points, where another sum than `row_norms` gives them.
    """
    known = np.einsum("ij,ij->i", points, points) if norms is None else norms
    squares = graph.op("ReduceSumSquare", matrix, graph.constant([1], np.int64), keepdims=1)
    product = graph.op("MatMul", matrix, graph.constant(points.T))
    doubled = graph.op("Add", graph.op("Mul", product, graph.constant(-2.0)), squares)
    total = graph.op("Add", doubled, graph.constant(rows(known)))
    found = graph.op("Max", total, graph.constant(0.0))
    return found if squared else graph.op("Sqrt", found)


@transformer(Nystroem)
def nystroem(graph: Graph, model: Nystroem, columns: Columns) -> Columns:
    embedded = kernel(graph, model.kernel, graph.matrix(columns), model.components_, model._get_kernel_params())
    found = graph.op("MatMul", embedded, graph.constant(model.normalization_.T))
    return graph.columns(found, len(model.normalization_))


@transformer(KernelPCA)
def kernel_pca(graph: Graph, model: KernelPCA, columns: Columns) -> Columns:
    given = {"gamma": model.gamma_, "degree": model.degree, "coef0": model.coef0}
    similar = kernel(graph, model.kernel, graph.matrix(columns), model.X_fit_, given)
    centred = _centred(graph, similar, model._centerer)
    present = np.flatnonzero(model.eigenvalues_)
    alphas = np.zeros_like(model.eigenvectors_)
    alphas[:, present] = model.eigenvectors_[:, present] / np.sqrt(model.eigenvalues_[present])
    return graph.columns(graph.op("MatMul", centred, graph.constant(alphas)), alphas.shape[1])


def _centred(graph: Graph, similar: str, centerer: Any) -> str:
    """What a fitted KernelCenterer makes of a kernel [rows, points]."""
    total = graph.op("ReduceSum", similar, graph.constant([1], np.int64), keepdims=1)
    mean = graph.op("Div", total, graph.constant(float(len(centerer.K_fit_rows_))))
    found = graph.op("Sub", graph.op("Sub", similar, graph.constant(rows(centerer.K_fit_rows_))), mean)
    return graph.op("Add", found, graph.constant(float(centerer.K_fit_all_)))


@transformer(RBFSampler, SkewedChi2Sampler)
def random_fourier_features(graph: Graph, model: Any, columns: Columns) -> Columns:
    matrix = graph.matrix(columns)
    if isinstance(model, SkewedChi2Sampler):
        matrix = graph.op("Log", graph.op("Add", matrix, graph.constant(float(model.skewedness))))
    projected = graph.op("MatMul", matrix, graph.constant(model.random_weights_.astype(np.float64)))
    waves = graph.op("Cos", graph.op("Add", projected, graph.constant(rows(model.random_offset_))))
    scale = graph.constant(float(np.sqrt(2.0 / model.n_components)))
    return graph.columns(graph.op("Mul", waves, scale), model.n_components)


@transformer(AdditiveChi2Sampler)
def additive_chi2(graph: Graph, model: AdditiveChi2Sampler, columns: Columns) -> Columns:
    """Square roots, and waves of the logarithm; all are zero at zero."""
    interval = model.sample_interval or {1: 0.8, 2: 0.5, 3: 0.4}[model.sample_steps]
    matrix, zero = graph.matrix(columns), graph.constant(0.0)
    nothing = graph.op("Equal", matrix, zero)
    logarithm = graph.op("Log", graph.op("Where", nothing, graph.constant(1.0), matrix))
    parts = [graph.op("Sqrt", graph.op("Mul", matrix, graph.constant(float(interval))))]
    for step in range(1, model.sample_steps):
        scale = graph.constant(float(2 * interval / np.cosh(np.pi * step * interval)))
        size = graph.op("Sqrt", graph.op("Mul", matrix, scale))
        angle = graph.op("Mul", logarithm, graph.constant(float(step * interval)))
        parts += [graph.op("Mul", size, graph.op(wave, angle)) for wave in ("Cos", "Sin")]
    return graph.columns(graph.op("Concat", *parts, axis=1), len(columns) * len(parts))


@transformer(PolynomialCountSketch)
def polynomial_count_sketch(graph: Graph, model: PolynomialCountSketch, columns: Columns) -> Columns:
    """The circular convolution of count sketches: a product of their Fourier transforms."""
    matrix = graph.op("Mul", graph.matrix(columns), graph.constant(float(np.sqrt(model.gamma))))
    size = model.n_components
    angles = 2 * np.pi * (np.outer(np.arange(size), np.arange(size)) % size) / size
    real, imaginary = "", ""
    for hashes, signs in zip(model.indexHash_, model.bitHash_, strict=True):
        sketch = np.zeros((len(hashes), size))
        sketch[np.arange(len(hashes)), hashes] = signs
        parts = [_sketched(graph, matrix, sketch @ wave, len(columns), model.coef0) for wave in _waves(angles)]
        real, imaginary = _complex_product(graph, (real, imaginary), (parts[0], parts[1])) if real else parts
    back = graph.op("MatMul", real, graph.constant(np.cos(angles) / size))
    found = graph.op("Sub", back, graph.op("MatMul", imaginary, graph.constant(np.sin(angles) / size)))
    return graph.columns(found, size)


def _waves(angles: Array) -> tuple[Array, Array]:
    return np.cos(angles), -np.sin(angles)


def _sketched(graph: Graph, matrix: str, weights: Array, width: int, coef0: float) -> str:
    found = graph.op("MatMul", matrix, graph.constant(weights[:width]))
    if not coef0:
        return found
    return graph.op("Add", found, graph.constant(rows(np.sqrt(coef0) * weights[width])))


def _complex_product(graph: Graph, one: tuple[str, str], other: tuple[str, str]) -> tuple[str, str]:
    (a, b), (c, d) = one, other
    real = graph.op("Sub", graph.op("Mul", a, c), graph.op("Mul", b, d))
    return real, graph.op("Add", graph.op("Mul", a, d), graph.op("Mul", b, c))


def _linear(graph: Graph, matrix: str, points: Array, _given: Mapping[str, Any]) -> str:
    return graph.op("MatMul", matrix, graph.constant(points.T))


def _affine(graph: Graph, matrix: str, points: Array, given: Mapping[str, Any]) -> str:
    scaled = graph.op("Mul", _linear(graph, matrix, points, given), graph.constant(float(given["gamma"])))
    return graph.op("Add", scaled, graph.constant(float(given["coef0"])))


def _polynomial(graph: Graph, matrix: str, points: Array, given: Mapping[str, Any]) -> str:
    return graph.op("Pow", _affine(graph, matrix, points, given), graph.constant(float(given["degree"])))


def _sigmoid(graph: Graph, matrix: str, points: Array, given: Mapping[str, Any]) -> str:
    return graph.op("Tanh", _affine(graph, matrix, points, given))


def _rbf(graph: Graph, matrix: str, points: Array, given: Mapping[str, Any]) -> str:
    far = distances(graph, matrix, points, squared=True)
    return graph.op("Exp", graph.op("Mul", far, graph.constant(-float(given["gamma"]))))


def _cosine(graph: Graph, matrix: str, points: Array, given: Mapping[str, Any]) -> str:
    norm = graph.op("ReduceL2", matrix, graph.constant([1], np.int64), keepdims=1)
    none = graph.op("Equal", norm, graph.constant(0.0))
    unit = graph.op("Div", matrix, graph.op("Where", none, graph.constant(1.0), norm))
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return _linear(graph, unit, points / np.where(lengths == 0, 1.0, lengths), given)


def _laplacian(graph: Graph, matrix: str, points: Array, given: Mapping[str, Any]) -> str:
    apart = graph.op("Abs", _differences(graph, matrix, points))
    far = graph.op("ReduceSum", apart, graph.constant([2], np.int64), keepdims=0)
    return graph.op("Exp", graph.op("Mul", far, graph.constant(-float(given["gamma"]))))


def _chi2(graph: Graph, matrix: str, points: Array, given: Mapping[str, Any]) -> str:
    apart = _differences(graph, matrix, points)
    both = graph.op("Add", graph.op("Unsqueeze", matrix, graph.constant([1], np.int64)), graph.constant(points[None]))
    none = graph.op("Equal", both, graph.constant(0.0))
    ratio = graph.op("Div", graph.op("Mul", apart, apart), graph.op("Where", none, graph.constant(1.0), both))
    total = graph.op("ReduceSum", ratio, graph.constant([2], np.int64), keepdims=0)
    found = graph.op("Mul", total, graph.constant(-float(given["gamma"])))
    return graph.op("Exp", found)


def _differences(graph: Graph, matrix: str, points: Array) -> str:
    return graph.op("Sub", graph.op("Unsqueeze", matrix, graph.constant([1], np.int64)), graph.constant(points[None]))


_KERNELS: dict[Any, Kernel] = {
    "chi2": _chi2,
    "cosine": _cosine,
    "laplacian": _laplacian,
    "linear": _linear,
    "poly": _polynomial,
    "polynomial": _polynomial,
    "rbf": _rbf,
    "sigmoid": _sigmoid,
}
