"""What is known of a request when it is over, for those who read it: the access log, traces.

A layer around the whole application, which is there only if somebody reads, and through which every request goes then:
without it there is nothing to pay, with it no request takes the hot path of app.direct. Payloads are never in a record.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.callers import CALLER
from app.errors import ServingError
from app.predictor import Model

log = logging.getLogger("servefn.access")

REQUEST_ID = b"x-request-id"
SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")
"""A client's id that is kept, as nginx keeps it; for any other one is made."""

TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

LEFT = 499
"""The status of a request whose client left before the answer began, as nginx has it."""


class Parent(NamedTuple):
    """The caller's place in its trace: a W3C `traceparent`, in hexadecimal, and the `tracestate` beside it."""

    trace_id: str
    span_id: str
    flags: str
    state: str


@dataclass
class Record:
    """One request. Model, rows and error are what the service told of it, if it did."""

    method: str
    path: str
    request_id: str
    parent: Parent | None
    began: int = field(default_factory=time.time_ns)
    seconds: float = 0.0
    status: int = LEFT
    trace_id: str | None = None
    model: Model | None = None
    rows: int | None = None
    error: str | None = None
    caller: str | None = None


_current: ContextVar[Record | None] = ContextVar("record", default=None)


class Noting:
    """An observer of the service, which writes what it is told into the record of the request at hand."""

    def answered(self, model: Model, rows: int, seconds: float) -> None:  # noqa: ARG002  # the record has its own
        if record := _current.get():
            record.model, record.rows = record.model or model, (record.rows or 0) + rows

    def refused(self, model: Model | None, error: ServingError) -> None:
        if record := _current.get():
            record.model, record.error = model, error.code


@dataclass(frozen=True)
class Recording:
    """The application, with a record of each request for the readers, in their order, and its id in the answer."""

    app: ASGIApp
    readers: Sequence[Callable[[Record], None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with recorded(self.readers, scope) as record:

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    record.status = message["status"]
                    headers = [*message.get("headers", ()), (REQUEST_ID, record.request_id.encode())]
                    message = {**message, "headers": headers}
                await send(message)

            await self.app(scope, receive, answer)


@contextmanager
def recorded(readers: Sequence[Callable[[Record], None]], scope: Scope) -> Iterator[Record]:
    """The record of a request while it lasts; then the readers have it. Who is to say its status is the caller."""
    record = _begin(scope)
    _current.set(record)
    logs.about.set(_ids(record))
    started = time.perf_counter()
    try:
        yield record
    finally:
        record.seconds = time.perf_counter() - started
        record.caller = scope[CALLER].name if CALLER in scope else None
        for read in readers:
            read(record)


def access(record: Record) -> None:
    """Write the line of one request to the log."""
    log.info("%s %s", record.method, record.path, extra={"fields": _fields(record)})


def _fields(record: Record) -> dict[str, Any]:
    """What the line of a request says of it. What is not known is left out."""
    model = record.model
    said = {
        **_ids(record),
        "status": record.status,
        "milliseconds": round(1000 * record.seconds, 3),
        "model": model and model.name,
        "version": model and model.version,
        "rows": record.rows,
        "error": record.error,
        "caller": record.caller,
    }
    return {name: value for name, value in said.items() if value is not None}


def _ids(record: Record) -> dict[str, Any]:
    ids = {"request_id": record.request_id}
    return ids | {"trace_id": record.trace_id} if record.trace_id else ids


def _begin(scope: Scope) -> Record:
    headers = scope["headers"]
    given = b"".join(_all(headers, REQUEST_ID))
    request_id = given.decode() if SANE.fullmatch(given) else secrets.token_hex(16)
    parent = _parent(headers)
    path = scope.get("raw_path") or scope["path"].encode()
    return Record(
        method=scope["method"],
        path=path.decode("latin-1"),
        request_id=request_id,
        parent=parent,
        trace_id=parent and parent.trace_id,
    )


def _parent(headers: Sequence[tuple[bytes, bytes]]) -> Parent | None:
    """What `traceparent` says. One that breaks the rules of W3C Trace Context, or is there twice, says nothing."""
    given = _all(headers, b"traceparent")
    found = TRACEPARENT.fullmatch(given[0]) if len(given) == 1 else None
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    state = b",".join(_all(headers, b"tracestate")).decode("latin-1")
    return Parent(found[2].decode(), found[3].decode(), found[4].decode(), state)


def _all(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]
