"""What a model promises: the features it takes, the outputs it gives, the key that rides along.

A graph takes at most two tensors, however many features there are: `numbers`, float64 [rows, numeric features], and
`strings`, object [rows, string features], each with its columns in signature order. A missing value is NaN in the one
and `MISSING` in the other. Datatypes carry the names of the Open Inference Protocol.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.decision import ABSTAIN, DECISION, Parameter, Policy, Rule
from app.uncertainty import INTERVAL, PROBABILITIES, SET, Conformal, Method

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
    Datatype.BOOL: 1.0,
    Datatype.INT64: float(SAFE_INTEGER),
    Datatype.FP32: float(np.finfo(np.float32).max),
    Datatype.FP64: float(np.finfo(np.float64).max),
}
"""The largest magnitude of each datatype that is a number in the graph."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What the training sample held of a feature. Numeric features have a range, and quantiles at 0, 0.1, … 1.

    `shares` are those of the values that were there: of numbers between the `edges`, each bin with its upper one; of
    booleans, false and true; of texts, in each of the feature's categories.
    """

    missing: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    quantiles: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def edges(self) -> tuple[float, ...]:
        """The deciles within the range, each once: a value that fills several makes one bin of them."""
        return tuple(dict.fromkeys(self.quantiles[1:-1]))


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
    """One answer per row. With `columns` it has that many numbers or labels a row, each under its name; without, one.

    A label with `classes` leaves the graph as an index into them, so that classes of any type keep it.
    """

    name: str
    datatype: Datatype
    columns: tuple[str, ...] = ()
    classes: tuple[Scalar, ...] = ()


class Subset(Output):
    """Which of the classes belong to an answer: a boolean for each, under its name in `columns`."""


class Ranking(Output):
    """The likeliest classes, the likeliest first: records of a `label` and its `probability`, [rows, how many]."""

    def places(self, index: int) -> tuple[str, str]:
        """The columns of a flat answer that hold the two for one place, counted from 0."""
        return f"{self.name}.{index + 1}.label", f"{self.name}.{index + 1}.probability"


@dataclass(frozen=True)
class Signature:
    """The contract between a model and whoever calls it."""

    kind: Kind
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    key: str = "key"
    policy: Policy | None = None
    conformal: Conformal | None = None

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if not names or not self.outputs:
            raise ValueError("a signature needs at least one feature and one output")
        for given in (names, [output.name for output in self.outputs]):
            if twice := {name for name, count in Counter(given).items() if count > 1}:
                raise ValueError(f"named twice: {', '.join(sorted(twice))}")
        if self.policy:
            _check_policy(self.policy, self.named)
        if self.key in names or self.key in {output.name for output in self.answers}:
            raise ValueError(f"the key field '{self.key}' is a feature or an output too; name another key")

    @cached_property
    def named(self) -> dict[str, Output]:
        """The graph's outputs by name."""
        return {output.name: output for output in self.outputs}

    @cached_property
    def answers(self) -> tuple[Output, ...]:
        """All that a row is answered: the graph's outputs, and what is made of them."""
        found = list(self.outputs)
        if self.conformal:
            found.append(_region(self.conformal, self.named))
        if self.policy:
            found.append(_decision(self.policy, self.named))
        return tuple(found)

    @cached_property
    def parameters(self) -> dict[str, Feature]:
        """The parameters of the decision, as fields of a request."""
        return {name: _field(name, one) for name, one in self.policy.parameters.items()} if self.policy else {}

    @cached_property
    def adjustable(self) -> dict[str, Feature]:
        """Those that a request may set."""
        return {name: field for name, field in self.parameters.items() if field.minimum != field.maximum}

    @cached_property
    def numbers(self) -> tuple[Feature, ...]:
        return tuple(feature for feature in self.features if feature.datatype is not Datatype.BYTES)

    @cached_property
    def ranges(self) -> Array:
        """The smallest and largest valid value of each numeric feature: [2, features]."""
        return np.array([feature.range for feature in self.numbers]).reshape(-1, 2).T

    @cached_property
    def listed(self) -> tuple[tuple[int, Feature], ...]:
        """The numeric features that take only some of the numbers in their range, by their index."""
        whole = (Datatype.INT64, Datatype.BOOL)
        return tuple((index, one) for index, one in enumerate(self.numbers) if one.closed or one.datatype in whole)

    @cached_property
    def strings(self) -> tuple[Feature, ...]:
        return tuple(feature for feature in self.features if feature.datatype is Datatype.BYTES)

    @cached_property
    def inputs(self) -> dict[str, tuple[Feature, ...]]:
        """The graph's tensors: name -> the features in its columns."""
        both = {NUMBERS: self.numbers, STRINGS: self.strings}
        return {name: features for name, features in both.items() if features}


def _check_policy(policy: Policy, outputs: Mapping[str, Output]) -> None:
    """Raises ValueError if the policy cannot be applied to these outputs."""
    classes = outputs["label"].classes if "label" in outputs and not outputs["label"].columns else ()
    if not classes or PROBABILITIES not in outputs or len(outputs[PROBABILITIES].columns) != len(classes):
        raise ValueError("a decision needs the probabilities of classes")
    if policy.rule in (Rule.THRESHOLD, Rule.BAND) and (len(classes) != 2 or policy.positive not in classes):
        raise ValueError(f"a {policy.rule} needs two classes, and one of them as the positive")
    if policy.rule in (Rule.BAND, Rule.REJECT) and ABSTAIN in classes:
        raise ValueError(f"a class is named '{ABSTAIN}'; rename it, or decide without abstaining")


def _field(name: str, parameter: Parameter) -> Feature:
    """What a request may say of a parameter, described and checked as any other field."""
    return Feature(
        name=name,
        datatype=Datatype.INT64 if name == Rule.TOP_K else Datatype.FP64,
        minimum=parameter.minimum,
        maximum=parameter.maximum,
        description=f"{parameter.value:g} if nothing is said",
        example=int(parameter.value) if name == Rule.TOP_K else parameter.value,
    )


def _decision(policy: Policy, outputs: Mapping[str, Output]) -> Output:
    classes = outputs["label"].classes
    if policy.rule is Rule.TOP_K:
        return Ranking(name=DECISION, datatype=Datatype.BYTES, classes=classes)
    words = classes if policy.rule is Rule.THRESHOLD else (*classes, ABSTAIN)
    return Output(name=DECISION, datatype=Datatype.BYTES, classes=words)


def _region(conformal: Conformal, outputs: Mapping[str, Output]) -> Output:
    if conformal.method is not Method.LAC:
        return Output(name=INTERVAL, datatype=Datatype.FP64, columns=("lower", "upper"))
    columns, classes = outputs[PROBABILITIES].columns, outputs["label"].classes
    return Subset(name=SET, datatype=Datatype.BOOL, columns=columns, classes=classes)
