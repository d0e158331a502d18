"""Linear models: one matrix product, and a link."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import linear_model as lm
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import LinearSVC, LinearSVR

from export.errors import UnsupportedModel
from export.frameworks import Answers, predictor
from export.frameworks.sklearn import links
from export.frameworks.sklearn.links import (
    far_sigmoid,
    label,
    labels_above,
    linear,
    logistic,
    normalised,
    two_sided,
)
from export.graph import Columns, Graph, rows


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
    lm.PassiveAggressiveRegressor,
    lm.Ridge,
    lm.RidgeCV,
    lm.SGDRegressor,
    lm.TheilSenRegressor,
    LinearSVR,
)
def linear_regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    flat = np.ndim(model.coef_) == 1 or (isinstance(model, LinearSVR))
    return {"value": _decision(graph, model, columns, flat=flat)}


@predictor(CCA, PLSCanonical, PLSRegression)
def partial_least_squares(graph: Graph, model: Any, columns: Columns) -> Answers:
    centred = graph.op("Sub", graph.matrix(columns), graph.constant(rows(model._x_mean)))
    value = linear(graph, centred, model.coef_.T, model.intercept_)
    return {"value": links.flat(graph, value) if len(model.coef_) == 1 else value}


@predictor(lm.GammaRegressor, lm.PoissonRegressor, lm.TweedieRegressor)
def generalised_linear_regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    decision = _decision(graph, model, columns, flat=True)
    link = type(model._base_loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise UnsupportedModel(f"{type(model).__name__} with {link}")
    return {"value": graph.op("Exp", decision) if link == "LogLink" else decision}


@predictor(lm.LogisticRegression, lm.LogisticRegressionCV, LinearDiscriminantAnalysis)
def logistic_regression(graph: Graph, model: Any, columns: Columns) -> Answers:
    binary = len(model.classes_) == 2
    return logistic(graph, _decision(graph, model, columns, flat=binary), binary=binary)


@predictor(lm.PassiveAggressiveClassifier, lm.Perceptron, lm.RidgeClassifier, lm.RidgeClassifierCV, LinearSVC)
def margin_classifier(graph: Graph, model: Any, columns: Columns) -> Answers:
    if getattr(getattr(model, "_label_binarizer", None), "y_type_", "").startswith("multilabel"):
        decision = _decision(graph, model, columns, flat=False)
        return {"label": labels_above(graph, decision, 0.0), "scores": decision}
    binary = len(model.classes_) == 2
    decision = _decision(graph, model, columns, flat=binary)
    return {"label": label(graph, decision, binary=binary), "scores": decision}


@predictor(lm.SGDClassifier)
def sgd_classifier(graph: Graph, model: lm.SGDClassifier, columns: Columns) -> Answers:
    answers = margin_classifier(graph, model, columns)
    if model.loss not in ("log_loss", "modified_huber"):
        return answers
    binary, decision = len(model.classes_) == 2, answers["scores"]
    if model.loss == "modified_huber":
        clipped = graph.op("Clip", decision, graph.constant(-1.0), graph.constant(1.0))
        each = graph.op("Div", graph.op("Add", clipped, graph.constant(1.0)), graph.constant(2.0))
    else:
        each = graph.op("Sigmoid", decision) if binary else far_sigmoid(graph, decision)
    chances = two_sided(graph, each) if binary else normalised(graph, each, 1.0 / len(model.classes_))
    return {**answers, "probabilities": chances}


def _decision(graph: Graph, model: Any, columns: Columns, *, flat: bool) -> str:
    """X @ coef + intercept, [rows] if flat, else [rows, outputs]."""
    weights = np.asarray(model.coef_, dtype=np.float64).reshape(-1, len(columns)).T
    found = linear(graph, graph.matrix(columns), weights, model.intercept_)
    return links.flat(graph, found) if flat else found
