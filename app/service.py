"""The use case: find the model, predict, tell the observers. Knows no protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, Protocol, TypeVar

from app.admission import Admission
from app.answers import Answers
from app.errors import FAILED, LOADING, InternalError, NoDefault, NotReady, Overloaded, ServingError
from app.predictor import Model
from app.repository import Repository
from app.scheduler import MERGED_ROWS, Scheduler
from app.traffic import VERSION

log = logging.getLogger("servefn")

T = TypeVar("T")


class Observer(Protocol):
    """Told of every request once its answer is made. Must be quick, and must not raise."""

    def answered(self, model: Model, rows: int, seconds: float) -> None: ...

    def refused(self, model: Model | None, error: ServingError) -> None: ...


@dataclass(frozen=True)
class Service:
    """What every protocol stands on."""

    repository: Repository
    scheduler: Scheduler
    admission: Admission
    observers: Sequence[Observer]
    max_body_bytes: int
    max_rows: int
    body_seconds: float
    default_model: str | None = None

    def check(self) -> None:
        """Raises NotReady or Overloaded if another replica had better be asked."""
        if not self.repository.ready:
            raise NotReady(
                "No model can be served." if self.repository.loaded else "The models are still being loaded."
            )
        if self.admission.leaving:
            raise NotReady("This replica is stopping.")
        if self.admission.full:
            raise Overloaded("More is in flight here than is taken.")

    def model(self, name: str, version: str | None = None, alias: str | None = None) -> Model:
        """Raises NotReady, ModelNotFound, VersionNotFound or AliasNotFound."""
        return self.repository.get(name, version, alias)

    @property
    def sole(self) -> str:
        """The name of the model that answers where a request names none. Raises NotReady or NoDefault."""
        known = self.repository.catalogue.models
        if self.default_model or len(known) == 1:
            return self.default_model or next(iter(known))
        if not known:
            raise NotReady(LOADING)
        raise NoDefault(known)

    def predict(self, model: Model, rows: Sequence[Any], due: float = inf) -> Awaitable[Answers]:
        """One mapping per row that the model's codec has read. Awaiting it raises PredictionFailed.

        `due` is when, by time.monotonic(), it is too late to run them: then awaiting it raises DeadlineExceeded.
        """
        if len(rows) > MERGED_ROWS:
            return self.alone(partial(model.answer, rows), model.seconds_per_row * len(rows), due)
        return self.scheduler.submit(model, rows, due)

    async def divided(self, versions: Sequence[Model], rows: Sequence[Any], due: float = inf) -> Answers:
        """The same for rows that each have a version of their own to answer them, which is in their answers."""
        chosen = {model: [row for row, one in zip(rows, versions, strict=True) if one is model] for model in versions}
        told = await asyncio.gather(*(self.predict(model, some, due) for model, some in chosen.items()))
        answers = {model: iter(some) for model, some in zip(chosen, told, strict=True)}
        return [{VERSION: model.version, **next(answers[model])} for model in versions]

    def alone(self, work: Callable[[], T], seconds: float, due: float = inf) -> Awaitable[T]:
        """What some work returns that shares its run with no other; `seconds` is what it is expected to take."""
        return self.scheduler.alone(work, seconds, due)

    def answered(self, model: Model, rows: int, seconds: float) -> None:
        for observer in self.observers:
            observer.answered(model, rows, seconds)

    def refused(self, model: Model | None, error: ServingError) -> None:
        for observer in self.observers:
            observer.refused(model, error)

    def failed(self, model: Model | None, failure: Exception) -> ServingError:
        """What a failure is to its client. The observers are told and, if it is ours, the log."""
        error = failure if isinstance(failure, ServingError) else InternalError(FAILED)
        if isinstance(error, InternalError):
            about = f"{model.name} version {model.version}" if model else "a request"
            log.error("%s: %s", about, failure, exc_info=failure)
        self.refused(model, error)
        return error
