"""Rows on the splits of trees that stand behind other steps: raw values that land on either side of a threshold.

The columns that such trees compare are computed by the graph itself, so the graph up to there, run alone, is a function
from a feature to a column, and bisection finds the two neighbouring doubles between which that crosses a threshold.
Where the last bits of a column depend on the library that computes it (a logarithm, a matrix product), the rows keep
clear of the threshold by more than those bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from onnx import TensorProto

from app.predictor import Model
from app.signature import NUMBERS, Array, Datatype, Feature
from export.exactness import rounded_right
from export.graph import Graph
from export.sample import Row, spread

PER_FEATURE = 40
"""Thresholds per feature: enough to meet every kind of split, few enough for a model of a thousand features."""

_BISECTIONS = 64
_CLEARANCE = 1e-9


def crossings(graph: Graph, model: Model, base: Sequence[Row]) -> list[tuple[Row, Feature, list[float]]]:
    """Rows to change, one feature of each, and the values to give it. Behind no step there are none."""
    if not graph.computed or not model.signature.numbers:
        return []
    search = _Search(graph, model, base)
    found = [search.values(position, feature) for position, feature in enumerate(model.signature.numbers)]
    pairs = zip(model.signature.numbers, found, strict=True)
    return [(search.row(index), feature, values) for index, (feature, values) in enumerate(pairs) if values]


class _Search:
    """The columns that trees compare [rows, columns], as a function of one feature of a row that stays as it is."""

    def __init__(self, graph: Graph, model: Model, base: Sequence[Row]) -> None:
        tensors = sorted({tensor for tensor, _ in graph.computed})
        outputs = {
            f"computed_{tensor}": (graph.cast(tensor, TensorProto.DOUBLE), TensorProto.DOUBLE, graph.width(tensor))
            for tensor in tensors
        }
        options = ort.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        self._session = ort.InferenceSession(graph.model(outputs), options, providers=["CPUExecutionProvider"])
        self._given = {node.name for node in self._session.get_inputs()}
        exact = rounded_right(graph, tensors)
        self._splits = [
            _targets(sorted(graph.computed[column]), exact=column[0] in exact) for column in sorted(graph.computed)
        ]
        starts = dict(zip(tensors, np.cumsum([0, *map(graph.width, tensors)]).tolist(), strict=False))
        self._columns = [starts[tensor] + index for tensor, index in sorted(graph.computed)]
        self._tensors = model.codec.tensors(model.codec.rows(base))
        self._base = base

    def row(self, position: int) -> Row:
        return self._base[position % len(self._base)]

    def values(self, position: int, feature: Feature) -> list[float]:
        """On both sides of each threshold that this feature alone moves a column across, and one double further."""
        if feature.datatype is Datatype.BOOL or feature.closed or not feature.training.quantiles:
            return []
        ends = np.clip([feature.training.quantiles[0], feature.training.quantiles[-1]], *feature.range)
        first, last = self._computed(position, ends)
        crossed = [
            (column, threshold)
            for column, splits in enumerate(self._splits)
            for threshold in splits
            if (first[column] > threshold) != (last[column] > threshold)
        ]
        if not crossed:
            return []
        chosen = [crossed[index] for index in spread(len(crossed), PER_FEATURE)]
        columns, thresholds = (np.array(side) for side in zip(*chosen, strict=True))
        low, high = self._bisected(position, ends, columns, thresholds, first[columns] > thresholds)
        near = [np.floor(low), np.ceil(high)] if feature.datatype is Datatype.INT64 else [low, high]
        found: list[float] = np.unique([*near, np.nextafter(low, -np.inf), np.nextafter(high, np.inf)]).tolist()
        return found

    def _bisected(
        self, position: int, ends: Array, columns: Array, thresholds: Array, at_first: Array
    ) -> tuple[Array, Array]:
        low, high = (np.full(len(columns), end) for end in ends)
        for _ in range(_BISECTIONS):
            middle = low + (high - low) / 2
            computed = self._computed(position, middle)[np.arange(len(columns)), columns]
            same = (computed > thresholds) == at_first
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return low, high

    def _computed(self, position: int, values: Array) -> Array:
        """[values, columns with splits]."""
        index = position % len(self._base)
        fed = {
            name: np.repeat(tensor[index : index + 1], len(values), axis=0) for name, tensor in self._tensors.items()
        }
        fed[NUMBERS][:, position] = values
        given = {name: tensor for name, tensor in fed.items() if name in self._given}
        return np.hstack(self._session.run(None, given))[:, self._columns]


def _targets(splits: Sequence[float], *, exact: bool) -> list[float]:
    """What a column shall cross: thresholds, and where it changes sides of them when it is rounded to float32."""
    chosen = np.array(splits)[spread(len(splits), PER_FEATURE)]
    if not exact:
        margin = _CLEARANCE * np.maximum(np.abs(chosen), 1e-3)
        return [value for value in (*(chosen - margin), *(chosen + margin)) if np.isfinite(value)]
    single = chosen.astype(np.float32)
    above = np.nextafter(single, np.float32(np.inf)).astype(np.float64)
    below = np.nextafter(single, np.float32(-np.inf)).astype(np.float64)
    edges = [chosen, (single + above) / 2, (single + below) / 2]
    return [value for value in np.concatenate(edges).tolist() if np.isfinite(value)]
