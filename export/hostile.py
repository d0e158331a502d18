"""Rows that conversions are known to get wrong, each within the contract. See the traps in EXPORT.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from app.predictor import Model
from app.signature import Array, Datatype, Feature
from export.contract import UNSEEN, corners
from export.crossings import PER_FEATURE, crossings
from export.graph import Graph
from export.original import Original
from export.sample import Row

_WORDS: tuple[str, ...] = ("", " ", "é", "日本語", "İstanbul", "nan", "None", "NaN", "🛫", "a\nb", "'\"\\", UNSEEN)
_WORDS += ("ß STRASSE", "ﬁ e\u0301 ١٢", "a\u200bb\xa0c", "I'm 1 x2_y-z", "\t\x0b", "a.b,c;d", "w" * 300)
_WRITINGS: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.title,
    lambda text: text[::-1],
    lambda text: f"{text} {text}",
    lambda text: f" ({text.replace(' ', '  ')})!",
    lambda text: text.replace(" ", "é"),
)
_REWRITTEN = 4
_BISECTIONS = 64
_TWINS_APART = 4
"""Units in the last place between two rows on the two sides of one boundary."""

CLEARANCE = 1e-9
"""How far from a boundary no last bit decides, as a part of the number, or of its column's spread if that is more."""

_SPLITS = 2_000
"""Splits that are tried in all. Nearly every model has fewer; of a huge one they are spread evenly over each column."""

_ZERO = float(np.float32(1e-35))
"""What LightGBM takes for zero, and it is not alone in having such a number."""

_TINY = [1e-30, -1e-30, 1e-36, 5e-324]
_TINY += [side * value for value in (_ZERO, np.nextafter(_ZERO, 1), np.nextafter(_ZERO, 0)) for side in (1.0, -1.0)]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One kind of rows, under the name that the certificate gives it.

    `twins` has, for rows on a boundary, the row on its other side, or None where that is not beside it.
    """

    check: str
    rows: Sequence[Row]
    twins: Sequence[Row | None] = ()


class Hostile:
    """Makes hostile rows from good ones: one column changed, the others as some row of the sample has them."""

    def __init__(self, model: Model, base: list[Row], graph: Graph) -> None:
        self._model, self._signature, self._base, self._graph = model, model.signature, base, graph

    def checks(self, original: Original) -> Iterator[Trial]:
        """Each kind of rows; there may be none of a kind."""
        yield Trial(check="thresholds", rows=self._changed(self._beside))
        yield Trial(check="computed_thresholds", rows=self._crossing())
        yield from self._boundaries(original)
        yield Trial(check="near_equal", rows=self._changed(_near_equal))
        yield Trial(check="magnitudes", rows=self._changed(lambda feature: _within(feature, _magnitudes(feature))))
        yield Trial(check="extremes", rows=self._extremes())
        yield Trial(check="missing", rows=self._missing())
        yield Trial(check="categories", rows=self._changed(_every_category))
        yield Trial(check="unseen", rows=self._changed(self._strangers))

    def _changed(self, values: Any) -> list[Row]:
        rows: list[Row] = []
        for feature in self._signature.features:
            for value in values(feature):
                rows.append({**self._base[len(rows) % len(self._base)], feature.name: value})
        return rows

    def _beside(self, feature: Feature) -> list[Any]:
        """On and one ulp beside the splits of trees on this very column, in double and in float32."""
        splits = np.array(sorted(self._graph.thresholds.get(feature.name, ())))
        if not len(splits) or feature.datatype in (Datatype.BOOL, Datatype.BYTES):
            return []
        most = max(PER_FEATURE, _SPLITS // len(self._graph.thresholds))
        chosen = splits[np.unique(np.linspace(0, len(splits) - 1, most).astype(int))]
        single = chosen.astype(np.float32)
        beside = [chosen, np.nextafter(chosen, -np.inf), np.nextafter(chosen, np.inf), single.astype(np.float64)]
        with np.errstate(over="ignore"):  # CatBoost splits missing values off beside the largest float32
            beside += [np.nextafter(single, np.float32(side)).astype(np.float64) for side in (-np.inf, np.inf)]
        return _within(feature, np.unique(np.concatenate(beside)).tolist())

    def _crossing(self) -> list[Row]:
        found = crossings(self._graph, self._model, self._base)
        return [{**row, feature.name: value} for row, feature, values in found for value in _within(feature, values)]

    def _extremes(self) -> list[Row]:
        features = self._signature.features
        return corners(features, {feature.name: feature.example for feature in features})

    def _missing(self) -> list[Row]:
        """Each column that may be, then all of them, then every other one."""
        names = [feature.name for feature in self._signature.features if feature.nullable]
        groups = [*([name] for name in names), names, names[::2], names[1::2]] if len(names) > 1 else [names]
        return [
            {**self._base[index % len(self._base)], **dict.fromkeys(group)}
            for index, group in enumerate(group for group in groups if group)
        ]

    def _strangers(self, feature: Feature) -> list[Any]:
        """Odd words, and what a text of the sample becomes when it is written otherwise."""
        if feature.datatype is not Datatype.BYTES or feature.closed:
            return []
        texts = [str(row[feature.name]) for row in self._base[:_REWRITTEN] if row[feature.name] is not None]
        return list(dict.fromkeys([*_WORDS, *(write(text) for text in texts for write in _WRITINGS)]))

    def _boundaries(self, original: Original) -> Iterator[Trial]:
        """Pairs of neighbouring doubles between which the model's answer changes, and rows clear of them.

        They are found by bisection. This needs no knowledge of the model: it finds the splits of trees behind any
        preprocessing.
        """
        brackets = [bracket for feature in self._signature.numbers for bracket in self._brackets(feature)]
        if not brackets:
            return
        names, bases = [name for name, _, _, _ in brackets], [base for _, base, _, _ in brackets]
        ends = np.array([[low, high] for _, _, low, high in brackets]).T
        low, high = _bisected(original, bases, names, *ends)
        sides = [_rows(bases, names, low), _rows(bases, names, high)]
        near = np.abs(high - low) <= _TWINS_APART * np.spacing(np.maximum(np.abs(low), np.abs(high)))
        twins = [twin if close else None for side in sides[::-1] for twin, close in zip(side, near, strict=True)]
        yield Trial(check="boundaries", rows=[*sides[0], *sides[1]], twins=twins)
        margin = CLEARANCE * np.maximum(np.abs(ends).max(axis=0), ends[1] - ends[0])
        clear = (np.maximum(low - margin, ends[0]), np.minimum(high + margin, ends[1]))
        yield Trial(check="beside_boundaries", rows=[row for side in clear for row in _rows(bases, names, side)])

    def _brackets(self, feature: Feature) -> Iterator[tuple[str, Row, float, float]]:
        if feature.datatype is not Datatype.FP64 or feature.closed:
            return
        steps = np.unique(np.clip(feature.training.quantiles, *feature.range))
        for index, (low, high) in enumerate(pairwise(steps.tolist())):
            yield feature.name, self._base[index % len(self._base)], low, high


def _bisected(original: Original, bases: list[Row], names: list[str], low: Array, high: Array) -> tuple[Array, Array]:
    """The ends of each bracket, drawn together where the answer changes from that at its low end."""
    left = _digest(original, _rows(bases, names, low))
    for _ in range(_BISECTIONS):
        middle = low + (high - low) / 2
        same = _digest(original, _rows(bases, names, middle)) == left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return low, high


def _digest(original: Original, rows: list[Row]) -> Array:
    """A number per row that differs where the answers do."""
    answers = original.asked("boundaries", rows, original.numeric)
    if "label" in answers:
        return np.array([hash(repr(label)) for label in answers["label"].tolist()])
    numbers = [values.reshape(len(rows), -1) for values in answers.values()]
    weights = np.arange(1.0, 1.0 + sum(part.shape[1] for part in numbers))
    found: Array = np.hstack(numbers).astype(np.float64) @ weights
    return found


def _rows(bases: list[Row], names: list[str], values: Array) -> list[Row]:
    return [{**base, name: value} for base, name, value in zip(bases, names, values.tolist(), strict=True)]


def _near_equal(feature: Feature) -> list[Any]:
    """Values that float64 tells apart and float32 does not."""
    if feature.datatype in (Datatype.BOOL, Datatype.BYTES) or feature.closed:
        return []
    middle = np.array(feature.training.quantiles[1::4])
    if feature.datatype is Datatype.INT64:
        return _within(feature, [*(middle.round() - 1), *(middle.round() + 1)])
    return _within(feature, [*np.nextafter(middle, np.inf), *(middle * (1 + 1e-9)), *middle.astype(np.float32)])


def _magnitudes(feature: Feature) -> list[float]:
    if feature.datatype in (Datatype.BOOL, Datatype.BYTES) or feature.closed:
        return []
    low, high = feature.range
    small = [] if feature.datatype is Datatype.INT64 else _TINY
    return [0.0, low, high, low / 2, high / 2, 2.0**24 + 1, *small]


def _within(feature: Feature, values: Any) -> list[Any]:
    if not len(values):
        return []
    low, high = feature.range
    kind = int if feature.datatype is Datatype.INT64 else float
    return list(dict.fromkeys(kind(value) for value in map(float, values) if low <= value <= high))


def _every_category(feature: Feature) -> list[Any]:
    if feature.datatype is Datatype.BOOL:
        return [False, True]
    return list(feature.categories)
