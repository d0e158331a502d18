"""Gaussian processes: a kernel between a row and those of the training data, and what was learned of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process import kernels as gp
from sklearn.gaussian_process._gpc import COEFS, LAMBDAS, _BinaryGaussianProcessClassifierLaplace

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import Answers, arithmetic, predict, predictor
from export.frameworks.sklearn import links
from export.frameworks.sklearn.neighbors import sums
from export.graph import Columns, Graph, rows


@predictor(GaussianProcessRegressor)
def gaussian_process_regressor(graph: Graph, model: GaussianProcessRegressor, columns: Columns) -> Answers:
    if not hasattr(model, "X_train_"):
        raise UnsupportedModel("a GaussianProcessRegressor that is not fitted")
    similar = _kernel(graph, model.kernel_, columns, model.X_train_)
    product = graph.op("MatMul", similar, graph.constant(model.alpha_.reshape(len(model.X_train_), -1)))
    scaled = graph.op("Mul", graph.constant(rows(model._y_train_std)), product)
    value = graph.op("Add", scaled, graph.constant(rows(model._y_train_mean)))
    return {"value": links.flat(graph, value) if model.alpha_.ndim == 1 or model.alpha_.shape[1] == 1 else value}


@predictor(GaussianProcessClassifier)
def gaussian_process_classifier(graph: Graph, model: GaussianProcessClassifier, columns: Columns) -> Answers:
    return predict(graph, model.base_estimator_, columns)


@predictor(_BinaryGaussianProcessClassifierLaplace)
def laplace_classifier(graph: Graph, model: Any, columns: Columns) -> Answers:
    """The sigmoid of a latent normal variable, as five error functions: Williams & Barber, as scikit-learn has it."""
    similar = _kernel(graph, model.kernel_, columns, model.X_train_)
    weights = (model.y_train_ - model.pi_).reshape(-1, 1).astype(np.float64)
    mean = graph.op("MatMul", similar, graph.constant(weights))
    root = np.linalg.solve(model.L_, np.diag(model.W_sr_))
    spread = graph.op("MatMul", similar, graph.constant(root.T))
    explained = graph.op("ReduceSumSquare", spread, graph.constant([1], np.int64), keepdims=1)
    variance = graph.op("Sub", _own(graph, model.kernel_, columns), explained)
    lambdas, coefficients = LAMBDAS.reshape(1, -1), COEFS.reshape(-1, 1)
    alpha = graph.op("Reciprocal", graph.op("Mul", graph.constant(2.0), variance))
    share = graph.op("Sqrt", graph.op("Div", alpha, graph.op("Add", alpha, graph.constant(lambdas**2))))
    errors = arithmetic.erf(graph, graph.op("Mul", graph.op("Mul", graph.constant(lambdas), mean), share))
    halves = graph.op("Mul", errors, graph.constant(0.5))
    weighted = graph.op("MatMul", halves, graph.constant(coefficients))
    second = links.flat(graph, graph.op("Add", weighted, graph.constant(0.5 * float(COEFS.sum()))))
    label = links.label(graph, links.flat(graph, mean), binary=True)
    return {"label": label, "probabilities": links.two_sided(graph, second)}


def _kernel(graph: Graph, kernel: Any, columns: Columns, points: Array) -> str:
    """[rows, points]"""
    if isinstance(kernel, gp.Sum | gp.Product):
        parts = [_kernel(graph, one, columns, points) for one in (kernel.k1, kernel.k2)]
        return graph.op("Add" if isinstance(kernel, gp.Sum) else "Mul", *parts)
    if isinstance(kernel, gp.Exponentiation):
        return graph.op("Pow", _kernel(graph, kernel.kernel, columns, points), graph.constant(float(kernel.exponent)))
    if type(kernel) not in _KERNELS:
        known = ", ".join(one.__name__ for one in _KERNELS)
        raise UnsupportedModel(
            f"a Gaussian process with the kernel {type(kernel).__name__}; use {known}, sums or products"
        )
    return _KERNELS[type(kernel)](graph, kernel, columns, np.asarray(points, dtype=np.float64))


def _own(graph: Graph, kernel: Any, columns: Columns) -> str:
    """The kernel of each row with itself [rows, 1], or [1, 1] where all have the same."""
    if isinstance(kernel, gp.Sum | gp.Product):
        parts = [_own(graph, one, columns) for one in (kernel.k1, kernel.k2)]
        return graph.op("Add" if isinstance(kernel, gp.Sum) else "Mul", *parts)
    if isinstance(kernel, gp.Exponentiation):
        return graph.op("Pow", _own(graph, kernel.kernel, columns), graph.constant(float(kernel.exponent)))
    if isinstance(kernel, gp.DotProduct):
        axis = graph.constant([1], np.int64)
        squares = graph.op("ReduceSumSquare", graph.matrix(columns), axis, keepdims=1)
        return graph.op("Add", squares, graph.constant(float(kernel.sigma_0**2)))
    return graph.constant(rows(kernel.diag(np.zeros((1, len(columns))))))


def _scaled(graph: Graph, kernel: Any, columns: Columns, points: Array, exponent: float = 2.0) -> str:
    """Sums of squared differences in units of the kernel's length scale."""
    length = np.broadcast_to(np.asarray(kernel.length_scale, dtype=np.float64), points.shape[1])
    matrix = graph.op("Div", graph.matrix(columns), graph.constant(rows(length)))
    return sums(graph, graph.columns(matrix, points.shape[1]), points / length, exponent)


def _radial(graph: Graph, kernel: Any, columns: Columns, points: Array) -> str:
    return graph.op("Exp", graph.op("Mul", _scaled(graph, kernel, columns, points), graph.constant(-0.5)))


def _matern(graph: Graph, kernel: Any, columns: Columns, points: Array) -> str:
    if kernel.nu == np.inf:
        return _radial(graph, kernel, columns, points)
    if kernel.nu not in (0.5, 1.5, 2.5):
        raise UnsupportedModel(f"the kernel Matern(nu={kernel.nu}); use nu of 0.5, 1.5, 2.5 or inf")
    far = graph.op("Sqrt", _scaled(graph, kernel, columns, points))
    scaled = graph.op("Mul", far, graph.constant(float(np.sqrt(2 * kernel.nu))))
    decay = graph.op("Exp", graph.op("Neg", scaled))
    if kernel.nu == 0.5:
        return decay
    factor = graph.op("Add", graph.constant(1.0), scaled)
    if kernel.nu == 2.5:
        factor = graph.op("Add", factor, graph.op("Div", graph.op("Mul", scaled, scaled), graph.constant(3.0)))
    return graph.op("Mul", factor, decay)


def _rational_quadratic(graph: Graph, kernel: Any, columns: Columns, points: Array) -> str:
    apart = sums(graph, columns, points, 2.0)
    share = graph.op("Div", apart, graph.constant(float(2 * kernel.alpha * kernel.length_scale**2)))
    return graph.op("Pow", graph.op("Add", graph.constant(1.0), share), graph.constant(-float(kernel.alpha)))


def _periodic(graph: Graph, kernel: Any, columns: Columns, points: Array) -> str:
    far = graph.op("Sqrt", sums(graph, columns, points, 2.0))
    wave = graph.op("Sin", graph.op("Mul", far, graph.constant(float(np.pi / kernel.periodicity))))
    share = graph.op("Div", wave, graph.constant(float(kernel.length_scale)))
    return graph.op("Exp", graph.op("Mul", graph.op("Mul", share, share), graph.constant(-2.0)))


def _dot_product(graph: Graph, kernel: Any, columns: Columns, points: Array) -> str:
    product = graph.op("MatMul", graph.matrix(columns), graph.constant(points.T))
    return graph.op("Add", product, graph.constant(float(kernel.sigma_0**2)))


def _constant(graph: Graph, kernel: Any, columns: Columns, points: Array) -> str:
    return links.everywhere(graph, columns, np.full((1, len(points)), float(kernel.constant_value)))


def _white(graph: Graph, _: Any, columns: Columns, points: Array) -> str:
    """Noise that no two rows share."""
    return links.everywhere(graph, columns, np.zeros((1, len(points))))


_KERNELS: dict[type, Callable[[Graph, Any, Columns, Array], str]] = {
    gp.RBF: _radial,
    gp.Matern: _matern,
    gp.RationalQuadratic: _rational_quadratic,
    gp.ExpSineSquared: _periodic,
    gp.DotProduct: _dot_product,
    gp.ConstantKernel: _constant,
    gp.WhiteKernel: _white,
}
