"""Categories in a graph: the position of a value among those that a model knows, and whether it is in a set of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto

from app.signature import MISSING, Array
from export.errors import UnsupportedModel
from export.graph import ML, Column, Columns, Graph


def position(graph: Graph, column: Column, categories: Sequence[Any]) -> str:
    """1 + the position of each value [rows] among the categories, 0 for one that is not there."""
    find = _text_position if column.text else _number_position
    return find(graph, column, categories)


def _text_position(graph: Graph, column: Column, categories: Sequence[Any]) -> str:
    words = [MISSING if pd.isna(value) else value for value in categories]
    if not all(isinstance(word, str) for word in words):
        raise UnsupportedModel(f"an encoder of column '{column.feature}' was trained on other values than text")
    if len(set(words)) < len(words):
        raise UnsupportedModel(f"an encoder of column '{column.feature}' tells None from NaN; use only one of them")
    flat = graph.op("Reshape", graph.matrix((column,)), graph.constant([-1], np.int64))
    return graph.op(
        "LabelEncoder",
        flat,
        domain=ML,
        keys_strings=words,
        values_int64s=list(range(1, len(words) + 1)),
        default_int64=0,
    )


def _number_position(graph: Graph, column: Column, categories: Sequence[Any]) -> str:
    if any(isinstance(value, str) for value in categories):
        raise UnsupportedModel(
            f"an encoder of column '{column.feature}' was trained on text, and the sample has numbers"
        )
    matrix = graph.matrix((column,))
    numbers = np.array([np.nan if pd.isna(value) else value for value in categories], dtype=np.float64)
    equal = graph.op("Equal", matrix, graph.constant(numbers.reshape(1, -1)))
    if np.isnan(numbers).any():
        missing = graph.op("And", graph.op("IsNaN", matrix), graph.constant(np.isnan(numbers).reshape(1, -1)))
        equal = graph.op("Or", equal, missing)
    positions = graph.constant(np.arange(1, len(numbers) + 1), np.int64)
    found = graph.op("Where", equal, positions, graph.constant(0, np.int64))
    return graph.op("ReduceMax", found, graph.constant([1], np.int64), keepdims=0)


def codes(graph: Graph, column: Column, categories: Sequence[Any]) -> Column:
    """The position of each value among the categories as a number, as pandas has it; NaN for any other value."""
    table = graph.constant(np.array([np.nan, *range(len(categories))]).reshape(-1, 1))
    found = graph.op("Gather", table, position(graph, column, categories), axis=0)
    return graph.columns(found, 1)[0]


def members(bits: Array) -> tuple[int, ...]:
    """The numbers whose bits are set in words of 32 bits, the lowest first."""
    words = np.ascontiguousarray(bits, dtype="<u4")
    return tuple(np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist())


class Subsets:
    """Sets of categories that trees split on, each to become a column: 0 for a row that goes left, 1 for one that
    goes right. A tree then splits on that column as on any number.

    A category is a whole number from 0 on; numbers are cut off to one, as both LightGBM and scikit-learn do.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._places: dict[tuple[int, tuple[int, ...], bool], int] = {}

    def place(self, feature: int, left: tuple[int, ...], missing_left: bool = False) -> int:
        """The index of the column that stands for a split of this feature, the categories `left` going left.

        A negative or missing value goes left if `missing_left`; every other category goes right.
        """
        return self._places.setdefault((feature, left, missing_left), len(self._columns) + len(self._places))

    def extended(self, graph: Graph) -> Columns:
        """The columns, and after them those that splits were given."""
        derived: dict[int, Column] = {}
        for feature in sorted({feature for feature, _, _ in self._places}):
            wanted = [(place, left, far) for (one, left, far), place in self._places.items() if one == feature]
            found = _sides(graph, self._columns[feature], [(left, far) for _, left, far in wanted])
            derived |= dict(zip([place for place, _, _ in wanted], found, strict=True))
        return self._columns + tuple(derived[place] for place in sorted(derived))


def _sides(graph: Graph, column: Column, sets: Sequence[tuple[tuple[int, ...], bool]]) -> Columns:
    known = sorted({category for left, _ in sets for category in left}) or [0]
    table = np.ones((len(known) + 2, len(sets)))  # for a missing value, for a category in no set, for each in some
    for index, (left, missing_left) in enumerate(sets):
        table[2 + np.searchsorted(known, left), index] = 0.0
        table[0, index] = 0.0 if missing_left else 1.0
    matrix = graph.matrix((column,))
    present = graph.op("Where", graph.op("IsNaN", matrix), graph.constant(-1.0), matrix)
    bounded = graph.op("Clip", present, graph.constant(-1.0), graph.constant(known[-1] + 1.0))
    category = graph.op("Reshape", graph.cast(bounded, TensorProto.INT64), graph.constant([-1], np.int64))
    row = graph.op(
        "LabelEncoder",
        category,
        domain=ML,
        keys_int64s=[-1, *known],
        values_int64s=[0, *range(2, len(known) + 2)],
        default_int64=1,
    )
    return graph.columns(graph.op("Gather", graph.constant(table), row, axis=0), len(sets))
