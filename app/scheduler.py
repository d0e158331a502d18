"""Natural batching: the requests that wait in one turn of the event loop share one run.

There is no timer. On an idle server a request runs at the end of the turn it arrived in; under load the turns grow
longer, more arrives in each, and the runs grow by themselves. A run that would take long goes to a thread, and what
arrives for its model meanwhile forms the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from math import inf
from time import monotonic
from typing import Any, Protocol, TypeVar

from app.answers import Answers
from app.errors import DeadlineExceeded
from app.predictor import Model

T = TypeVar("T")

MERGED_ROWS = 32
"""The most rows of a request that shares its run; a larger one gains nothing by sharing."""

BATCH_ROWS = 512
"""The most rows of a shared run."""

HOP = 0.001
"""Seconds. A run that is expected to take longer than this leaves the event loop for a thread."""


class Job(Protocol):
    """The rows of one request, and who is told of their answers."""

    @property
    def rows(self) -> Sequence[Any]: ...

    @property
    def gone(self) -> bool:
        """Whether nobody wants the answers any more."""

    @property
    def due(self) -> float:
        """When, by time.monotonic(), it is too late to run them."""

    def settle(self, result: Answers | Exception) -> None: ...


class Promise:
    """A job whose answers are awaited. Cancel the future, and rows that have not run yet never will."""

    def __init__(self, rows: Sequence[Any], due: float = inf) -> None:
        self.rows, self.due = rows, due
        self.answers: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()

    @property
    def gone(self) -> bool:
        return self.answers.done()

    def settle(self, result: Answers | Exception) -> None:
        if isinstance(result, Exception):
            self.answers.set_exception(result)
        else:
            self.answers.set_result(result)


class Scheduler:
    """Runs models for one event loop. Which rows share a run changes the last bit of a number at most."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._waiting: dict[Model, list[Job]] = {}
        self._busy: set[Model] = set()
        """The models that run in a thread."""
        self._called = False
        """Whether the loop will call when its turn is over."""

    def submit(self, model: Model, rows: Sequence[Any], due: float = inf) -> asyncio.Future[Answers]:
        """The answers to rows that the model's codec has read. Awaiting them raises what the run does."""
        promise = Promise(rows, due)
        self.enqueue(model, promise)
        return promise.answers

    def enqueue(self, model: Model, job: Job) -> None:
        """Run a job when the loop's turn is over, together with all that came in the same turn."""
        self._waiting.setdefault(model, []).append(job)
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def alone(self, work: Callable[[], T], seconds: float, due: float = inf) -> T:
        """What some work returns; in a thread if it is expected to take so long that it would hold the loop.

        Raises DeadlineExceeded if its turn comes too late.
        """
        if seconds <= HOP:
            return _in_time(work, due)
        return await asyncio.get_running_loop().run_in_executor(self._threads, _in_time, work, due)

    def _flush(self) -> None:
        """Run what waits for models that are free: here if that is quick, else in a thread."""
        self._called = False
        for model in [model for model in self._waiting if model not in self._busy]:
            self._run(model)

    def _run(self, model: Model) -> None:
        jobs, left = _next(self._waiting.pop(model))
        if left:
            self._waiting[model] = left
            asyncio.get_running_loop().call_soon(self._flush)
        if model.seconds_per_row * sum(len(job.rows) for job in jobs) <= HOP:
            _settle(jobs, _answered(model, jobs))
        else:
            self._busy.add(model)
            running = asyncio.get_running_loop().run_in_executor(self._threads, _answered, model, jobs)
            running.add_done_callback(lambda done: self._finished(model, jobs, done.result()))

    def _finished(self, model: Model, jobs: Sequence[Job], results: Sequence[Answers | Exception]) -> None:
        self._busy.discard(model)
        _settle(jobs, results)
        self._flush()


def _late() -> DeadlineExceeded:
    return DeadlineExceeded("The deadline passed before the rows had their turn, and they were not run.")


def _in_time(work: Callable[[], T], due: float) -> T:
    if due < monotonic():
        raise _late()
    return work()


def _settle(jobs: Sequence[Job], results: Sequence[Answers | Exception]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if not job.gone:
            job.settle(result)


def _next(waiting: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """The jobs of the next run, in order of arrival, and those left for later. Those gone or overdue are in neither."""
    now = monotonic()
    for job in (job for job in waiting if job.due < now and not job.gone):
        job.settle(_late())
    live = [job for job in waiting if job.due >= now and not job.gone]
    if not live or len(live[0].rows) > MERGED_ROWS:
        return live[:1], live[1:]
    taken: list[Job] = []
    left: list[Job] = []
    room = BATCH_ROWS
    for job in live:
        fits = len(job.rows) <= min(room, MERGED_ROWS)
        (taken if fits else left).append(job)
        room -= len(job.rows) if fits else 0
    return taken, left


def _answered(model: Model, jobs: Sequence[Job]) -> list[Answers | Exception]:
    """What became of each job. When a shared run fails, each job runs alone, so that a failure stays with its own."""
    if not jobs:
        return []
    try:
        answers = model.answer([row for job in jobs for row in job.rows])
    except Exception as error:  # whatever it is, those who wait must hear of it
        return [error] if len(jobs) == 1 else [result for job in jobs for result in _answered(model, [job])]
    return [answers] if len(jobs) == 1 else list(_shared(iter(answers), jobs))


def _shared(answers: Iterator[dict[str, Any]], jobs: Sequence[Job]) -> Iterator[Answers]:
    for job in jobs:
        yield list(islice(answers, len(job.rows)))
