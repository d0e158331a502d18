"""What a model promises: the features it takes, the outputs it gives, the key that rides along.

A graph takes at most two tensors, however many features there are: `numbers`, float64 [rows, numeric features], and
`strings`, object [rows, string features], each with its columns in signature order. A missing value is NaN in the one
and `MISSING` in the other. Datatypes carry the names of the Open Inference Protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Tensors = Mapping[str, Array]
Scalar = bool | int | float | str

NUMBERS = "numbers"
STRINGS = "strings"
MISSING = "\ue000"
"""A missing string inside a tensor: a private-use character, as ONNX strings have no null."""

SAFE_INTEGER = 2**53 - 1
"""The largest integer that a double, and so any JSON reader, keeps exact (RFC 8259, section 6)."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VERSION = re.compile(r"[1-9][0-9]{0,8}")


class Datatype(StrEnum):
    BOOL = "BOOL"
    INT64 = "INT64"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


class Kind(StrEnum):
    CLASSIFIER = "classifier"
    REGRESSOR = "regressor"
    OUTLIER_DETECTOR = "outlier_detector"
    CLUSTERER = "clusterer"
    TRANSFORMER = "transformer"


LIMITS = {
    Datatype.INT64: float(SAFE_INTEGER),
    Datatype.FP32: float(np.finfo(np.float32).max),
    Datatype.FP64: float(np.finfo(np.float64).max),
}
"""The largest magnitude of each numeric datatype."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What the training sample held of a feature. Numeric features have a range, and quantiles at 0, 0.1, … 1."""

    missing: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    quantiles: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One column of the input.

    `minimum` and `maximum` are the *valid* range: outside it a value is a data-entry error and is refused. `categories`
    are the values that the model knows; with `unseen` it answers other values too, without it they are refused.
    """

    name: str
    datatype: Datatype
    nullable: bool = False
    categories: tuple[Scalar, ...] = ()
    unseen: bool = True
    minimum: float | None = None
    maximum: float | None = None
    description: str = ""
    unit: str = ""
    example: Scalar | None = None
    training: Training = Training()

    @property
    def closed(self) -> bool:
        """Whether only the categories are valid."""
        return bool(self.categories) and not self.unseen

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and largest valid number, finite whatever the contract leaves open."""
        limit = LIMITS[self.datatype]
        low = -limit if self.minimum is None else max(self.minimum, -limit)
        return low, limit if self.maximum is None else min(self.maximum, limit)


@dataclass(frozen=True, kw_only=True)
class Output:
    """One answer per row. With `columns` it has that many numbers a row, each under its name; without, one.

    A label with `classes` leaves the graph as an index into them, so that classes of any type keep it.
    """

    name: str
    datatype: Datatype
    columns: tuple[str, ...] = ()
    classes: tuple[Scalar, ...] = ()


@dataclass(frozen=True)
class Signature:
    """The contract between a model and whoever calls it."""

    kind: Kind
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    key: str = "key"

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if not names or not self.outputs:
            raise ValueError("a signature needs at least one feature and one output")
        for given in (names, [output.name for output in self.outputs]):
            if twice := {name for name in given if given.count(name) > 1}:
                raise ValueError(f"named twice: {', '.join(sorted(twice))}")
        if self.key in names or self.key in {output.name for output in self.outputs}:
            raise ValueError(f"the key field '{self.key}' is a feature or an output too; name another key")

    @cached_property
    def numbers(self) -> tuple[Feature, ...]:
        return tuple(feature for feature in self.features if feature.datatype is not Datatype.BYTES)

    @cached_property
    def strings(self) -> tuple[Feature, ...]:
        return tuple(feature for feature in self.features if feature.datatype is Datatype.BYTES)

    @cached_property
    def inputs(self) -> dict[str, tuple[Feature, ...]]:
        """The graph's tensors: name -> the features in its columns."""
        both = {NUMBERS: self.numbers, STRINGS: self.strings}
        return {name: features for name, features in both.items() if features}
