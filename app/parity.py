"""How far two sets of answers lie apart: the measure of the certificate, at export and at every load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.signature import Array, Tensors

LABEL = "label"


@dataclass(frozen=True, eq=False)
class Difference:
    """The worst relative difference of any number, the labels that differ, and the rows at fault, worst first.

    `apart` has the difference of each row, infinite where a label differs.
    """

    worst: float
    flips: int
    rows: tuple[int, ...]
    apart: Array


def compare(trained: Mapping[str, Any], served: Tensors, tolerance: float) -> Difference:
    """Hold the served answers against the trained model's, output by output.

    A number may differ by `tolerance` times max(1, |trained|), a label not at all. Missing outputs, other shapes and
    NaN on one side only count as infinitely far apart.
    """
    distances = [_distance(name, np.asarray(values), served.get(name)) for name, values in trained.items()]
    flipped = [distance for name, distance in zip(trained, distances, strict=True) if name == LABEL]
    numeric = [distance for name, distance in zip(trained, distances, strict=True) if name != LABEL]
    apart = np.max(distances, axis=0)
    order = np.argsort(-apart, kind="stable")
    return Difference(
        worst=float(np.max(numeric, initial=0.0)),
        flips=int(sum(np.count_nonzero(rows) for rows in flipped)),
        rows=tuple(int(row) for row in order if apart[row] > tolerance),
        apart=apart,
    )


def _distance(name: str, trained: Array, served: Array | None) -> Array:
    """One distance per row: 0 or infinity for labels, the largest relative difference for numbers."""
    if served is None or served.shape != trained.shape:
        return np.full(len(trained), np.inf)
    rows = (len(trained), -1)
    if name == LABEL:
        differs = (trained != served).reshape(rows).any(axis=1)
        return np.where(differs, np.inf, 0.0)
    expected, actual = trained.astype(np.float64).reshape(rows), served.astype(np.float64).reshape(rows)
    with np.errstate(invalid="ignore", over="ignore"):
        relative = np.abs(actual - expected) / np.maximum(1.0, np.abs(expected))
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    worst: Array = np.where(same, 0.0, np.where(np.isnan(relative), np.inf, relative)).max(axis=1, initial=0.0)
    return worst
