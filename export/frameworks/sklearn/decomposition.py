"""Decompositions and projections that are linear once they are fitted: centre, divide, multiply by a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import decomposition as dc
from sklearn.cluster import FeatureAgglomeration
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import ridge_regression
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.neural_network import BernoulliRBM
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import transformer
from export.graph import Columns, Graph, rows


@transformer(
    dc.TruncatedSVD,
    GaussianRandomProjection,
    SparseRandomProjection,
    NeighborhoodComponentsAnalysis,
)
def projection(graph: Graph, model: Any, columns: Columns) -> Columns:
    weights = model.components_
    return _projected(graph, columns, weights.toarray().T if hasattr(weights, "toarray") else weights.T)


@transformer(dc.PCA, dc.IncrementalPCA)
def principal_components(graph: Graph, model: Any, columns: Columns) -> Columns:
    """Centred after the product, as scikit-learn does."""
    found = graph.op("MatMul", graph.matrix(columns), graph.constant(model.components_.T.astype(np.float64)))
    found = graph.op("Sub", found, graph.constant(rows(model.mean_.reshape(1, -1) @ model.components_.T)))
    if model.whiten:
        scale = np.maximum(np.sqrt(model.explained_variance_), np.finfo(np.float64).eps)
        found = graph.op("Div", found, graph.constant(rows(scale)))
    return graph.columns(found, len(model.components_))


@transformer(dc.FactorAnalysis)
def factor_analysis(graph: Graph, model: dc.FactorAnalysis, columns: Columns) -> Columns:
    scaled = model.components_ / model.noise_variance_
    inverse = np.linalg.inv(np.eye(len(scaled)) + scaled @ model.components_.T)
    return _projected(graph, columns, scaled.T @ inverse, model.mean_)


@transformer(dc.FastICA)
def independent_components(graph: Graph, model: dc.FastICA, columns: Columns) -> Columns:
    return _projected(graph, columns, model.components_.T, model.mean_ if model.whiten else None)


@transformer(dc.SparsePCA, dc.MiniBatchSparsePCA)
def sparse_components(graph: Graph, model: Any, columns: Columns) -> Columns:
    """The solution of a ridge regression, which is linear in its targets."""
    width = len(columns)
    weights = ridge_regression(model.components_.T, np.eye(width), model.ridge_alpha, solver="cholesky")
    return _projected(graph, columns, np.reshape(weights, (width, -1)), model.mean_)


@transformer(PLSRegression, PLSCanonical, CCA, PLSSVD)
def partial_least_squares(graph: Graph, model: Any, columns: Columns) -> Columns:
    weights = model.x_weights_ if isinstance(model, PLSSVD) else model.x_rotations_
    return _projected(graph, columns, weights, model._x_mean, model._x_std)


@transformer(LinearDiscriminantAnalysis)
def discriminant_axes(graph: Graph, model: LinearDiscriminantAnalysis, columns: Columns) -> Columns:
    if model.solver == "lsqr":
        raise UnsupportedModel("LinearDiscriminantAnalysis(solver='lsqr') as a transformer; use solver='svd'")
    weights = model.scalings_[:, : model._max_components]
    return _projected(graph, columns, weights, model.xbar_ if model.solver == "svd" else None)


@transformer(BernoulliRBM)
def restricted_boltzmann_machine(graph: Graph, model: BernoulliRBM, columns: Columns) -> Columns:
    product = graph.op("MatMul", graph.matrix(columns), graph.constant(model.components_.T.astype(np.float64)))
    shifted = graph.op("Add", product, graph.constant(rows(model.intercept_hidden_)))
    return graph.columns(graph.op("Sigmoid", shifted), len(model.components_))


@transformer(FeatureAgglomeration)
def feature_agglomeration(graph: Graph, model: FeatureAgglomeration, columns: Columns) -> Columns:
    """The mean, or another pooling, of the columns of each cluster."""
    kinds = {np.mean: "ReduceMean", np.max: "ReduceMax", np.min: "ReduceMin"}
    if model.pooling_func not in kinds:
        raise UnsupportedModel("FeatureAgglomeration pools by np.mean, np.max or np.min, and by nothing else here")
    groups = [np.flatnonzero(model.labels_ == label) for label in np.unique(model.labels_)]
    axis = graph.constant([1], np.int64)
    parts = [
        graph.op(kinds[model.pooling_func], graph.matrix(tuple(columns[one] for one in group)), axis, keepdims=1)
        for group in groups
    ]
    return graph.columns(graph.op("Concat", *parts, axis=1), len(groups))


@transformer(dc.NMF, dc.MiniBatchNMF, dc.DictionaryLearning, dc.MiniBatchDictionaryLearning, dc.SparseCoder)
def solved_per_row(_graph: Graph, model: Any, _columns: Columns) -> Columns:
    raise UnsupportedModel(
        f"{type(model).__name__} solves a problem for each row until it converges, which no graph does; use PCA, "
        "TruncatedSVD or SparsePCA"
    )


@transformer(dc.LatentDirichletAllocation)
def topics(_graph: Graph, _model: dc.LatentDirichletAllocation, _columns: Columns) -> Columns:
    raise UnsupportedModel("LatentDirichletAllocation infers topics of each row until it converges; use TruncatedSVD")


def _projected(graph: Graph, columns: Columns, weights: Array, mean: Any = None, scale: Any = None) -> Columns:
    tensor = graph.matrix(columns)
    if mean is not None:
        tensor = graph.op("Sub", tensor, graph.constant(rows(mean)))
    if scale is not None:
        tensor = graph.op("Div", tensor, graph.constant(rows(scale)))
    found = graph.op("MatMul", tensor, graph.constant(np.asarray(weights, dtype=np.float64)))
    return graph.columns(found, weights.shape[1])
