"""Raw values in the graph [rows, outputs]: the leaves of all trees, added, scaled and shifted.

A tree sends a row right where float32(x) > border; a missing value goes left, or right where the feature says so. All
nodes of one level of a symmetric tree share a split, the first split being that of the last level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from export.frameworks.catboost.categories import Known, Statistics, known_categories
from export.frameworks.catboost.saved import Saved
from export.frameworks.categories import Subsets, codes
from export.frameworks.trees import Tree, leaf_values, note_splits, summed
from export.graph import Columns, Graph


class _Split(NamedTuple):
    feature: int
    border: float
    missing_left: bool = True
    swapped: bool = False
    """What is true goes left."""


_Place = Callable[[Mapping[str, Any]], _Split]


def raw(graph: Graph, saved: Saved, columns: Columns) -> str:
    """Write the sum over the trees of a model."""
    known = known_categories(graph, saved, columns)
    places = _Places(graph, saved, columns, known)
    trees = _trees(saved, places.place)
    extended = places.extended()
    note_splits(graph, trees, extended)
    total = summed(graph, leaf_values(graph, graph.matrix(extended), trees, single=True))
    if saved.scale != 1:
        total = graph.op("Mul", total, graph.constant(saved.scale))
    return graph.op("Add", total, graph.constant(saved.bias.reshape(1, -1)))


class _Places:
    """The columns that trees split: numbers, codes of categories, statistics, and tests of one category."""

    def __init__(self, graph: Graph, saved: Saved, columns: Columns, known: Sequence[Known]) -> None:
        self._graph, self._saved, self._known = graph, saved, known
        statistics = Statistics(graph, saved, columns, known)
        first = len(columns)
        coded = list(columns)
        for feature, one in zip(saved.categorical, known, strict=True):
            coded[feature["flat_feature_index"]] = codes(graph, one.column, one.values)
        self._subsets = Subsets((*coded, *statistics.columns()))
        self._borders = [(first + index, border) for index, ctr in enumerate(saved.ctrs) for border in ctr["borders"]]
        tested = [value for feature in saved.categorical for value in feature.get("values", ())]
        self._first_border = sum(len(feature["borders"] or ()) for feature in saved.floats) + len(tested)
        told = {value for one in known for value in one.hashes}
        for one in known:
            graph.note_categories(one.column, one.values, closed=not (statistics.complete and told.issuperset(tested)))
        if known:
            graph.doubt("categories by their hashes, which others may have too")

    def extended(self) -> Columns:
        return self._subsets.extended(self._graph)

    def place(self, split: Mapping[str, Any]) -> _Split:
        if split["split_type"] == "OnlineCtr":
            return _Split(*self._borders[split["split_index"] - self._first_border])
        if split["split_type"] == "FloatFeature":
            return _on_number(self._saved, split)
        feature = self._saved.categorical[split["cat_feature_index"]]["flat_feature_index"]
        code = self._known[split["cat_feature_index"]].code(split["value"])
        return _Split(self._subsets.place(feature, (code,)), 0.5, swapped=True)


def _trees(saved: Saved, place: _Place) -> list[Tree]:
    width = len(saved.bias)
    if "oblivious_trees" in saved.document:
        return [_symmetric(tree, width, place) for tree in saved.document["oblivious_trees"]]
    return [_asymmetric(tree, width, place) for tree in saved.document["trees"]]


def _on_number(saved: Saved, split: Mapping[str, Any]) -> _Split:
    feature = saved.floats[split["float_feature_index"]]
    missing_left = feature["nan_value_treatment"] != "AsTrue"
    return _Split(feature["flat_feature_index"], split["border"], missing_left)


def _symmetric(tree: Mapping[str, Any], width: int, place: _Place) -> Tree:
    splits = [place(split) for split in reversed(tree["splits"] or [])]
    leaves = np.array(tree["leaf_values"], dtype=np.float64).reshape(-1, width)
    levels = np.repeat(np.arange(len(splits)), 2 ** np.arange(len(splits)))
    inner, total = len(leaves) - 1, 2 * len(leaves) - 1
    nodes = np.arange(inner)
    swapped = np.array([split.swapped for split in splits], dtype=bool)[levels]
    left, right = np.full(total, -1), np.full(total, -1)
    left[:inner], right[:inner] = 2 * nodes + 1 + swapped, 2 * nodes + 2 - swapped
    feature, threshold, missing_left = np.zeros(total, np.int64), np.zeros(total), np.zeros(total, bool)
    feature[:inner] = np.array([split.feature for split in splits], dtype=np.int64)[levels]
    threshold[:inner] = np.array([split.border for split in splits], dtype=np.float64)[levels]
    missing_left[:inner] = np.array([split.missing_left for split in splits], dtype=bool)[levels]
    values = np.vstack([np.zeros((inner, width)), leaves])
    return Tree(feature, threshold, left, right, missing_left, values)


def _asymmetric(tree: Mapping[str, Any], width: int, place: _Place) -> Tree:
    """Nodes in the order in which they are met, breadth first."""
    nodes, rows = [tree], []
    for node in nodes:
        if "split" not in node:
            rows.append((0, 0.0, -1, -1, False, np.broadcast_to(node["value"], width)))
            continue
        split = place(node["split"])
        sides = (len(nodes), len(nodes) + 1)
        nodes += [node["left"], node["right"]]
        left, right = reversed(sides) if split.swapped else sides
        rows.append((split.feature, split.border, left, right, split.missing_left, np.zeros(width)))
    return Tree(*(np.array(part) for part in zip(*rows, strict=True)))
