"""Support vector machines and kernel ridge, in double: onnxruntime's own nodes for them compute in float32."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import Answers, fallback, predictor
from export.frameworks.sklearn import links
from export.frameworks.sklearn.kernels import kernel
from export.frameworks.sklearn.multiclass import pairwise_votes
from export.graph import Columns, Graph, rows


@predictor(SVR, NuSVR)
def support_vector_regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    return {"value": links.flat(graph, _decision(graph, model, columns, _dense(model.dual_coef_).T))}


@predictor(KernelRidge)
def kernel_ridge(graph: Graph, model: KernelRidge, columns: Columns) -> Answers:
    points = _dense(model.X_fit_)
    given = {"gamma": model.gamma, "degree": model.degree, "coef0": model.coef0}
    similar = kernel(graph, model.kernel, graph.matrix(columns), points, given)
    flat = np.ndim(model.dual_coef_) == 1
    value = graph.op("MatMul", similar, graph.constant(_dense(model.dual_coef_).reshape(len(points), -1)))
    return {"value": links.flat(graph, value) if flat else value}


@predictor(OneClassSVM)
def one_class_svm(graph: Graph, model: OneClassSVM, columns: Columns) -> Answers:
    decision = links.flat(graph, _decision(graph, model, columns, _dense(model.dual_coef_).T))
    return {"label": links.label(graph, decision, binary=True), "scores": decision}


@predictor(SVC, NuSVC)
def support_vector_classifier(graph: Graph, model: Any, columns: Columns) -> Answers:
    """Probabilities are an iteration of libsvm's, which onnxruntime has in float32."""
    if hasattr(model, "predict_proba"):
        return fallback.predict(graph, model, columns)
    if len(model.classes_) == 2:
        decision = links.flat(graph, _decision(graph, model, columns, _dense(model.dual_coef_).T))
        return {"label": links.label(graph, decision, binary=True, at_zero=1), "scores": decision}
    return _of_pairs(graph, model, _decision(graph, model, columns, _pair_weights(model)))


def _of_pairs(graph: Graph, model: Any, pairs: str) -> Answers:
    """The answers of a decision for each pair of classes: votes, as libsvm counts them."""
    classes = len(model.classes_)
    against = graph.op("Neg", pairs)
    votes = pairwise_votes(graph, graph.op("Less", pairs, graph.constant(0.0)), against, classes)
    scores = votes if model.decision_function_shape == "ovr" else pairs
    if model.break_ties and model.decision_function_shape == "ovr":
        return {"label": links.label(graph, votes, binary=False), "scores": scores}
    first, last = (np.eye(classes)[list(side)] for side in zip(*combinations(range(classes), 2), strict=True))
    ayes = graph.cast(graph.op("Greater", pairs, graph.constant(0.0)), TensorProto.DOUBLE)
    counted = graph.op("MatMul", ayes, graph.constant(first - last))
    total = graph.op("Add", counted, graph.constant(rows(last.sum(axis=0))))
    return {"label": links.label(graph, total, binary=False), "scores": scores}


def _decision(graph: Graph, model: Any, columns: Columns, weights: Array) -> str:
    """[rows, decisions] of weights [support vectors, decisions]."""
    vectors, (gamma, degree, coef0) = (
        _dense(model.support_vectors_),
        map(float, (model._gamma, model.degree, model.coef0)),
    )
    similar = _kernel(graph, model.kernel, graph.matrix(columns), vectors, gamma, degree, coef0)
    return links.linear(graph, similar, weights, model.intercept_)


def _pair_weights(model: Any) -> Array:
    """[support vectors, pairs]: libsvm's coefficients, of which a vector has one for each class but its own."""
    dual, ends = _dense(model.dual_coef_), np.cumsum([0, *model.n_support_])
    pairs = list(combinations(range(len(model.classes_)), 2))
    weights = np.zeros((dual.shape[1], len(pairs)))
    for pair, (one, other) in enumerate(pairs):
        weights[ends[one] : ends[one + 1], pair] = dual[other - 1, ends[one] : ends[one + 1]]
        weights[ends[other] : ends[other + 1], pair] = dual[one, ends[other] : ends[other + 1]]
    return weights


def _kernel(graph: Graph, name: Any, matrix: str, points: Array, gamma: float, degree: float, coef0: float) -> str:
    """[rows, points]"""
    if name == "rbf":
        return _radial(graph, matrix, points, gamma)
    if name not in ("linear", "poly", "sigmoid"):
        raise UnsupportedModel(f"the kernel {name!r}; use linear, poly, rbf or sigmoid")
    product = graph.op("MatMul", matrix, graph.constant(points.T))
    if name == "linear":
        return product
    moved = graph.op("Add", graph.op("Mul", product, graph.constant(gamma)), graph.constant(coef0))
    return graph.op("Tanh", moved) if name == "sigmoid" else graph.op("Pow", moved, graph.constant(degree))


def _radial(graph: Graph, matrix: str, vectors: Array, gamma: float) -> str:
    """exp(-gamma |x - v|²) by one matrix product. About the vectors' mean, so that far away nothing cancels."""
    centre = vectors.mean(axis=0)
    moved, around = graph.op("Sub", matrix, graph.constant(rows(centre))), vectors - centre
    squares = graph.op("ReduceSumSquare", moved, graph.constant([1], np.int64), keepdims=1)
    product = graph.op("MatMul", moved, graph.constant(-2.0 * around.T))
    lengths = graph.op("Add", squares, graph.constant(rows((around**2).sum(axis=1))))
    apart = graph.op("Max", graph.op("Add", product, lengths), graph.constant(0.0))
    return graph.op("Exp", graph.op("Mul", apart, graph.constant(-gamma)))


def _dense(array: Any) -> Array:
    return np.asarray(array.toarray() if hasattr(array, "toarray") else array, dtype=np.float64)
