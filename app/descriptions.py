"""What a server tells of itself and of its models, under the Open Inference Protocol with Triton's extensions.

Fields by name, which REST writes as JSON and gRPC as messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from app import open_inference
from app.decision import effective
from app.media import Answer
from app.open_inference import Described
from app.predictor import Model
from app.repository import Repository
from app.service import Service
from app.statistics import Statistics
from app.tensors import BYTES

EXTENSIONS = (
    "classification",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "parameters",
    "statistics",
)

_UNMEASURED = ("queue", "compute_input", "compute_output", "cache_hit", "cache_miss")


def server(*extensions: str) -> dict[str, Any]:
    """What it is; with the extensions that not all transports have."""
    return {"name": "servefn", "version": version("servefn"), "extensions": sorted([*EXTENSIONS, *extensions])}


def metadata(service: Service, model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "versions": list(service.repository.catalogue.models.get(model.name, [model.version])),
        "platform": open_inference.PLATFORM,
        "inputs": [one._asdict() for one in open_inference.inputs(model.signature)],
        "outputs": [one._asdict() for one in open_inference.outputs(model.signature)],
        "properties": open_inference.properties(model),
    }


def configuration(model: Model) -> dict[str, Any]:
    """What Triton would have in its config.pbtxt, where text is TYPE_STRING."""

    def fields(tensors: Sequence[Described]) -> list[dict[str, Any]]:
        return [
            {
                "name": one.name,
                "data_type": "TYPE_STRING" if one.datatype == BYTES else f"TYPE_{one.datatype}",
                "dims": one.shape,
            }
            for one in tensors
        ]

    return {
        "name": model.name,
        "platform": open_inference.PLATFORM,
        "backend": "onnxruntime",
        "max_batch_size": 0,
        "input": fields(open_inference.inputs(model.signature)),
        "output": fields(open_inference.outputs(model.signature)),
    }


def tally(model: Model, statistics: Statistics) -> dict[str, Any]:
    """Durations are those of whole requests, and of runs; what lies between is not measured apart."""
    tally, runs = statistics.of(model), model.runs
    return {
        "name": model.name,
        "version": model.version,
        "last_inference": int(1000 * tally.last),
        "inference_count": tally.rows,
        "execution_count": runs.count,
        "inference_stats": {
            "success": _duration(tally.answered, tally.seconds),
            "fail": _duration(tally.refused, 0),
            **dict.fromkeys(_UNMEASURED, _duration(0, 0)),
            "compute_infer": _duration(runs.count, runs.seconds),
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": int(1e9 * seconds)}


def index(repository: Repository, *, ready: bool) -> list[dict[str, str]]:
    catalogue = repository.catalogue
    found = [{"name": one.name, "version": one.version, "state": "READY", "reason": ""} for one in catalogue]
    if ready:
        return found
    found += [
        {"name": one.name, "version": one.version, "state": "UNAVAILABLE", "reason": one.reason}
        for one in catalogue.rejected
        if one.version
    ]
    return found + [
        {"name": name, "version": "", "state": "UNAVAILABLE", "reason": "unloaded"}
        for name in sorted(repository.withdrawn)
    ]


def said(answer: Answer) -> dict[str, Any]:
    """The parameters of an answer: what made it, and by which numbers it was decided."""
    model = answer.model
    found: dict[str, Any] = {"digest": model.digest}
    if policy := model.signature.policy:
        found |= effective(policy, answer.question.parameters)
    return found | ({"split": answer.split.said} if answer.split else {})
