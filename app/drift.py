"""Whether what comes is like what the model was trained on: feature by feature, from a sample, in constant memory.

A run hands over its tensors, by reference; once a second a bounded number of their rows is counted in bins, and what is
more is dropped. A feature's drift is its Population Stability Index over the last rows counted,

    PSI = Σ (p - q) ln(p / q)        over the bins, p the share of what came and q the share of the training rows

(Siddiqi, Credit Risk Scorecards, 2006), which is Kullback and Leibler's divergence made symmetric. By custom less than
0.1 is none to speak of, and from 0.25 on it matters. Without any drift n rows in b bins have a PSI of about (b - 1) / n
(Yurdakul, Statistical Properties of the Population Stability Index, 2018), so a few rows have none here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.predictor import Model
from app.repository import Catalogue
from app.signature import MISSING, NUMBERS, STRINGS, Array, Datatype, Feature, Signature, Tensors

BINS = 10
"""Of numbers those between the training deciles; the nine most frequent categories, and all others together."""

WINDOW = 5_000
"""Rows after which a new window begins. What is said is of the last one and of the one that is being filled."""

ENOUGH = 500
"""Rows from which on something is said: of as many alike, a PSI is 0.02."""

CELLS = 4_096
"""Values counted in one look, which takes well under a millisecond."""

FEATURES = 256
"""The features of a model that are watched: the first of the numbers, then of the texts."""

EMPTY = 1e-4
"""The share that an empty bin counts as; without it one rare value would be an infinite drift."""

_UNSEEN, _MISSING = BINS, -1
"""What is no bin: a category that training had not, and no value."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was counted since the last look, and what the window says now; arrays have an entry for each feature.

    `psi` and `missing`, a ratio, are NaN where they are not known. `below` and `above` are values outside of the
    training range.
    """

    rows: int
    dropped: int
    unseen: Array
    below: Array
    above: Array
    psi: Array
    missing: Array


@dataclass
class _Window:
    """Rows counted: how many in all, without a value, and in each bin: [features], [features, BINS]."""

    features: int
    rows: int = 0
    missing: Array = field(init=False)
    bins: Array = field(init=False)

    def __post_init__(self) -> None:
        self.missing = np.zeros(self.features, np.int64)
        self.bins = np.zeros((self.features, BINS), np.int64)


class Watch:
    """What is known of the rows of one model. Called with the tensors of each run, from any thread."""

    def __init__(self, signature: Signature) -> None:
        self._features = watched(signature)
        self._numbers = [one for one in self._features if one.datatype is not Datatype.BYTES]
        self._strings = self._features[len(self._numbers) :]
        self._rows = max(1, CELLS // len(self._features))
        self._room, self._dropped = self._rows, 0
        self._waiting: deque[Tensors] = deque()
        self._edges = np.array([_edges(one) for one in self._numbers]).reshape(-1, BINS - 1)
        self._range = np.array([_range(one) for one in self._numbers]).reshape(-1, 2)
        self._codes = [_codes(one) for one in self._strings]
        self._expected = np.array([_expected(one) for one in self._features])
        self._window, self._last = _Window(len(self._features)), _Window(len(self._features))

    def __call__(self, tensors: Tensors) -> None:
        """Take rows to be counted, if there is room for more; threads may race for it, and a few rows do not matter."""
        rows = len(next(iter(tensors.values())))
        if rows <= self._room:
            self._room -= rows
            self._waiting.append(tensors)
        else:
            self._sample(tensors, rows)

    def look(self) -> Look | None:
        """Count what waits. None if nothing came."""
        given = [self._waiting.popleft() for _ in range(len(self._waiting))]
        dropped, self._dropped, self._room = self._dropped, 0, self._rows
        if not given and not dropped:
            return None
        codes, below, above = self._coded(given)
        counts = _counted(codes)
        self._add(len(codes), counts)
        return Look(
            rows=len(codes),
            dropped=dropped,
            unseen=counts[:, _UNSEEN],
            below=below,
            above=above,
            psi=self._psi(),
            missing=self._missing(),
        )

    def _sample(self, tensors: Tensors, rows: int) -> None:
        """Take as many rows as there is room for, at even steps."""
        taken = 0
        if self._room > 0:
            step = -(-rows // self._room)
            taken = len(range(0, rows, step))
            self._waiting.append({name: tensor[::step].copy() for name, tensor in tensors.items()})
            self._room -= taken
        self._dropped += rows - taken

    def _coded(self, given: Sequence[Tensors]) -> tuple[Array, Array, Array]:
        """The bin of each value, [rows, features], and how many are below and above the training range."""
        if not given:
            none = np.zeros(len(self._features), np.int64)
            return np.zeros((0, len(self._features)), np.int64), none, none
        parts, outside = [], np.zeros((2, len(self._features)), np.int64)
        if self._numbers:
            numbers = np.concatenate([one[NUMBERS] for one in given])[:, : len(self._numbers)]
            parts.append(self._numeric(numbers))
            outside[0, : len(self._numbers)] = (numbers < self._range[:, 0]).sum(axis=0)
            outside[1, : len(self._numbers)] = (numbers > self._range[:, 1]).sum(axis=0)
        if self._strings:
            parts.append(self._textual(np.concatenate([one[STRINGS] for one in given])))
        return np.concatenate(parts, axis=1), outside[0], outside[1]

    def _numeric(self, values: Array) -> Array:
        """How many edges are below each value; a bin has its upper edge."""
        codes = (values[:, :, None] > self._edges).sum(axis=2)
        return np.where(np.isnan(values), _MISSING, codes)

    def _textual(self, values: Array) -> Array:
        columns = zip(self._codes, values.T, strict=False)  # of those that are watched
        return np.array([[codes.get(one, other) for one in column] for (codes, other), column in columns]).T

    def _add(self, rows: int, counts: Array) -> None:
        if self._window.rows >= WINDOW:
            self._last, self._window = self._window, _Window(len(self._features))
        self._window.rows += rows
        self._window.missing += counts[:, _MISSING]
        self._window.bins += counts[:, :BINS]
        self._window.bins[:, BINS - 1] += counts[:, _UNSEEN]

    def _psi(self) -> Array:
        counted = self._window.bins + self._last.bins
        rows = counted.sum(axis=1, keepdims=True)
        came = np.maximum(counted / np.maximum(rows, 1), EMPTY)
        trained = np.maximum(self._expected, EMPTY)
        psi = ((came - trained) * np.log(came / trained)).sum(axis=1)
        return np.where(rows[:, 0] >= ENOUGH, psi, np.nan)

    def _missing(self) -> Array:
        rows = self._window.rows + self._last.rows
        return (self._window.missing + self._last.missing) / (rows if rows >= ENOUGH else np.nan)


class Drift:
    """Keeps a watch on every model that is served."""

    def __init__(self) -> None:
        self._watches: dict[Model, Watch] = {}

    def serving(self, catalogue: Catalogue) -> None:
        """Watch what is served now. A model that stays keeps what is known of it."""
        self._watches = {model: self._watches.get(model) or Watch(model.signature) for model in catalogue}
        for model, watch in self._watches.items():
            model.watch = watch

    def looks(self) -> Iterator[tuple[Model, Look]]:
        """What is new of each model that rows came for."""
        for model, watch in self._watches.items():
            if found := watch.look():
                yield model, found


def watched(signature: Signature) -> tuple[Feature, ...]:
    """The features that are watched, in the order of every Look."""
    return (*signature.numbers, *signature.strings)[:FEATURES]


def _edges(feature: Feature) -> list[float]:
    """The upper edges of all bins but the last; those that are not needed at infinity, which nothing is above."""
    edges = [0.0] if feature.datatype is Datatype.BOOL else feature.training.edges
    return [*edges, *[np.inf] * BINS][: BINS - 1]


def _range(feature: Feature) -> tuple[float, float]:
    low, high = feature.training.minimum, feature.training.maximum
    return -np.inf if low is None else low, np.inf if high is None else high


def _codes(feature: Feature) -> tuple[dict[object, int], int]:
    """The bin of each category, and of any other text."""
    codes = {category: min(place, BINS - 1) for place, (category, _) in enumerate(_frequent(feature))}
    return {**codes, MISSING: _MISSING}, _UNSEEN if codes else BINS - 1


def _frequent(feature: Feature) -> list[tuple[object, float]]:
    """The categories with their training shares, the most frequent first."""
    shares = feature.training.shares or (0.0,) * len(feature.categories)
    return sorted(zip(feature.categories, shares, strict=False), key=lambda each: -each[1])


def _expected(feature: Feature) -> list[float]:
    """The share of each bin in training; NaN where the contract does not say it."""
    shares = feature.training.shares
    if feature.datatype is Datatype.BYTES:
        known = len(shares) == len(feature.categories) > 0
        shares = tuple(share for _, share in _frequent(feature)[: BINS - 1])
        filled = [*shares, *[0.0] * (BINS - 1 - len(shares)), max(0.0, 1.0 - sum(shares))]
    else:
        bins = 2 if feature.datatype is Datatype.BOOL else len(feature.training.edges) + 1
        known = len(shares) == bins <= BINS
        filled = [*shares, *[0.0] * BINS][:BINS]
    return filled if known else [np.nan] * BINS


def _counted(codes: Array) -> Array:
    """How often each feature has each code: [features, BINS + 2], with _UNSEEN and, at the end, _MISSING."""
    features = codes.shape[1]
    width = BINS + 2
    places = codes % width + width * np.arange(features)
    return np.bincount(places.ravel(), minlength=width * features).reshape(features, width)
