"""Answers that hold the truth as often as they say: split conformal prediction, on the answers of the graph.

Scores of rows that the model was not trained on say how far it is off; what is within their quantile of an answer holds
the truth of a further row with the declared probability, if that row comes from where they come from (Vovk et al.,
2005; Lei et al., 2018). With n rows the quantile is the ceil((n + 1) * coverage)-th smallest score.

    absolute_residual                  |y - value|: value - margin to value + margin (Lei et al., 2018)
    conformalized_quantile_regression  max(lowest - y, y - highest) of the outer quantiles (Romano et al., 2019)
    least_ambiguous_set                1 - p(y): the classes with 1 - p <= margin, sometimes none (Sadinle et al., 2019)

This is arithmetic on one or two columns, done after the graph has run: the graph stays what the trained model is held
against.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Tensors = Mapping[str, Array]

PROBABILITIES, VALUE, QUANTILES = "probabilities", "value", "quantiles"
"""The answers of the graph that say how sure it is."""

INTERVAL, SET = "interval", "set"
"""The answers that hold the truth."""


class Method(StrEnum):
    RESIDUAL = "absolute_residual"
    CQR = "conformalized_quantile_regression"
    LAC = "least_ambiguous_set"


@dataclass(frozen=True, kw_only=True)
class Conformal:
    """How an answer becomes an interval or a set that holds the truth of a row with the probability `coverage`.

    `margin` is the quantile of the scores of `rows` calibration rows.
    """

    method: Method
    coverage: float
    margin: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often the regions held the truth of labelled rows that neither trained nor calibrated.

    With 95 % confidence the true share lies from `low` to `high` (Clopper and Pearson, 1934). `mean_size` is the mean
    width of the intervals, or the mean number of classes in the sets.
    """

    declared: float
    measured: float
    low: float
    high: float
    rows: int
    mean_size: float


def region(conformal: Conformal, answers: Tensors) -> dict[str, Array]:
    """What holds the truth: `interval` [rows, 2], or `set`, a boolean for every class, [rows, classes]."""
    match conformal.method:
        case Method.LAC:
            return {SET: 1.0 - answers[PROBABILITIES] <= conformal.margin}
        case Method.CQR:
            return {INTERVAL: _widened(answers[QUANTILES], conformal.margin)}
        case Method.RESIDUAL:
            value = answers[VALUE]
            return {INTERVAL: np.stack([value - conformal.margin, value + conformal.margin], axis=1)}


def scores(method: Method, answers: Tensors, truth: Array) -> Array:
    """How far each answer is off: [rows]. `truth` are numbers, or indices into the classes."""
    match method:
        case Method.LAC:
            found: Array = 1.0 - np.take_along_axis(answers[PROBABILITIES], truth[:, None], axis=1)[:, 0]
        case Method.CQR:
            low, high = answers[QUANTILES][:, 0], answers[QUANTILES][:, -1]
            found = np.maximum(low - truth, truth - high)
        case Method.RESIDUAL:
            found = np.abs(truth - answers[VALUE])
    return found


def promised(conformal: Conformal) -> dict[str, str]:
    """The answer that a region is, and what it holds, in words."""
    share = f"{float(Fraction(str(conformal.coverage)) * 100):g} % of rows like those it was calibrated on"
    if conformal.method is Method.LAC:
        return {SET: f"The classes that hold the true one in {share}; none where nothing is like this row."}
    return {INTERVAL: f"Holds the true value in {share}."}


def rank(rows: int, coverage: float) -> int:
    """Which of the sorted scores of so many rows is the margin, counted from 1; beyond the last if rows are too few."""
    return math.ceil((rows + 1) * Fraction(str(coverage)))


def rows_needed(coverage: float) -> int:
    """The fewest rows whose scores have the quantile of this coverage."""
    exact = Fraction(str(coverage))
    return math.ceil(exact / (1 - exact))


def _widened(quantiles: Array, margin: float) -> Array:
    """The outer quantiles, moved apart by the margin; or together, if it is negative, until they meet."""
    low, high = quantiles[:, 0], quantiles[:, -1]
    middle = low + (high - low) / 2
    return np.stack([np.minimum(low - margin, middle), np.maximum(high + margin, middle)], axis=1)
