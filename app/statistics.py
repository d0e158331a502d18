"""What each model has answered since it was loaded: an observer for protocols that tell it to their clients."""

from __future__ import annotations

import time
from dataclasses import dataclass

from app.errors import ServingError
from app.predictor import Model
from app.repository import Catalogue


@dataclass
class Tally:
    """Requests answered and refused, the rows and the seconds of the former, and when the last was, in Unix time."""

    answered: int = 0
    refused: int = 0
    rows: int = 0
    seconds: float = 0.0
    last: float = 0.0


class Statistics:
    """Keeps a tally of each model as long as that is served."""

    def __init__(self) -> None:
        self._tallies: dict[Model, Tally] = {}

    def of(self, model: Model) -> Tally:
        return self._tallies.get(model) or Tally()

    def serving(self, catalogue: Catalogue) -> None:
        """To be called when other models are served."""
        self._tallies = {model: self.of(model) for model in catalogue}

    def answered(self, model: Model, rows: int, seconds: float) -> None:
        tally = self.of(model)
        tally.answered += 1
        tally.rows += rows
        tally.seconds += seconds
        tally.last = time.time()

    def refused(self, model: Model | None, error: ServingError) -> None:  # noqa: ARG002  # whatever it was
        if model:
            self.of(model).refused += 1
