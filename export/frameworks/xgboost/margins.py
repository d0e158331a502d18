"""Margins in the graph [rows, groups], float32: sums over trees, or over weighted features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks.categories import Subsets, codes
from export.frameworks.trees import Tree, leaf_values, note_splits, reachable, summed
from export.frameworks.xgboost.saved import Saved
from export.graph import Column, Columns, Graph

_BEYOND = float(2**24)
"""A category that no split has."""


def margins(graph: Graph, saved: Saved, columns: Columns) -> str:
    """Write the margins of a model."""
    coded = tuple(_coded(graph, saved, index, column) for index, column in enumerate(columns))
    return _linear(graph, saved, coded) if "weights" in saved.boosted else _boosted(graph, saved, coded)


def _coded(graph: Graph, saved: Saved, index: int, column: Column) -> Column:
    """The column as XGBoost compares it: in float32, with NaN where it is missing, and the codes of its categories."""
    known = saved.categories(index, column.dtype)
    if known and 0 <= saved.missing < len(known):
        raise UnsupportedModel(f"XGBoost takes missing={saved.missing} for a category's code too; use another number")
    if known:
        graph.note_categories(column, known, closed=True)
        return codes(graph, column, known)
    if column.text or (known is None and np.isnan(saved.missing)):
        return column
    found = graph.cast(graph.cast(graph.matrix((column,)), TensorProto.FLOAT), TensorProto.DOUBLE)
    missing = graph.op("Equal", found, graph.constant(float(np.float32(saved.missing))))
    found = graph.op("Where", missing, graph.constant(np.nan), found)
    if known is not None:
        strange = graph.op("Less", found, graph.constant(0.0))
        found = graph.op("Where", strange, graph.constant(_BEYOND), found)
    return graph.columns(found, 1, like=(column,))[0]


def _linear(graph: Graph, saved: Saved, columns: Columns) -> str:
    """Products added one after the other, a missing value being none."""
    weights = np.array(saved.boosted["weights"], dtype=np.float32).reshape(-1, len(saved.start))
    factors = np.vstack([weights[-1:] + saved.start, weights[:-1]])
    matrix = graph.cast(graph.matrix(columns), TensorProto.FLOAT)
    present = graph.op("Where", graph.op("IsNaN", matrix), graph.constant(0.0, np.float32), matrix)
    led = graph.op("Pad", present, graph.constant([0, 1, 0, 0], np.int64), graph.constant(1.0, np.float32))
    wide = graph.op("Unsqueeze", led, graph.constant([2], np.int64))
    return summed(graph, graph.op("Mul", wide, graph.constant(factors)))


def _boosted(graph: Graph, saved: Saved, columns: Columns) -> str:
    subsets = Subsets(columns)
    by_group: list[list[Tree]] = [[] for _ in saved.start]
    for group, tree, weight in saved.trees():
        start = saved.start if tree["tree_param"]["size_leaf_vector"] != "1" else saved.start[group : group + 1]
        values = _leaves(tree, start, weight, inplace=saved.inplace)
        by_group[group].append(_tree(tree, values if by_group[group] else start + values, subsets))
    if not any(by_group):
        raise UnsupportedModel("an XGBoost model without trees, which answers any row alike; train some rounds")
    trees = [tree for stage in zip(*filter(None, by_group), strict=True) for tree in stage]
    extended = subsets.extended(graph)
    note_splits(graph, trees, extended)
    leaves = leaf_values(graph, graph.matrix(extended), trees, single=True)
    return summed(graph, graph.op("Reshape", leaves, graph.constant([0, -1, len(saved.start)], np.int64)))


def _leaves(tree: Mapping[str, Any], start: Array, weight: np.float32, *, inplace: bool) -> Array:
    """What the leaves add to a margin: [nodes, outputs]."""
    if "leaf_weights" in tree:
        left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
        vectors = np.array(tree["leaf_weights"], dtype=np.float32).reshape(-1, len(start))
        leaves = vectors[np.where(left < 0, right, 0)]
    else:
        leaves = np.array(tree["split_conditions"], dtype=np.float32).reshape(-1, 1)
    if weight == 1:
        return leaves
    return np.asarray(((start + leaves) - start) * weight if inplace else leaves * weight)


def _tree(tree: Mapping[str, Any], values: Array, subsets: Subsets) -> Tree:
    left, right, feature = (np.array(tree[name]) for name in ("left_children", "right_children", "split_indices"))
    threshold = np.nextafter(np.array(tree["split_conditions"], dtype=np.float32), np.float32(-np.inf))
    missing_left = np.array(tree["default_left"], dtype=bool)
    places = (tree[f"categories_{name}"] for name in ("nodes", "segments", "sizes"))
    for node, first, count in zip(*places, strict=True):
        chosen = tuple(tree["categories"][first : first + count])  # they go right, and every other category left
        feature[node] = subsets.place(int(feature[node]), chosen, not missing_left[node])
        left[node], right[node], threshold[node] = right[node], left[node], 0.5
    return reachable(Tree(feature, threshold, left, right, missing_left, values))
