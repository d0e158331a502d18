"""The classes of classifiers that answer several labels a row.

Each output has classes of its own. The contract lists all of them together, and a label leaves the graph as an index
into that list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.signature import Array


def per_output(model: Any, outputs: int) -> list[Array]:
    """The classes of each output: as the model lists them, or 0 and 1 where each output says whether a label holds."""
    if isinstance(model.classes_, list):
        return [np.asarray(classes) for classes in model.classes_]
    return [np.array([0, 1])] * outputs


def union(classes: Sequence[Array]) -> Array:
    """All of several outputs' classes, sorted."""
    found: Array = np.unique(np.concatenate(classes))
    return found


def columns(model: Any, width: int) -> tuple[str, ...]:
    """Names for so many numbers a row: one per class of each output, or else one per output."""
    if isinstance(model.classes_, list):
        each = [np.asarray(classes).tolist() for classes in model.classes_]
        names = [f"y{index}={one}" for index, classes in enumerate(each) for one in classes]
        if len(set(names)) == width:
            return tuple(names)
    return tuple(f"y{index}" for index in range(width))
