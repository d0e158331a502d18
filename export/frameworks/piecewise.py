"""Functions of one number that are looked up by the interval it lies in, in double.

The intervals are found by a tree node, which compares as often as a binary search does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.signature import Array
from export.frameworks.trees import Tree, leaf_values
from export.graph import Graph


def looked_up(graph: Graph, matrix: str, edges: Sequence[Array], values: Sequence[Array]) -> str:
    """[rows, columns, outputs] from a matrix [rows, columns].

    `edges` has for each column its rising edges, `values` a table [edges + 1, outputs]: row k is for the numbers that
    exactly k edges are not above. A missing value finds the last row.
    """
    trees = [_search(column, *one) for column, one in enumerate(zip(edges, values, strict=True))]
    return leaf_values(graph, matrix, trees, single=False)


def polynomials(graph: Graph, matrix: str, edges: Sequence[Array], pieces: Sequence[Array], degree: int) -> str:
    """[rows, columns, outputs]: in each interval other polynomials.

    A row of `pieces` has an origin, and then the coefficients of (x - origin) from the highest power on, each for all
    outputs.
    """
    found = looked_up(graph, matrix, edges, pieces)
    width = (pieces[0].shape[1] - 1) // (degree + 1)
    wide = graph.op("Unsqueeze", matrix, graph.constant([-1], np.int64))
    distance = graph.op("Sub", wide, _part(graph, found, 0, 1))
    total = _part(graph, found, 1, width)
    for power in range(1, degree + 1):
        coefficients = _part(graph, found, 1 + power * width, width)
        total = graph.op("Add", graph.op("Mul", total, distance), coefficients)
    return total


def _part(graph: Graph, tensor: str, start: int, width: int) -> str:
    return graph.op("Slice", tensor, *(graph.constant([one], np.int64) for one in (start, start + width, -1)))


def _search(column: int, edges: Array, values: Array) -> Tree:
    """A balanced tree over the intervals; its leaves hold their values."""
    inner: list[tuple[float, int, int]] = []
    rows: list[int] = []

    def grow(low: int, high: int) -> int:
        node = len(inner)
        inner.append((0.0, -1, -1))
        rows.append(low)
        if high - low > 1:
            middle = (low + high) // 2
            inner[node] = (float(edges[middle - 1]), grow(low, middle), grow(middle, high))
        return node

    grow(0, len(edges) + 1)
    below, left, right = (np.array(part) for part in zip(*inner, strict=True))
    threshold = np.nextafter(below, -np.inf)  # x < edge, as x <= threshold
    none = np.zeros(len(inner), dtype=np.int64)
    return Tree(none + column, threshold, left, right, none, np.asarray(values, dtype=np.float64)[rows])
