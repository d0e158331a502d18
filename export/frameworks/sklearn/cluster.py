"""Clusterers: the nearest of the points they hold, by the same dot products and with the same first of equals."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import cluster as cl

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import Answers, predictor, transformer
from export.frameworks.sklearn.kernels import distances
from export.graph import Columns, Graph, rows


@predictor(cl.KMeans, cl.MiniBatchKMeans)
def k_means(graph: Graph, model: Any, columns: Columns) -> Answers:
    matrix = graph.matrix(columns)
    centres = model.cluster_centers_.astype(np.float64)
    return {"label": _nearest(graph, matrix, centres), "scores": distances(graph, matrix, centres)}


@predictor(cl.BisectingKMeans)
def bisecting_k_means(graph: Graph, model: cl.BisectingKMeans, columns: Columns) -> Answers:
    """Down a tree of pairs of centres."""
    matrix = graph.matrix(columns)
    label = _descended(graph, matrix, model._bisecting_tree, getattr(model, "_X_mean", 0.0))
    shape = graph.op("Shape", matrix, start=0, end=1)
    return {"label": graph.op("Expand", label, shape), "scores": distances(graph, matrix, model.cluster_centers_)}


@predictor(cl.Birch)
def birch(graph: Graph, model: cl.Birch, columns: Columns) -> Answers:
    matrix = graph.matrix(columns)
    nearest = _closest(graph, matrix, model.subcluster_centers_)
    label = graph.op("Gather", graph.constant(model.subcluster_labels_, np.int64), nearest)
    return {"label": label, "scores": distances(graph, matrix, model.subcluster_centers_)}


@predictor(cl.AffinityPropagation, cl.MeanShift)
def nearest_centre(graph: Graph, model: Any, columns: Columns) -> Answers:
    if not len(model.cluster_centers_):
        raise UnsupportedModel(f"the {type(model).__name__} did not converge, and has no clusters")
    return {"label": _closest(graph, graph.matrix(columns), model.cluster_centers_)}


@transformer(cl.BisectingKMeans, cl.KMeans, cl.MiniBatchKMeans)
def centre_distances(graph: Graph, model: Any, columns: Columns) -> Columns:
    centres = model.cluster_centers_.astype(np.float64)
    return graph.columns(distances(graph, graph.matrix(columns), centres), len(centres))


@transformer(cl.Birch)
def subcluster_distances(graph: Graph, model: cl.Birch, columns: Columns) -> Columns:
    found = distances(graph, graph.matrix(columns), model.subcluster_centers_)
    return graph.columns(found, len(model.subcluster_centers_))


def _closest(graph: Graph, matrix: str, centres: Array) -> str:
    """As `pairwise_distances_argmin` finds it, which takes squared norms from BLAS."""
    norms = np.array([centre @ centre for centre in centres])
    return _least(graph, distances(graph, matrix, centres, squared=True, norms=norms))


def _least(graph: Graph, numbers: str) -> str:
    return graph.op("ArgMin", numbers, axis=1, keepdims=0)


def _nearest(graph: Graph, matrix: str, centres: Array) -> str:
    """By |centre|² - 2 x·centre, which orders centres as their distances do, and as k-means compares them."""
    product = graph.op("MatMul", matrix, graph.constant(centres.T))
    doubled = graph.op("Mul", product, graph.constant(-2.0))
    return _least(graph, graph.op("Add", doubled, graph.constant(rows(np.einsum("ij,ij->i", centres, centres)))))


def _descended(graph: Graph, matrix: str, node: Any, mean: Any) -> str:
    if node.left is None:
        return graph.constant([node.label], np.int64)
    side = _nearest(graph, matrix, np.vstack([node.left.center, node.right.center]) + mean)
    right = graph.op("Equal", side, graph.constant(1, np.int64))
    left, other = (_descended(graph, matrix, child, mean) for child in (node.left, node.right))
    return graph.op("Where", right, other, left)
