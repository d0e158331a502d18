"""Models of the joint distribution: naive Bayes, discriminants, mixtures, nearest centroids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.mixture._gaussian_mixture import _compute_log_det_cholesky
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import Answers, predictor
from export.frameworks.sklearn import links
from export.frameworks.sklearn.neighbors import distances
from export.graph import Columns, Graph, rows


@predictor(GaussianNB)
def gaussian_naive_bayes(graph: Graph, model: GaussianNB, columns: Columns) -> Answers:
    matrix = graph.matrix(columns)
    start = np.log(model.class_prior_) - 0.5 * np.log(2.0 * np.pi * model.var_).sum(axis=1)
    parts = [
        _squares(graph, graph.op("Sub", matrix, graph.constant(rows(mean))), 1 / variance)
        for mean, variance in zip(model.theta_, model.var_, strict=True)
    ]
    return links.posterior(graph, _less_half(graph, parts, start))


@predictor(MultinomialNB)
def multinomial_naive_bayes(graph: Graph, model: MultinomialNB, columns: Columns) -> Answers:
    joint = links.linear(graph, graph.matrix(columns), model.feature_log_prob_.T, model.class_log_prior_)
    return links.posterior(graph, joint)


@predictor(ComplementNB)
def complement_naive_bayes(graph: Graph, model: ComplementNB, columns: Columns) -> Answers:
    start = model.class_log_prior_ if len(model.classes_) == 1 else np.zeros(len(model.classes_))
    return links.posterior(graph, links.linear(graph, graph.matrix(columns), model.feature_log_prob_.T, start))


@predictor(BernoulliNB)
def bernoulli_naive_bayes(graph: Graph, model: BernoulliNB, columns: Columns) -> Answers:
    matrix = graph.matrix(columns)
    if model.binarize is not None:
        over = graph.op("Greater", matrix, graph.constant(float(model.binarize)))
        matrix = graph.cast(over, TensorProto.DOUBLE)
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    start = model.class_log_prior_ + absent.sum(axis=1)
    return links.posterior(graph, links.linear(graph, matrix, (model.feature_log_prob_ - absent).T, start))


@predictor(CategoricalNB)
def categorical_naive_bayes(graph: Graph, model: CategoricalNB, columns: Columns) -> Answers:
    """A table per column, read at its value; the original refuses values that it has no entry for."""
    total = ""
    for column, logs in zip(columns, model.feature_log_prob_, strict=True):
        place = graph.cast(links.flat(graph, graph.matrix((column,))), TensorProto.INT64)
        known = graph.op("Clip", place, graph.constant(0, np.int64), graph.constant(logs.shape[1] - 1, np.int64))
        found = links.picked(graph, logs.T, known)
        total = graph.op("Add", total, found) if total else found
    return links.posterior(graph, graph.op("Add", total, graph.constant(rows(model.class_log_prior_))))


@predictor(QuadraticDiscriminantAnalysis)
def quadratic_discriminant(graph: Graph, model: QuadraticDiscriminantAnalysis, columns: Columns) -> Answers:
    matrix, parts = graph.matrix(columns), []
    for mean, rotation, scaling in zip(model.means_, model.rotations_, model.scalings_, strict=True):
        moved = graph.op("Sub", matrix, graph.constant(rows(mean)))
        parts.append(_squares(graph, graph.op("MatMul", moved, graph.constant(rotation * scaling**-0.5))))
    logs = np.array([np.log(scaling).sum() for scaling in model.scalings_])
    return _discriminated(graph, _less_half(graph, parts, np.log(model.priors_) - 0.5 * logs))


@predictor(NearestCentroid)
def nearest_centroid(graph: Graph, model: NearestCentroid, columns: Columns) -> Answers:
    if model.metric not in ("euclidean", "manhattan"):
        raise UnsupportedModel(f"NearestCentroid with the metric {model.metric!r}; use euclidean or manhattan")
    spread = np.where(model.within_class_std_dev_ == 0, 1.0, model.within_class_std_dev_)
    scaled = graph.op("Div", graph.matrix(columns), graph.constant(rows(spread)))
    apart = _squared(graph, model.metric, scaled, model.centroids_ / spread)
    scores = graph.op("Add", graph.op("Neg", apart), graph.constant(rows(2.0 * np.log(model.class_prior_))))
    answers = _discriminated(graph, scores)
    if np.isclose(model.class_prior_, 1 / len(model.classes_)).all():
        plain = distances(graph, columns, model.centroids_, model.metric)
        answers["label"] = graph.op("ArgMin", plain, axis=1, keepdims=0)
    return answers


@predictor(GaussianMixture, BayesianGaussianMixture)
def gaussian_mixture(graph: Graph, model: Any, columns: Columns) -> Answers:
    matrix, features = graph.matrix(columns), len(columns)
    roots = _root_precisions(model, features)
    parts = [
        _squares(graph, graph.op("MatMul", graph.op("Sub", matrix, graph.constant(rows(mean))), graph.constant(root)))
        for mean, root in zip(model.means_, roots, strict=True)
    ]
    determinants = _compute_log_det_cholesky(model.precisions_cholesky_, model.covariance_type, features)
    start = model._estimate_log_weights() + determinants - 0.5 * features * np.log(2 * np.pi)
    if isinstance(model, BayesianGaussianMixture):
        start = start + _expected(model, features)
    joint = _less_half(graph, parts, start)
    return {"label": links.label(graph, joint, binary=False), "scores": graph.op("Softmax", joint, axis=1)}


def _expected(model: BayesianGaussianMixture, features: int) -> Array:
    """What a Bayesian mixture's log-probability has more than a plain one's."""
    asked = np.zeros((1, features))
    found: Array = (model._estimate_log_prob(asked) - GaussianMixture._estimate_log_prob(model, asked))[0]
    return found


def _root_precisions(model: Any, features: int) -> list[Array]:
    """Each component's [features, features] root of its precision."""
    found = model.precisions_cholesky_
    shapes: dict[str, Callable[[], list[Array]]] = {
        "full": lambda: list(found),
        "tied": lambda: [found] * len(model.means_),
        "diag": lambda: [np.diag(one) for one in found],
        "spherical": lambda: [np.eye(features) * one for one in found],
    }
    return shapes[model.covariance_type]()


def _discriminated(graph: Graph, scores: str) -> Answers:
    """The answers of discriminant scores [rows, classes]; as a decision of two classes, their difference."""
    width = graph.op("Sub", links.column(graph, scores, 1), links.column(graph, scores, 0))
    return {**links.posterior(graph, scores), "scores": width}


def _squared(graph: Graph, metric: str, matrix: str, points: Array) -> str:
    columns = graph.columns(matrix, points.shape[1])
    found = distances(graph, columns, points, metric)
    return graph.op("Mul", found, found)


def _squares(graph: Graph, matrix: str, weights: Any = None) -> str:
    """The sum of squares of each row [rows, 1]."""
    if weights is None:
        return graph.op("ReduceSumSquare", matrix, graph.constant([1], np.int64), keepdims=1)
    return graph.op("MatMul", graph.op("Mul", matrix, matrix), graph.constant(np.asarray(weights).reshape(-1, 1)))


def _less_half(graph: Graph, parts: list[str], start: Array) -> str:
    """start - sums / 2 [rows, classes]"""
    halves = graph.op("Mul", links.joined(graph, parts), graph.constant(-0.5))
    return graph.op("Add", halves, graph.constant(rows(start)))
