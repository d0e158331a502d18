from __future__ import annotations

import math

import numpy as np
import pytest

from app.parity import compare


@pytest.mark.parametrize(
    ("trained", "served", "worst"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([0.0], [1e-6], 1e-6),
        ([1000.0], [1001.0], 1e-3),
        ([np.nan, np.inf], [np.nan, np.inf], 0.0),
        ([np.nan], [1.0], math.inf),
        ([1.0], [np.nan], math.inf),
        ([np.inf], [-np.inf], math.inf),
    ],
)
def test_numbers_are_held_against_the_larger_of_one_and_the_trained_value(
    trained: list[float], served: list[float], worst: float
) -> None:
    assert compare({"value": trained}, {"value": np.array(served)}, 1e-5).worst == pytest.approx(worst, rel=1e-9)


def test_labels_differ_or_do_not() -> None:
    found = compare({"label": ["a", "b", "c"]}, {"label": np.array(["a", "x", "y"])}, 1.0)
    assert (found.flips, found.rows, found.worst) == (2, (1, 2), 0.0)


def test_rows_beyond_the_tolerance_come_worst_first() -> None:
    trained, served = {"value": [0.0, 0.0, 0.0, 0.0]}, {"value": np.array([0.1, 1e-9, 0.3, 0.2])}
    assert compare(trained, served, 1e-5).rows == (2, 3, 0)


@pytest.mark.parametrize("served", [{}, {"value": np.zeros(3)}, {"value": np.zeros((2, 1))}])
def test_a_missing_output_or_another_shape_is_infinitely_far(served: dict[str, np.ndarray]) -> None:
    found = compare({"value": [0.0, 0.0]}, served, 1e-5)
    assert (found.worst, found.rows) == (math.inf, (0, 1))
