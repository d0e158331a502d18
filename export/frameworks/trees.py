"""Ensembles of decision trees, exact to the last bit.

ONNX's tree nodes answer in float32. Here a node answers only *which leaf* each tree ends in, a small integer that
float32 holds exactly; the leaves' values are then gathered and added in double, in the order in which the trained model
adds them. So equal sums, equal ties, equal labels, for a few microseconds a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from app.signature import Array
from export.graph import ML, Columns, Graph


@dataclass(frozen=True)
class Tree:
    """One tree as arrays over its nodes, the root first; `left` is negative at leaves. `x <= threshold` goes left."""

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    values: Array
    """[nodes, outputs], read at leaves."""

    @property
    def leaves(self) -> Array:
        return np.flatnonzero(self.left < 0)


def reachable(tree: Tree) -> Tree:
    """The tree without nodes that pruning has cut off from the root."""
    found = [0]
    for node in found:
        if tree.left[node] >= 0:
            found += [int(tree.left[node]), int(tree.right[node])]
    if len(found) == len(tree.left):
        return tree
    kept = np.sort(found)
    moved = np.full(len(tree.left) + 1, -1)
    moved[kept] = np.arange(len(kept))
    parts = (tree.feature, tree.threshold, moved[tree.left], moved[tree.right], tree.missing_left, tree.values)
    return Tree(*(part[kept] for part in parts))


def round_down(thresholds: Array) -> Array:
    """The largest float32 not above each threshold: for every float32 x, x <= threshold if and only if x <= it."""
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
        return np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single)


def note_splits(graph: Graph, trees: Sequence[Tree], columns: Columns) -> None:
    """Remember where the trees split these columns, for the parity check."""
    for tree in trees:
        inner = tree.left >= 0
        graph.note_thresholds(columns, zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist(), strict=True))


def leaf_values(graph: Graph, matrix: str, trees: Sequence[Tree], *, single: bool) -> str:
    """The values [rows, trees, outputs] of the leaves that rows [rows, columns] end in, in the type that they have.

    `single` says that the trained model rounds its input to float32 before it compares, as scikit-learn's trees do.
    """
    data = graph.cast(matrix, TensorProto.FLOAT) if single else matrix
    found = graph.op("TreeEnsembleRegressor", data, domain=ML, **_structure(trees, single))
    starts = np.cumsum([0, *(len(tree.leaves) for tree in trees[:-1])])
    index = graph.op("Add", graph.cast(found, TensorProto.INT64), graph.constant(starts, np.int64))
    table = np.vstack([tree.values[tree.leaves] for tree in trees])
    return graph.op("Gather", graph.constant(table), index, axis=0)


def summed(graph: Graph, values: str) -> str:
    """[rows, outputs] from [rows, trees, outputs], added in the order of the trees: CumSum keeps to it."""
    running = graph.op("CumSum", values, graph.constant(1, np.int64))
    return graph.op("Gather", running, graph.constant(-1, np.int64), axis=1)


def _structure(trees: Sequence[Tree], single: bool) -> dict[str, Any]:
    sizes = [len(tree.left) for tree in trees]
    inner = np.concatenate([tree.left >= 0 for tree in trees])
    thresholds = np.where(inner, np.concatenate([tree.threshold for tree in trees]), 0.0)
    leaves = [tree.leaves for tree in trees]
    counts = [len(found) for found in leaves]
    owner = np.repeat(np.arange(len(trees)), counts)
    ordinals = np.concatenate([np.arange(count, dtype=np.float64) for count in counts])
    attributes = {
        "n_targets": len(trees),
        "nodes_treeids": np.repeat(np.arange(len(trees)), sizes).tolist(),
        "nodes_nodeids": np.concatenate([np.arange(size) for size in sizes]).tolist(),
        "nodes_featureids": _at_inner(inner, [tree.feature for tree in trees]),
        "nodes_truenodeids": _at_inner(inner, [tree.left for tree in trees]),
        "nodes_falsenodeids": _at_inner(inner, [tree.right for tree in trees]),
        "nodes_missing_value_tracks_true": _at_inner(inner, [tree.missing_left for tree in trees]),
        "nodes_modes": ["BRANCH_LEQ" if branch else "LEAF" for branch in inner],
        "target_treeids": owner.tolist(),
        "target_nodeids": np.concatenate(leaves).tolist(),
        "target_ids": owner.tolist(),
    }
    if single:
        return attributes | {"nodes_values": round_down(thresholds).tolist(), "target_weights": ordinals.tolist()}
    return attributes | {
        "nodes_values_as_tensor": numpy_helper.from_array(thresholds, "nodes_values"),
        "target_weights_as_tensor": numpy_helper.from_array(ordinals, "target_weights"),
    }


def _at_inner(inner: Array, parts: Sequence[Array]) -> list[int]:
    found: list[int] = np.where(inner, np.concatenate(parts), 0).astype(np.int64).tolist()
    return found
