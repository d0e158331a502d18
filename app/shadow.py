"""Versions that are tried in the shadow of their champion: run on a sample of what it has answered, and compared.

A run of the champion hands over its tensors and its answers, by reference. One thread runs the shadows on them, several
runs of the champion at once. It is the first work that is left undone: what comes while much is in flight, or more than
may wait, is dropped, and so is what waits by then.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import random
from threading import Condition, Thread
from typing import Protocol

import numpy as np

from app.parity import LABEL, compare
from app.repository import Catalogue
from app.signature import Array, Tensors
from app.traffic import Shadow

log = logging.getLogger("servefn")

WAITING_ROWS = 10_000
"""The most rows that wait; but for those of one run, however many they are."""

BATCH_ROWS = 512
"""The most rows of a shadow's run; but for those of one run of the champion."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Rows that a shadow answered: the labels that are not the champion's, and how far the numbers lie apart.

    The latter is for each row the largest difference of any number, relative to max(1, |the champion's|).
    """

    rows: int
    flips: int
    apart: Array


class Observer(Protocol):
    """Told of the work of shadows, from any thread. Must not raise."""

    def compared(self, shadow: Shadow, found: Comparison) -> None: ...

    def unanswered(self, shadow: Shadow, rows: int, *, failed: bool) -> None:
        """Rows that were dropped, or on which the shadow failed."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One run of a champion."""

    shadow: Shadow
    tensors: Tensors
    answers: Tensors

    @property
    def rows(self) -> int:
        return len(next(iter(self.tensors.values())))


class Shadowing:
    """Tries the shadows of a process, in a thread of its own. `busy` says whether other work comes first."""

    def __init__(self, observer: Observer, busy: Callable[[], bool]) -> None:
        self._observer, self._busy = observer, busy
        self._waiting: deque[Sample] = deque()
        self._rows = 0
        """How many of them wait."""
        self._turn = Condition()
        self._thread: Thread | None = None

    def serving(self, catalogue: Catalogue) -> None:
        """Shadow what is served now as its plans have it."""
        for model in catalogue:
            model.shadow = None
        for name, plan in catalogue.plans.items():
            if plan.shadows:
                catalogue.default(name).shadow = lambda *run, shadows=plan.shadows: self.offer(shadows, *run)
                self._begin()

    def offer(self, shadows: Sequence[Shadow], tensors: Tensors, answers: Tensors) -> None:
        """Take a run of the champion, for those shadows whose share it falls into."""
        for shadow in shadows:
            if random() < shadow.share:  # noqa: S311  # nothing is secret about it
                self._take(Sample(shadow, tensors, answers))

    def _take(self, sample: Sample) -> None:
        with self._turn:
            fits = not self._waiting or self._rows + sample.rows <= WAITING_ROWS
            if fits and not self._busy():
                self._waiting.append(sample)
                self._rows += sample.rows
                self._turn.notify()
                return
        self._observer.unanswered(sample.shadow, sample.rows, failed=False)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._work, name="shadow", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting)
                samples = self._next()
            if self._busy():
                self._observer.unanswered(samples[0].shadow, _rows(samples), failed=False)
            else:
                self._try(samples)
            del samples  # a bundle that is gone is not to be held while nothing waits

    def _next(self) -> list[Sample]:
        """What waits for the shadow whose turn it is, as much as makes one run."""
        taken, left = [self._waiting.popleft()], deque[Sample]()
        rows = taken[0].rows
        for sample in self._waiting:
            fits = sample.shadow is taken[0].shadow and rows + sample.rows <= BATCH_ROWS
            (taken if fits else left).append(sample)
            rows += sample.rows if fits else 0
        self._waiting = left
        self._rows -= rows
        return taken

    def _try(self, samples: Sequence[Sample]) -> None:
        shadow = samples[0].shadow
        try:
            found = _compared(samples)
        except Exception as error:  # whatever it is, it is the shadow's, and has no part in any answer
            log.warning("the shadow %s version %s failed: %s", shadow.challenger.name, shadow.challenger.version, error)
            self._observer.unanswered(shadow, _rows(samples), failed=True)
        else:
            self._observer.compared(shadow, found)


def _rows(samples: Sequence[Sample]) -> int:
    return sum(sample.rows for sample in samples)


def _compared(samples: Sequence[Sample]) -> Comparison:
    """What the shadow says to the rows of some runs, against what the champion said. Raises PredictionFailed."""
    shadow = samples[0].shadow
    names = shadow.champion.signature.named
    expected = {name: np.concatenate([sample.answers[name] for sample in samples]) for name in names}
    tensors = {name: np.concatenate([sample.tensors[name] for sample in samples]) for name in samples[0].tensors}
    answers = shadow.challenger.run(tensors)
    numbers = {name: values for name, values in expected.items() if name != LABEL}
    return Comparison(
        rows=_rows(samples),
        flips=compare(expected, answers, 0.0).flips,
        apart=compare(numbers, answers, 0.0).apart if numbers else np.empty(0),
    )
