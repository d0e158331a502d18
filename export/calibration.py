"""Split conformal calibration: how far the exported graph is off on labelled rows, and how often its regions are right.

Half of the rows, drawn by SEED, calibrate; the others measure the coverage. `app.uncertainty` has the method.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from app.predictor import Model
from app.signature import Array, Kind, Signature
from app.uncertainty import (
    INTERVAL,
    PROBABILITIES,
    QUANTILES,
    SET,
    VALUE,
    Conformal,
    Coverage,
    Method,
    Tensors,
    rank,
    region,
    rows_needed,
    scores,
)
from export.errors import ExportError
from export.labelled import Labelled

COVERAGE = 0.9
"""What is declared if nothing is said."""

SEED = 0
CONFIDENCE = 0.95


def calibrated(model: Model, held_out: Labelled, coverage: float) -> tuple[Conformal, Coverage]:
    """Regions of a declared coverage, and the coverage that was measured. Raises ExportError."""
    if not 0 < coverage < 1:
        raise ExportError(f"a coverage lies between 0 and 1, and {coverage:g} does not")
    method, count = _method(model.signature), len(held_out.rows)
    if count // 2 < (needed := rows_needed(coverage)):
        raise ExportError(
            f"a coverage of {coverage:g} needs {2 * needed} calibration rows, half of them to measure it by, and "
            f"there are {count}"
        )
    classes = model.signature.named["label"].classes if method is Method.LAC else ()
    truth = held_out.classes(classes) if method is Method.LAC else held_out.numbers()
    answers = held_out.answers(model)
    order = np.random.default_rng(SEED).permutation(count)
    measuring, calibrating = order[: count // 2], order[count // 2 :]
    found = np.sort(scores(method, _taken(answers, calibrating), truth[calibrating]))
    margin = float(found[rank(len(found), coverage) - 1])
    conformal = Conformal(method=method, coverage=coverage, margin=margin, rows=len(found))
    return conformal, _measured(conformal, _taken(answers, measuring), truth[measuring])


def _method(signature: Signature) -> Method:
    outputs = signature.named
    if PROBABILITIES in outputs and signature.kind is Kind.CLASSIFIER and not outputs["label"].columns:
        return Method.LAC
    if QUANTILES in outputs:
        return Method.CQR
    if VALUE in outputs and not outputs[VALUE].columns:
        return Method.RESIDUAL
    raise ExportError("calibration needs a classifier of one label with probabilities, or a regressor of one number")


def _taken(answers: Tensors, rows: Array) -> dict[str, Array]:
    return {name: values[rows] for name, values in answers.items()}


def _measured(conformal: Conformal, answers: Tensors, truth: Array) -> Coverage:
    regions = region(conformal, answers)
    if conformal.method is Method.LAC:
        held = regions[SET][np.arange(len(truth)), truth]
        sizes = regions[SET].sum(axis=1)
    else:
        low, high = regions[INTERVAL].T
        held, sizes = (low <= truth) & (truth <= high), high - low
    likely = binomtest(int(held.sum()), len(held)).proportion_ci(CONFIDENCE, method="exact")
    return Coverage(
        declared=conformal.coverage,
        measured=float(held.mean()),
        low=float(likely.low),
        high=float(likely.high),
        rows=len(held),
        mean_size=float(sizes.mean()),
    )
