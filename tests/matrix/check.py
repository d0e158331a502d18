"""Whether a published bundle answers as the model it was made from, on rows that the exporter did not choose."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from app import InvalidRequest, load
from app.parity import compare
from app.predictor import Model
from app.signature import Array
from tests.matrix.answers import answers
from tests.matrix.rows import native, refused, trials, wire

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Verdict:
    """What was found; `fault` is empty if all is right."""

    rows: int
    worst: float
    fault: str = ""


def check(model: Any, sample: Any, path: Path) -> Verdict:
    """Hold a bundle against its model, on its sample's rows, on fresh ones and on hostile ones."""
    served = load(path)
    tried, worst = 0, 0.0
    for kind, rows in trials(model, sample, served.signature):
        found = _compared(served, model, rows, sample)
        tried, worst = tried + found.rows, max(worst, found.worst)
        if found.fault:
            return Verdict(tried, worst, f"{kind}: {found.fault}")
    return Verdict(tried, worst, _refusals(served, sample))


def _compared(served: Model, model: Any, rows: pd.DataFrame, sample: Any) -> Verdict:
    """Rows that the original refuses are none to compare, and must be refused by the server too."""
    try:
        trained = _asked(model, native(rows, sample), served)
    except Exception:  # whatever a model raises, it refuses some of the rows
        return _one_by_one(served, model, rows, sample)
    try:
        given = served.predict(wire(rows))
    except InvalidRequest as error:
        return Verdict(0, 0.0, f"the server refuses what the contract accepts: {error}")
    found = compare(trained, given, TOLERANCE)
    return Verdict(len(rows), found.worst, _said(found.rows, rows, trained, given))


def _one_by_one(served: Model, model: Any, rows: pd.DataFrame, sample: Any) -> Verdict:
    tried, worst = 0, 0.0
    for index in range(len(rows)):
        row = rows.iloc[[index]].reset_index(drop=True)
        try:
            trained = _asked(model, native(row, sample), served)
        except Exception as error:
            if _answers(served, row):
                return Verdict(tried, worst, f"answered, and the original refuses ({error}): {wire(row)[0]}"[:300])
            continue
        found = compare(trained, served.predict(wire(row)), TOLERANCE)
        tried, worst = tried + 1, max(worst, found.worst)
        if found.rows:
            return Verdict(tried, worst, _said(found.rows, row, trained, served.predict(wire(row))))
    return Verdict(tried, worst)


def _refusals(served: Model, sample: Any) -> str:
    for name, row in refused(sample, served.signature):
        if _answers(served, row):
            return f"a missing value in '{name}' is answered, and the contract refuses it"
    return ""


def _asked(model: Any, rows: Any, served: Model) -> dict[str, Array]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return answers(model, rows, served.signature)


def _answers(served: Model, row: pd.DataFrame) -> bool:
    try:
        served.predict(wire(row))
    except InvalidRequest:
        return False
    return True


def _said(at: tuple[int, ...], rows: pd.DataFrame, trained: dict[str, Array], given: dict[str, Array]) -> str:
    if not at:
        return ""
    first = at[0]
    sides = [{name: values[first].tolist() for name, values in side.items()} for side in (trained, given)]
    return f"{len(at)} of {len(rows)} rows; trained {sides[0]}, served {sides[1]}, row {wire(rows)[first]}"[:400]
