"""What a contract promises beyond the model's own answers: decisions, and regions that hold the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.bundle import Manifest
from app.predictor import Model
from export.calibration import SEED, calibrated
from export.decisions import Costs, Decision, decided
from export.errors import ExportError
from export.labelled import Labelled, LabelledData, read_labelled

HELD_OUT, CALIBRATION = "held-out", "calibration"
"""What labelled rows may be for."""


def kept_apart(
    held_out: LabelledData | None, calibration: LabelledData | None, model: Any, key: str | None
) -> dict[str, Labelled]:
    """Labelled rows by what they are for. Raises ExportError."""
    given = {HELD_OUT: held_out, CALIBRATION: calibration}
    return {purpose: read_labelled(data, purpose, model, key) for purpose, data in given.items() if data is not None}


def extended(
    manifest: Manifest, model: Model, labelled: Mapping[str, Labelled], decision: Decision | None, coverage: float
) -> Manifest:
    """The manifest with a policy, a conformal region, or both, and what the labelled rows say. Raises ExportError."""
    signature, certificate, policy, conformal = manifest.signature, manifest.certificate, None, None
    if HELD_OUT in labelled and not isinstance(decision, Costs):
        raise ExportError("held-out rows are for finding the threshold that costs least; say what mistakes cost")
    if decision:
        policy, curve = decided(decision, model, labelled.get(HELD_OUT))
        certificate = replace(certificate, costs=curve)
    if CALIBRATION in labelled:
        conformal, measured = calibrated(model, labelled[CALIBRATION], coverage)
        certificate = replace(certificate, coverage=measured)
    try:
        signature = replace(signature, policy=policy, conformal=conformal)
    except ValueError as error:  # the key has the name of an answer
        raise ExportError(str(error)) from error
    provenance = {**manifest.provenance, **_provenance(labelled)}
    return replace(manifest, signature=signature, certificate=certificate, provenance=provenance)


def _provenance(labelled: Mapping[str, Labelled]) -> dict[str, Any]:
    found = {purpose.replace("-", "_"): rows.provenance() for purpose, rows in labelled.items()}
    if CALIBRATION in found:
        found[CALIBRATION] |= {"split": "half calibrates, half measures", "seed": SEED}
    return found
