"""Linear models: one matrix product, and a link."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn import linear_model as lm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import LinearSVC, LinearSVR

from export.errors import UnsupportedModel
from export.frameworks import Answers, predictor
from export.graph import Columns, Graph


@predictor(
    lm.ARDRegression,
    lm.BayesianRidge,
    lm.ElasticNet,
    lm.ElasticNetCV,
    lm.HuberRegressor,
    lm.Lars,
    lm.LarsCV,
    lm.Lasso,
    lm.LassoCV,
    lm.LassoLars,
    lm.LassoLarsCV,
    lm.LassoLarsIC,
    lm.LinearRegression,
    lm.MultiTaskElasticNet,
    lm.MultiTaskElasticNetCV,
    lm.MultiTaskLasso,
    lm.MultiTaskLassoCV,
    lm.OrthogonalMatchingPursuit,
    lm.OrthogonalMatchingPursuitCV,
    lm.QuantileRegressor,
    lm.Ridge,
    lm.RidgeCV,
    lm.SGDRegressor,
    lm.TheilSenRegressor,
    LinearSVR,
)
def linear_regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    flat = np.ndim(model.coef_) == 1 or (isinstance(model, LinearSVR))
    return {"value": _decision(graph, model, columns, flat=flat)}


@predictor(lm.GammaRegressor, lm.PoissonRegressor, lm.TweedieRegressor)
def generalised_linear_regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    linear = _decision(graph, model, columns, flat=True)
    link = type(model._base_loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise UnsupportedModel(f"{type(model).__name__} with {link}")
    return {"value": graph.op("Exp", linear) if link == "LogLink" else linear}


@predictor(lm.LogisticRegression, lm.LogisticRegressionCV, LinearDiscriminantAnalysis)
def logistic_regression(graph: Graph, model: Any, columns: Columns) -> Answers:
    binary = len(model.classes_) == 2
    decision = _decision(graph, model, columns, flat=binary)
    chances = two_sided(graph, graph.op("Sigmoid", decision)) if binary else graph.op("Softmax", decision, axis=1)
    return {"label": label(graph, decision, binary=binary), "probabilities": chances}


@predictor(
    lm.Perceptron,
    lm.RidgeClassifier,
    lm.RidgeClassifierCV,
    LinearSVC,
)
def margin_classifier(graph: Graph, model: Any, columns: Columns) -> Answers:
    binary = len(model.classes_) == 2
    decision = _decision(graph, model, columns, flat=binary)
    return {"label": label(graph, decision, binary=binary), "scores": decision}


@predictor(lm.SGDClassifier)
def sgd_classifier(graph: Graph, model: lm.SGDClassifier, columns: Columns) -> Answers:
    if model.loss == "modified_huber":
        raise UnsupportedModel("SGDClassifier(loss='modified_huber'); loss='log_loss' gives probabilities too")
    if model.loss != "log_loss":
        return margin_classifier(graph, model, columns)
    binary = len(model.classes_) == 2
    decision = _decision(graph, model, columns, flat=binary)
    if binary:
        chances = two_sided(graph, graph.op("Sigmoid", decision))
    else:
        chances = _normalised(graph, _far_sigmoid(graph, decision), len(model.classes_))
    return {"label": label(graph, decision, binary=binary), "probabilities": chances}


def label(graph: Graph, decision: str, *, binary: bool, at_zero: int = 0) -> str:
    """The class's index: the sign of a binary decision [rows], the first largest of several [rows, classes].

    `at_zero` is the class of a binary decision of exactly zero.
    """
    if binary:
        over = graph.op("GreaterOrEqual" if at_zero else "Greater", decision, graph.constant(0.0))
        return graph.cast(over, TensorProto.INT64)
    return graph.op("ArgMax", decision, axis=1, keepdims=0)


def two_sided(graph: Graph, chance: str) -> str:
    """Both classes' probabilities [rows, 2] from the second's [rows]."""
    second = graph.op("Unsqueeze", chance, graph.constant([1], np.int64))
    return graph.op("Concat", graph.op("Sub", graph.constant(1.0), second), second, axis=1)


def _far_sigmoid(graph: Graph, decision: str) -> str:
    """A sigmoid that keeps the tiniest values apart from zero, where onnxruntime's gives up: they are divided by."""
    small = graph.op("Exp", graph.op("Neg", graph.op("Abs", decision)))
    ratio = graph.op("Div", small, graph.op("Add", small, graph.constant(1.0)))
    negative = graph.op("Less", decision, graph.constant(0.0))
    return graph.op("Where", negative, ratio, graph.op("Sub", graph.constant(1.0), ratio))


def _normalised(graph: Graph, each: str, classes: int) -> str:
    total = graph.op("ReduceSum", each, graph.constant([1], np.int64), keepdims=1)
    none = graph.op("Equal", total, graph.constant(0.0))
    return graph.op("Where", none, graph.constant(1.0 / classes), graph.op("Div", each, total))


def _decision(graph: Graph, model: Any, columns: Columns, *, flat: bool) -> str:
    """X @ coef + intercept, [rows] if flat, else [rows, outputs]."""
    weights = np.asarray(model.coef_, dtype=np.float64).reshape(-1, len(columns)).T
    product = graph.op("MatMul", graph.matrix(columns), graph.constant(weights))
    shifted = graph.op("Add", product, graph.constant(np.asarray(model.intercept_, dtype=np.float64).reshape(1, -1)))
    return graph.op("Reshape", shifted, graph.constant([-1], np.int64)) if flat else shifted
