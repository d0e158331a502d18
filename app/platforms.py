"""Where a container runs, as the platform says it in the environment: settings, if nothing else is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

EVERYWHERE = "0.0.0.0"  # noqa: S104  # a platform calls from outside the container

ARTIFACTS = Path("/opt/ml/model")
"""Where SageMaker puts what the model's archive holds; nobody else has such a directory."""

BROUGHT = Path("/opt/ml/models")
"""Where it brings the models of an endpoint that has several, one after the other."""


def defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings by name, as text; none where no platform is known."""
    return _vertex(environ) or _sagemaker(environ)


def _vertex(environ: Mapping[str, str]) -> dict[str, str]:
    """Vertex AI. The place of the artifacts is an empty text if the model has none but the image's."""
    if "AIP_HTTP_PORT" not in environ:
        return {}
    artifacts = environ.get("AIP_STORAGE_URI")
    return {
        "host": EVERYWHERE,
        "port": environ["AIP_HTTP_PORT"],
        **({"models": artifacts} if artifacts else {}),
    }


def _sagemaker(environ: Mapping[str, str]) -> dict[str, str]:
    """SageMaker, which says the port only to containers that share a machine with others."""
    several = environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"
    if not (several or "SAGEMAKER_BIND_TO_PORT" in environ or ARTIFACTS.is_dir()):
        return {}
    found = {"host": EVERYWHERE, "port": environ.get("SAGEMAKER_BIND_TO_PORT", "8080")}
    if several:
        found["models"] = str(BROUGHT)
    elif any(ARTIFACTS.glob("*/*/model.json")):
        found["models"] = str(ARTIFACTS)
    return {**found, **_batch(environ)}


def _batch(environ: Mapping[str, str]) -> dict[str, str]:
    """Of a batch transform: limits by which no payload that it may fill with short records is refused."""
    if environ.get("SAGEMAKER_BATCH", "").lower() != "true":
        return {}
    said = environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", "")
    largest = 2**20 * (int(said) if re.fullmatch("[1-9][0-9]?|100", said) else 6)
    rows = largest // 2  # the shortest record is a digit and the end of its line
    return {"max_body_bytes": str(largest), "max_rows": str(rows), "in_flight_rows": str(64 * rows)}
