"""The code of every error, by its HTTP status, and the text that goes with it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple

from app.errors import ServingError
from app.extras import grpc
from app.protocols.problem import headers
from app.protocols.statuses import plain
from app.protocols.wire import told

CODES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.NOT_ACCEPTABLE: "INVALID_ARGUMENT",
    HTTPStatus.REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
    HTTPStatus.CONFLICT: "FAILED_PRECONDITION",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RESOURCE_EXHAUSTED",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "INVALID_ARGUMENT",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
"""As the table of google.rpc.Code has it, and as the library itself does where it refuses."""

LONGEST = 2000
"""Bytes of a text. It rides among the headers, of which a client takes 8 kB, and three for each byte beyond ASCII."""


class Refusal(NamedTuple):
    """What a client is told of an error, and the status that it would have over HTTP."""

    code: Any
    text: str
    metadata: tuple[tuple[str, str], ...]
    status: HTTPStatus


def refusal(error: ServingError) -> Refusal:
    status = plain(error)
    return Refusal(getattr(grpc.StatusCode, CODES[status]), text(error), tuple(headers(error).items()), status)


def text(error: ServingError) -> str:
    """All that is wrong, as far as it fits."""
    whole = told(error).encode()
    if len(whole) <= LONGEST:
        return whole.decode()
    return f"{whole[:LONGEST].decode(errors='ignore')}…"
