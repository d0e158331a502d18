"""Rows to which the trained model itself has two answers: the server owes one of them, and not a certain one.

There are two kinds of them, and both need a model that makes a step: a tree, a vote, the nearest of some rows.

- BLAS has other kernels for a row alone than for one among others, and their sums differ in the last bit. On a step,
  the model then answers a row in one way alone and in another among others.
- At a boundary, found by bisection between neighbouring doubles, the last bit of a logarithm, or which of two equal
  distances a heap holds first, decides on which side a row falls. The answer on the other side will do as well.

All else stays demanded: rows a little off such a row, the sample's own rows, and every output of which export.exactness
argues that no bit is left open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.parity import compare
from app.predictor import Model
from app.signature import Array, Datatype, Feature
from export.hostile import CLEARANCE, Trial
from export.original import Original
from export.sample import Row

Answers = Mapping[str, Array]

EXAMINED = 64
"""Of one kind of rows. Where more of them differ it is no matter of the last bit."""

_AROUND = 64
_BATCHES = (7, _AROUND)


@dataclass(frozen=True, kw_only=True)
class Umpire:
    """Asks the model again about rows that are served otherwise than it answered them.

    `exact` are the outputs that are argued to be exact: a row in which one of them differs has one answer only.
    """

    original: Original
    model: Model
    tolerance: float
    exact: Sequence[str] = ()

    def settled(self, trial: Trial, trained: Answers, served: Answers) -> dict[int, Answers]:
        """The undecided rows by index, and the model's own answer [1, …] that was served."""
        off = compare(trained, dict(served), self.tolerance).rows
        if trial.check == "sample" or len(off) > EXAMINED:
            return {}
        found: dict[int, Answers] = {}
        for index in sorted(set(off) - self._argued(trained, served)):
            sides = [{name: values[index : index + 1] for name, values in side.items()} for side in (trained, served)]
            twin = trial.twins[index] if trial.twins else None
            if own := self._own(trial.rows[index], twin, *sides):
                found[index] = own
        return found

    def _argued(self, trained: Answers, served: Answers) -> set[int]:
        """Rows of which an output that is argued to be exact differs in a bit."""
        return {row for name in self.exact for row in compare({name: trained[name]}, dict(served), 0.0).rows}

    def _own(self, row: Row, twin: Row | None, trained: Answers, served: Answers) -> Answers | None:
        """The model's other answer to a row, if that is the served one."""
        twins = [] if twin is None else list(self._answers(twin))
        for answer in (*twins, *self._answers(row)):
            if self._apart(trained, answer) and not self._apart(answer, served):
                return answer if twin is not None or self._agreed(self._beside(row)) else None
        return None

    def _answers(self, row: Row) -> Iterator[Answers]:
        """What the model answers to one row: alone, and first and last among few and many others."""
        others, ask = self.original.sample.spread(_AROUND), self.original.answers
        yield ask([row])
        for count in _BATCHES:
            yield {name: values[:1] for name, values in ask([row, *others[:count]]).items()}
            yield {name: values[-1:] for name, values in ask([*others[:count], row]).items()}

    def _agreed(self, rows: Iterable[Row]) -> bool:
        """Whether the model answers rows in one way only, and that is served."""
        return not any(self._apart(answer, self.model.predict([row])) for row in rows for answer in self._answers(row))

    def _beside(self, row: Row) -> Iterator[Row]:
        """The row with all its doubles a little more, and less; each by another part, so that no ratio stays."""
        doubles = [one for one in self.model.signature.numbers if _moves(one, row)]
        for side in (1.0, -1.0):
            parts = side * CLEARANCE * (1.0 + np.arange(len(doubles)) / 7) * (-1.0) ** np.arange(len(doubles))
            yield {**row, **{one.name: _moved(one, row, part) for one, part in zip(doubles, parts, strict=True)}}

    def _apart(self, trained: Answers, served: Answers) -> bool:
        return bool(compare(trained, dict(served), self.tolerance).rows)


def _moves(feature: Feature, row: Mapping[str, Any]) -> bool:
    return feature.datatype is Datatype.FP64 and not feature.closed and row[feature.name] is not None


def _moved(feature: Feature, row: Mapping[str, Any], part: float) -> float:
    quantiles = feature.training.quantiles or (0.0,)
    size = max(abs(row[feature.name]), quantiles[-1] - quantiles[0])
    return float(np.clip(row[feature.name] + part * size, *feature.range))
