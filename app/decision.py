"""Decisions: what to do, made of how likely each class is. Pure functions of probabilities [rows, classes].

    threshold   the positive class where its probability is `threshold` or more, else the other
    band        the positive class from `high` on, the other below `low`, and in between `abstain`
    reject      the likeliest class where its probability is `reject_below` or more, else `abstain` (Chow, 1970)
    top_k       the `top_k` likeliest classes with their probabilities, the likeliest first

Of equally likely classes the first of the contract comes first. The label of an answer stays the trained model's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Label = bool | int | float | str

DECISION = "decision"
"""The answer that holds it."""

ABSTAIN = "abstain"
"""The decision not to decide."""


class Rule(StrEnum):
    THRESHOLD = "threshold"
    BAND = "band"
    REJECT = "reject"
    TOP_K = "top_k"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A number of a policy. A request may set another within the bounds, which are equal if it may not."""

    value: float
    minimum: float
    maximum: float


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A rule, its parameters by name, and the class whose probability a threshold or a band is laid on."""

    rule: Rule
    parameters: Mapping[str, Parameter]
    positive: Label | None = None

    def __post_init__(self) -> None:
        if set(self.parameters) != set(_PARAMETERS[self.rule]):
            raise ValueError(f"the rule {self.rule} has the parameters {', '.join(_PARAMETERS[self.rule])}")
        if not all(one.minimum <= one.value <= one.maximum for one in self.parameters.values()):
            raise ValueError("a parameter of the decision lies outside its bounds")
        if self.rule is Rule.BAND and self.parameters["low"].maximum > self.parameters["high"].minimum:
            raise ValueError("a request could set the band's low above its high")


@dataclass(frozen=True, kw_only=True)
class CostCurve:
    """How a threshold was chosen: by what each outcome costs, on labelled rows that the model was not trained on.

    `costs` are the mean cost of a row at each of `thresholds`; `threshold` has the least, which is `cost`. It was
    chosen on these very rows, so that others will cost a little more.
    """

    false_negative: float
    false_positive: float
    true_positive: float
    true_negative: float
    rows: int
    threshold: float
    cost: float
    thresholds: tuple[float, ...]
    costs: tuple[float, ...]


_PARAMETERS = {
    Rule.THRESHOLD: ("threshold",),
    Rule.BAND: ("low", "high"),
    Rule.REJECT: ("reject_below",),
    Rule.TOP_K: ("top_k",),
}


def decide(
    policy: Policy, classes: Array, probabilities: Array, parameters: Mapping[str, float] | None = None
) -> Array:
    """One decision per row: [rows], or for `top_k` records [rows, how many] of `label` and `probability`.

    `parameters` replace the policy's own, and must be valid.
    """
    numbers = effective(policy, parameters)
    match policy.rule:
        case Rule.THRESHOLD:
            return _cut(policy, classes, probabilities, numbers["threshold"])
        case Rule.BAND:
            return _cut(policy, classes, probabilities, numbers["low"], numbers["high"])
        case Rule.REJECT:
            return _reject(classes, probabilities, numbers["reject_below"])
        case Rule.TOP_K:
            return _ranked(classes, probabilities, int(numbers["top_k"]))


def effective(policy: Policy, parameters: Mapping[str, float] | None = None) -> dict[str, float]:
    """The parameters that count: those of a request, and the policy's where it names none."""
    found = {name: parameter.value for name, parameter in policy.parameters.items()} | dict(parameters or {})
    return {name: int(value) if name == Rule.TOP_K else value for name, value in found.items()}


def told(policy: Policy, classes: Sequence[Label]) -> str:
    """What a policy decides, in words."""
    numbers = {name: f"{value:g}" for name, value in effective(policy).items()}
    positive = f"`{policy.positive}`"
    other = next((f"`{label}`" for label in classes if label != policy.positive), "")
    match policy.rule:
        case Rule.THRESHOLD:
            return f"{positive} where its probability is {numbers['threshold']} or more, else {other}."
        case Rule.BAND:
            low, high = numbers["low"], numbers["high"]
            return f"{positive} where its probability is {high} or more, {other} below {low}, in between `{ABSTAIN}`."
        case Rule.REJECT:
            least = numbers["reject_below"]
            return f"The likeliest class where its probability is {least} or more, else `{ABSTAIN}`."
        case Rule.TOP_K:
            return f"The {numbers['top_k']} likeliest classes, the likeliest first."


def labels(classes: Sequence[Label]) -> Array:
    """Classes as an array that keeps the type of each."""
    return np.array(classes, dtype=np.object_ if len({type(label) for label in classes}) > 1 else None)


def _cut(policy: Policy, classes: Array, probabilities: Array, *cuts: float) -> Array:
    """The two classes, and what lies between them, by how many cuts the positive class's probability reaches."""
    names = classes.tolist()
    positive = names.index(policy.positive)
    words: tuple[Any, ...] = (names[1 - positive], *[ABSTAIN] * (len(cuts) - 1), names[positive])
    reached = sum((probabilities[:, positive] >= cut).astype(np.intp) for cut in cuts)
    found: Array = labels(words)[reached]
    return found


def _reject(classes: Array, probabilities: Array, least: float) -> Array:
    best = probabilities.argmax(axis=1)
    sure = probabilities[np.arange(len(best)), best] >= least
    found: Array = labels((*classes.tolist(), ABSTAIN))[np.where(sure, best, len(classes))]
    return found


def _ranked(classes: Array, probabilities: Array, count: int) -> Array:
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    found = np.empty(order.shape, dtype=[("label", classes.dtype), ("probability", np.float64)])
    found["label"], found["probability"] = classes[order], np.take_along_axis(probabilities, order, axis=1)
    return found
