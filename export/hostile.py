"""Rows that conversions are known to get wrong, each within the contract. See the traps in EXPORT.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

_ZERO = float(np.float32(1e-35))
"""What LightGBM takes for zero, and it is not alone in having such a number."""

_TINY = [1e-30, -1e-30, 1e-36, 5e-324]
_TINY += [side * value for value in (_ZERO, np.nextafter(_ZERO, 1), np.nextafter(_ZERO, 0)) for side in (1.0, -1.0)]


class Hostile:
    """Makes hostile rows from good ones: one column changed, the others as some row of the sample has them."""

    def __init__(self, model: Model, base: list[Row], graph: Graph) -> None:
        self._model, self._signature, self._base, self._graph = model, model.signature, base, graph

    def checks(self, original: Original) -> Iterator[tuple[str, list[Row]]]:
        """Each kind of rows, under the name that the certificate gives it."""
        yield "thresholds", self._changed(self._beside)
        yield "computed_thresholds", self._crossing()
        yield "boundaries", self._boundaries(original)
        yield "near_equal", self._changed(_near_equal)
        yield "magnitudes", self._changed(lambda feature: _within(feature, _magnitudes(feature)))
        yield "extremes", self._extremes()
        yield "missing", self._missing()
        yield "categories", self._changed(_every_category)
        yield "unseen", self._changed(self._strangers)

    def _changed(self, values: Any) -> list[Row]:
        rows: list[Row] = []
        for feature in self._signature.features:
            for value in values(feature):
                rows.append({**self._base[len(rows) % len(self._base)], feature.name: value})
        return rows

    def _beside(self, feature: Feature) -> list[Any]:
        """On and one ulp beside splits of trees on this very column, in double and in float32."""
        splits = np.array(sorted(self._graph.thresholds.get(feature.name, ())))
        if not len(splits) or feature.datatype in (Datatype.BOOL, Datatype.BYTES):
            return []
        chosen = splits[np.unique(np.linspace(0, len(splits) - 1, PER_FEATURE).astype(int))]
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

    def _boundaries(self, original: Original) -> list[Row]:
        """Pairs of neighbouring doubles between which the model's answer changes, found by bisection.

        This needs no knowledge of the model: it finds the splits of trees behind any preprocessing.
        """
        brackets = [bracket for feature in self._signature.numbers for bracket in self._brackets(feature)]
        if not brackets:
            return []
        names = [name for name, _, _, _ in brackets]
        bases = [base for _, base, _, _ in brackets]
        low, high = (np.array([bracket[side] for bracket in brackets]) for side in (2, 3))
        left = _digest(original, _rows(bases, names, low))
        for _ in range(_BISECTIONS):
            middle = low + (high - low) / 2
            same = _digest(original, _rows(bases, names, middle)) == left
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return [*_rows(bases, names, low), *_rows(bases, names, high)]

    def _brackets(self, feature: Feature) -> Iterator[tuple[str, Row, float, float]]:
        if feature.datatype is not Datatype.FP64 or feature.closed:
            return
        steps = np.unique(np.clip(feature.training.quantiles, *feature.range))
        for index, (low, high) in enumerate(pairwise(steps.tolist())):
            yield feature.name, self._base[index % len(self._base)], low, high


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
