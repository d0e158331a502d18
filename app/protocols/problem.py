"""An error as `application/problem+json` (RFC 9457), with the stable code in `error` and every fault in `faults`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from app.errors import InvalidRequest, ServingError, Unauthorized
from app.protocols.statuses import status

MEDIA_TYPE = "application/problem+json"

_FAULT: dict[str, Any] = {
    "type": "object",
    "description": "One thing wrong: where, what was expected and what came (its type, never its value).",
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "row": {"type": "integer"},
        "key": {"type": ["string", "integer"]},
        "field": {"type": "string"},
        "expected": {"type": "string"},
        "got": {"type": "string"},
        "suggestion": {"type": "string"},
    },
    "required": ["code", "message"],
}

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457, with a stable `error` code.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "error": {"type": "string"},
        "faults": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
        "faults_total": {"type": "integer"},
    },
    "required": ["type", "title", "status", "detail", "error"],
}

COMPONENTS = {"Fault": _FAULT, "Problem": _PROBLEM}
"""The schemas of the OpenAPI document that describe a problem."""


def described(text: str) -> dict[str, Any]:
    """A refusal as the OpenAPI document describes it."""
    return {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


class ProblemResponse(Response):
    media_type = MEDIA_TYPE

    def __init__(
        self, status: HTTPStatus, error: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        document = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail, "error": error}
        super().__init__(orjson.dumps({**document, **members}), status, headers)


def problem(error: ServingError) -> ProblemResponse:
    """What a client is told of an error."""
    members: dict[str, Any] = {}
    if isinstance(error, InvalidRequest):
        members = {"faults": [found.document() for found in error.faults], "faults_total": error.total}
    return ProblemResponse(status(error), error.code, error.message, headers(error), **members)


def headers(error: ServingError) -> dict[str, str]:
    """What goes with an error whatever its body: when to come again, and how to say who one is."""
    found = {"retry-after": str(error.retry_seconds)} if error.retry_seconds else {}
    if isinstance(error, Unauthorized):
        found["www-authenticate"] = 'Bearer realm="servefn"'
    return found
