"""Categories in CatBoost's trees: tests of one value, and statistics of the target by categories and combinations.

CatBoost keeps no category, but hashes of them. Those of the sample are hashed by CatBoost itself; where its model has a
hash that none of them gives, the contract takes no other category than the sample's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from onnx import TensorProto

from app.signature import Array, Scalar
from export.errors import UnsupportedModel
from export.frameworks.catboost.saved import Saved, hashes
from export.frameworks.categories import position
from export.graph import Column, Columns, Graph

LARGEST_TABLE = 200_000
"""Combinations of categories that one statistic may have."""

_MULTIPLIER = 0x4906BA494954CB65
_WORD = 2**64
_EMPTY = _WORD - 1
"""The key of a place in CatBoost's table that is not taken."""
_ORDER = ("cat_feature_value", "float_feature", "cat_feature_exact_value")


@dataclass(frozen=True)
class Known:
    """A categorical feature: its column, and the categories of the sample with their hashes, signed."""

    column: Column
    values: Sequence[Scalar]
    hashes: Sequence[int]

    def code(self, value: int) -> int:
        """The position of the category with this hash; their number if the sample has none such."""
        return [*self.hashes, value].index(value)


def known_categories(graph: Graph, saved: Saved, columns: Columns) -> list[Known]:
    """The categorical features in the model's order. Raises UnsupportedModel where no feature's own values stand."""
    found = []
    for feature in saved.categorical:
        column = columns[feature["flat_feature_index"]]
        if column.feature is None:
            raise UnsupportedModel("CatBoost with cat_features that a step before it makes; encode them there too")
        values = graph.seen[column.feature]
        found.append(Known(column, values, hashes([_text(value) for value in values])))
    return found


def _text(value: Scalar) -> str:
    """What CatBoost hashes."""
    return str(int(value) if isinstance(value, bool) else value)


@dataclass(frozen=True)
class _Part:
    """One element of a combination: its code [rows], and what each code adds to the hash; None for no category."""

    code: str
    keys: Sequence[int | None]


class Statistics:
    """The statistics that a model splits on, each a column."""

    def __init__(self, graph: Graph, saved: Saved, columns: Columns, known: Sequence[Known]) -> None:
        self._graph, self._saved, self._columns, self._known = graph, saved, columns, known
        self.complete = True
        """Whether the sample's categories give every hash that the tables have."""

    def columns(self) -> Columns:
        return tuple(self._column(ctr) for ctr in self._saved.ctrs)

    def _column(self, ctr: Mapping[str, Any]) -> Column:
        elements = sorted(ctr["elements"], key=lambda element: _ORDER.index(element["combination_element"]))
        parts = [self._part(element) for element in elements]
        if (size := prod(len(part.keys) for part in parts)) > LARGEST_TABLE:
            raise UnsupportedModel(
                f"CatBoost with a statistic of {size} combinations of categories, more than {LARGEST_TABLE}; train "
                "with max_ctr_complexity=1, or with fewer categories"
            )
        table = self._table(ctr, parts)
        index = parts[0].code
        for part in parts[1:]:
            index = self._graph.op("Mul", index, self._graph.constant(len(part.keys), np.int64))
            index = self._graph.op("Add", index, part.code)
        found = self._graph.op("Gather", self._graph.constant(table), index, axis=0)
        return self._graph.columns(found, 1)[0]

    def _part(self, element: Mapping[str, Any]) -> _Part:
        kind = element["combination_element"]
        if kind == "float_feature":
            return _Part(self._over(element), (0, 1))
        known = self._known[element["cat_feature_index"]]
        place = position(self._graph, known.column, known.values)
        if kind == "cat_feature_value":
            return _Part(place, (None, *(one % _WORD for one in known.hashes)))
        same = self._graph.op("Equal", place, self._graph.constant(known.code(element["value"]) + 1, np.int64))
        return _Part(self._graph.cast(same, TensorProto.INT64), (0, 1))

    def _over(self, element: Mapping[str, Any]) -> str:
        feature = self._saved.floats[element["float_feature_index"]]
        matrix = self._graph.matrix((self._columns[feature["flat_feature_index"]],))
        single = self._graph.cast(matrix, TensorProto.FLOAT)
        over = self._graph.op("Greater", single, self._graph.constant(element["border"], np.float32))
        if feature["nan_value_treatment"] == "AsTrue":
            over = self._graph.op("Or", over, self._graph.op("IsNaN", single))
        flat = self._graph.op("Reshape", over, self._graph.constant([-1], np.int64))
        return self._graph.cast(flat, TensorProto.INT64)

    def _table(self, ctr: Mapping[str, Any], parts: Sequence[_Part]) -> Array:
        """The statistic of every combination of codes, the last part's changing fastest: [combinations, 1]."""
        data = self._saved.document["ctr_data"][ctr["identifier"]]
        stride, flat = data["hash_stride"], data["hash_map"]
        counts = {int(flat[start]): flat[start + 1 : start + stride] for start in range(0, len(flat), stride)}
        counts.pop(_EMPTY, None)
        keys = [_combined(combination) for combination in product(*(part.keys for part in parts))]
        self.complete &= not counts.keys() - set(keys)
        found = [_statistic(ctr, data, None if key is None else counts.get(key)) for key in keys]
        return np.array(found, dtype=np.float64).reshape(-1, 1)


def _combined(keys: Sequence[int | None]) -> int | None:
    """CatBoost's hash of a combination."""
    found = 0
    for key in keys:
        if key is None:
            return None
        found = _MULTIPLIER * (found + _MULTIPLIER * key) % _WORD
    return found


def _statistic(ctr: Mapping[str, Any], data: Mapping[str, Any], counts: Sequence[float] | None) -> np.float32:
    """What CatBoost makes of the counts of a category, in float32; of one that it does not know, without counts."""
    kind = ctr["ctr_type"]
    if kind in ("Counter", "FeatureFreq"):
        good, total = counts[0] if counts else 0, data["counter_denominator"]
    elif not counts:
        good, total = 0, 0
    elif kind in ("BinarizedTargetMeanValue", "FloatTargetMeanValue"):
        good, total = counts
    else:
        border = ctr["target_border_idx"]
        good = counts[border] if kind == "Buckets" else sum(counts[border + 1 :])
        total = sum(counts)
    share = (np.float32(good) + np.float32(ctr["prior_numerator"])) / (
        np.float32(total) + np.float32(ctr["prior_denomerator"])
    )
    return np.float32((share + np.float32(ctr["shift"])) * np.float32(ctr["scale"]))
