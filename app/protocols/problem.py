"""An error as `application/problem+json` (RFC 9457), with the stable code in `error` and every fault in `faults`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from app.errors import Fault, InvalidRequest, NotReady, ServingError
from app.protocols.statuses import status

MEDIA_TYPE = "application/problem+json"


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
        members = {"faults": [fault(found) for found in error.faults], "faults_total": error.total}
    headers = {"retry-after": "1"} if isinstance(error, NotReady) else None
    return ProblemResponse(status(error), error.code, error.message, headers, **members)


def fault(found: Fault) -> dict[str, Any]:
    """A fault without the members that do not apply to it."""
    return {name: value for name, value in asdict(found).items() if value is not None}
