"""What an exporter may be asked to decide by, and the policies that come of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from app.decision import CostCurve, Label, Parameter, Policy, Rule
from app.predictor import Model
from app.signature import Array, Signature
from app.uncertainty import PROBABILITIES
from export.errors import ExportError
from export.labelled import Labelled

Bounds = tuple[float, float] | None
"""Within which a request may decide otherwise; None if it may not."""

CURVE = 101
"""Points of a cost curve."""

_NATURAL = ([0, 1], [-1, 1])
"""Classes of which the second is the positive one without a word; False and True equal the first of these."""


@dataclass(frozen=True)
class Threshold:
    """Decides for the positive class where its probability is `threshold` or more."""

    threshold: float
    positive: Label | None = None
    bounds: Bounds = None

    def policy(self, classes: Sequence[Label]) -> Policy:
        parameters = {"threshold": _parameter("threshold", self.threshold, self.bounds)}
        return Policy(rule=Rule.THRESHOLD, parameters=parameters, positive=_positive(classes, self.positive))


@dataclass(frozen=True)
class Band:
    """Abstains where the probability of the positive class is `low` or more and below `high`.

    A request may widen the band as far as the bounds, and never narrow it.
    """

    low: float
    high: float
    positive: Label | None = None
    bounds: Bounds = None

    def policy(self, classes: Sequence[Label]) -> Policy:
        widest = self.bounds or (self.low, self.high)
        parameters = {
            "low": _parameter("low", self.low, (widest[0], self.low)),
            "high": _parameter("high", self.high, (self.high, widest[1])),
        }
        return Policy(rule=Rule.BAND, parameters=parameters, positive=_positive(classes, self.positive))


@dataclass(frozen=True)
class Reject:
    """Abstains where the likeliest class has a probability below this."""

    below: float
    bounds: Bounds = None

    def policy(self, _: Sequence[Label]) -> Policy:
        return Policy(rule=Rule.REJECT, parameters={"reject_below": _parameter("below", self.below, self.bounds)})


@dataclass(frozen=True)
class TopK:
    """Names the k likeliest classes."""

    k: int
    bounds: Bounds = None

    def policy(self, classes: Sequence[Label]) -> Policy:
        parameter = _parameter("k", self.k, self.bounds, (1, len(classes)))
        if any(not number.is_integer() for number in map(float, astuple(parameter))):
            raise ExportError("k and its bounds are whole numbers")
        return Policy(rule=Rule.TOP_K, parameters={"top_k": parameter})


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What each outcome costs; a gain is a negative cost. The threshold is the one that costs least on given rows."""

    false_negative: float
    false_positive: float
    true_positive: float = 0.0
    true_negative: float = 0.0
    positive: Label | None = None
    bounds: Bounds = None

    def __post_init__(self) -> None:
        given = (self.false_negative, self.false_positive, self.true_positive, self.true_negative)
        if not all(map(math.isfinite, given)):
            raise ExportError("a cost is a finite number")
        if self.false_negative <= self.true_positive or self.false_positive <= self.true_negative:
            raise ExportError("a mistake must cost more than the right decision for the same row")

    def cheapest(self, probabilities: Array, positives: Array) -> CostCurve:
        """The threshold that costs least, and what others cost.

        `probabilities` of the positive class and whether a row is positive, both [rows]. The cost changes only where
        a threshold passes the probability of a row, so that all thresholds between two of these are one choice; of the
        cheapest the widest is taken, in its middle, which the rows say least against.
        """
        values, index = np.unique(probabilities.clip(0.0, 1.0), return_inverse=True)
        below = np.zeros((2, len(values) + 1))
        for side, chosen in enumerate((positives, ~positives)):
            below[side, 1:] = np.bincount(index[chosen], minlength=len(values)).cumsum()
        above = below[:, -1:] - below
        total = self.false_negative * below[0] + self.true_negative * below[1]
        total += self.true_positive * above[0] + self.false_positive * above[1]
        ends = np.array([0.0, *values, 1.0])
        choices = total if values[-1] < 1.0 else total[:-1]  # no threshold is above a probability of 1
        best = int(np.where(choices == choices.min(), np.diff(ends)[: len(choices)], -1.0).argmax())
        grid = np.linspace(0.0, 1.0, CURVE)
        return CostCurve(
            false_negative=self.false_negative,
            false_positive=self.false_positive,
            true_positive=self.true_positive,
            true_negative=self.true_negative,
            rows=len(probabilities),
            threshold=_between(ends[best], ends[best + 1]),
            cost=float(total[best] / len(probabilities)),
            thresholds=tuple(grid.tolist()),
            costs=tuple((total[np.searchsorted(values, grid)] / len(probabilities)).tolist()),
        )


Decision = Threshold | Band | Reject | TopK | Costs


def decided(asked: Decision, model: Model, held_out: Labelled | None) -> tuple[Policy, CostCurve | None]:
    """The policy that was asked for, and how its threshold was found, if it was to be found. Raises ExportError."""
    signature = model.signature
    classes = _classes(signature)
    curve = None
    if isinstance(asked, Costs):
        curve, asked = _cheapest(asked, model, classes, held_out)
    try:
        policy = asked.policy(classes)
        Signature(signature.kind, signature.features, signature.outputs, signature.key, policy)
    except ValueError as error:
        raise ExportError(str(error)) from error
    return policy, curve


def _classes(signature: Signature) -> Sequence[Label]:
    if PROBABILITIES not in signature.named or "label" not in signature.named:
        raise ExportError(
            f"a decision is made of the probabilities of classes, and this {signature.kind} has none; a classifier "
            "without them gets them from CalibratedClassifierCV"
        )
    if signature.named["label"].columns:
        raise ExportError("a decision is about one label, and this classifier gives several; export one for each")
    return signature.named["label"].classes


def _cheapest(
    costs: Costs, model: Model, classes: Sequence[Label], held_out: Labelled | None
) -> tuple[CostCurve, Threshold]:
    if held_out is None:
        raise ExportError("costs need labelled rows that the model was not trained on, to find the threshold with")
    positive = _positive(classes, costs.positive)
    column = list(classes).index(positive)
    positives = held_out.classes(classes) == column
    if positives.all() or not positives.any():
        raise ExportError(f"the held-out rows must have both classes, {classes[0]!r} and {classes[1]!r}")
    curve = costs.cheapest(held_out.answers(model)[PROBABILITIES][:, column], positives)
    return curve, Threshold(curve.threshold, positive, costs.bounds)


def _positive(classes: Sequence[Label], given: Label | None) -> Label:
    """The positive class: the one that is named, by itself or as text, or the second of a natural pair."""
    if len(classes) != 2:
        raise ExportError(f"a threshold is for two classes, and there are {len(classes)}; use top-k or reject")
    if given is None:
        if list(classes) in _NATURAL:
            return classes[1]
        raise ExportError(f"say which class is the positive one: {classes[0]!r} or {classes[1]!r}")
    for label in classes:
        if label == given or str(label) == str(given):
            return label
    raise ExportError(f"the positive class {given!r} is none of {classes[0]!r} and {classes[1]!r}")


def _parameter(name: str, value: float, bounds: Bounds, widest: tuple[float, float] = (0.0, 1.0)) -> Parameter:
    low, high = bounds or (value, value)
    if not widest[0] <= low <= value <= high <= widest[1]:
        within = f" within its bounds {low:g} to {high:g}," if bounds else ""
        raise ExportError(f"{name} = {value:g} must lie{within} from {widest[0]:g} to {widest[1]:g}")
    return Parameter(value=float(value), minimum=float(low), maximum=float(high))


def _between(low: float, high: float) -> float:
    """A threshold that `high` reaches and `low` does not: their middle, if a double lies between them."""
    middle = low + (high - low) / 2
    return float(middle if middle > low else high)
