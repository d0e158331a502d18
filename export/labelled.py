"""Rows with their true answers, kept apart from training: what decisions are weighed and uncertainty is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from app.bundle import sha256
from app.errors import InvalidRequest, PredictionFailed
from app.predictor import Model
from app.signature import Array, Scalar
from export.errors import ExportError
from export.reading import read_sample
from export.sample import Row

LabelledData = tuple[Any, Any]
"""Rows in any form that a sample may have, and the target, as `fit` takes them."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows as a client sends them, their true answers, and what they are for, to be named in messages."""

    rows: Sequence[Row]
    truth: Sequence[Any]
    purpose: str

    def answers(self, model: Model) -> dict[str, Array]:
        """What the exported graph answers. Raises ExportError."""
        try:
            return model.predict(self.rows)
        except (InvalidRequest, PredictionFailed) as error:
            raise ExportError(f"the {self.purpose} rows break the contract: {error}") from error

    def classes(self, known: Sequence[Scalar]) -> Array:
        """The truth as indices into the classes. Raises ExportError."""
        index = {label: position for position, label in enumerate(known)}
        if strange := [label for label in self.truth if label not in index]:
            listed = ", ".join(map(repr, known[:20]))
            raise ExportError(
                f"the target of the {self.purpose} rows has {strange[0]!r}, and the model's classes are {listed}"
            )
        return np.array([index[label] for label in self.truth], dtype=np.int64)

    def numbers(self) -> Array:
        """The truth as doubles. Raises ExportError."""
        try:
            found = np.array(self.truth, dtype=np.float64)
        except (TypeError, ValueError):
            found = np.array([np.nan])
        if not np.isfinite(found).all():
            raise ExportError(f"the target of the {self.purpose} rows must be finite numbers")
        return found

    def provenance(self) -> dict[str, Any]:
        content = msgspec.json.encode([self.rows, self.truth])
        return {"rows": len(self.rows), "sha256": sha256(content)}


def read_labelled(data: LabelledData, purpose: str, model: Any, key: str | None) -> Labelled:
    """Rows and target for one purpose. Raises ExportError."""
    rows, target = data
    try:
        sample = read_sample(rows, model, key if key in getattr(rows, "columns", ()) else None)
    except ExportError as error:
        raise ExportError(f"the {purpose} rows: {error}") from error
    truth = np.asarray(target).reshape(-1).tolist()
    if len(truth) != len(sample):
        raise ExportError(f"there are {len(sample)} {purpose} rows, and their target has {len(truth)} values")
    return Labelled(sample.rows(np.arange(len(sample))), truth, purpose)
