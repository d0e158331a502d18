"""The use case: find the model, predict, tell the observers. Knows no protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from app.errors import ServingError
from app.predictor import Model
from app.repository import Repository
from app.signature import Array, Tensors

INLINE_ROWS = 64
"""Up to this many rows a run is shorter than what a hop to a thread and back would cost the loop."""


class Observer(Protocol):
    """Told of every request once its answer is made. Must be quick, and must not raise."""

    def answered(self, model: Model, rows: int, seconds: float) -> None: ...

    def refused(self, model: Model | None, error: ServingError) -> None: ...


class Service:
    """What every protocol stands on."""

    def __init__(
        self, repository: Repository, observers: Sequence[Observer], max_body_bytes: int, max_rows: int
    ) -> None:
        self.repository, self.observers = repository, observers
        self.max_body_bytes, self.max_rows = max_body_bytes, max_rows

    def model(self, name: str, version: str | None = None) -> Model:
        """Raises NotReady, ModelNotFound or VersionNotFound."""
        return self.repository.get(name, version)

    async def predict(self, model: Model, tensors: Tensors, rows: int) -> dict[str, Array]:
        """Output name -> one answer per row. Raises PredictionFailed."""
        if rows <= INLINE_ROWS:
            return model.run(tensors)
        return await asyncio.to_thread(model.run, tensors)

    def answered(self, model: Model, rows: int, seconds: float) -> None:
        for observer in self.observers:
            observer.answered(model, rows, seconds)

    def refused(self, model: Model | None, error: ServingError) -> None:
        for observer in self.observers:
            observer.refused(model, error)
