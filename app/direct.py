"""The hot path: a small prediction goes from the HTTP parser to the scheduler and back, without a task in between.

A request is direct when there is nothing about it to decide: a known path, rows of JSON for an answer of JSON, and a
small body of known length that keeps the contract. Everything else takes uvicorn's own way to the ASGI application,
which answers a direct request just the same; every refusal too, but that of what comes on top of too much.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.admission import FULL, PARKED, PARKED_SECONDS, Admission
from app.answers import Answers
from app.callers import CALLER, Scope
from app.codec import Batch
from app.errors import Overloaded, ServingError
from app.intake import Intake, length
from app.patience import Patient
from app.predictor import Model
from app.protocols import lines
from app.protocols.access import Access
from app.protocols.body import ACCEPTED, DEADLINE, PLAIN
from app.protocols.native import Operation, Predictions
from app.protocols.problem import problem

SMALL = 8 * 1024
"""Bytes. How a larger body travels does not matter beside its decoding, and its answer may be worth compressing."""

OTHERS = {b"content-encoding", b"transfer-encoding", b"expect", b"upgrade", DEADLINE}
"""Headers that uvicorn and the application know how to obey."""

_OVERLOADED = Overloaded(FULL)
_FULL = problem(_OVERLOADED)

STREAMED = tuple(media_type.encode() for media_type in lines.FORMAT.media_types)
"""Bodies that are answered while they come."""


class Nobody:
    """The event that uvicorn sets for the application that waits for a body. Here nobody waits."""

    def set(self) -> None: ...


class Exchange:
    """A direct request and its answer. uvicorn takes it for a cycle of its own, the scheduler for a job."""

    response_complete = False
    disconnected = False
    keep_alive = True
    more_body = True
    message_event = Nobody()
    due = inf
    batch: Batch
    _admission: Admission | None = None

    def __init__(self, protocol: Protocol, operation: Operation, model: Model) -> None:
        self.protocol, self.operation, self.model = protocol, operation, model
        self.body = b""
        self.started = time.perf_counter()

    @property
    def rows(self) -> list[Any]:
        return self.batch.rows

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self.disconnected or self.protocol.transport.is_closing()

    def begin(self) -> bool:
        """Have the rows predicted; False if there is something wrong with them, which the application will say."""
        service = self.operation.service
        if service.admission.full:
            self.protocol.turn_away(self)
            return True
        service.admission.enter()
        try:
            self.batch = self.operation.decode(self.model, self.body, service.max_rows)
        except Exception:  # whatever it is, the application meets it too, and tells the client or the log
            service.admission.leave(0)
            return False
        self._admission = service.admission
        self._admission.rows += len(self.batch.rows)
        service.scheduler.enqueue(self.model, self)
        return True

    def leave(self) -> None:
        """Give its place to another request, if it has one."""
        if self._admission:
            self._admission.leave(len(self.batch.rows))
            self._admission = None

    def settle(self, result: Answers | Exception) -> None:
        self.leave()
        try:
            if isinstance(result, Exception):
                raise result
            content = orjson.dumps(self.operation.encode(self.model, self.batch, result))
        except Exception as failure:  # the others of the same run still wait for theirs
            refusal = self.operation.refuse(self.model, failure)
            self.protocol.answer(self, refusal.status_code, refusal.raw_headers, bytes(refusal.body))
        else:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
            self.protocol.answer(self, 200, headers, content)
            self.operation.service.answered(self.model, len(self.batch.rows), time.perf_counter() - self.started)


class Protocol(Patient):
    """uvicorn's HTTP/1.1, with a way of its own for direct requests."""

    cycle: Any
    parked = False
    """Whether the client was told to come again later, and is not to be heard before."""
    _waited = False
    """Whether what is read now was sent while the connection was left unread."""
    _exchange: Exchange | None = None
    """The direct request that is being read."""
    _last: Exchange | None = None
    """The last one that was: it may wait for its answer still, while what follows it is read."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._gate = self.app.gate if isinstance(self.app, Access) else None
        within = self.app.app if isinstance(self.app, Access) else self.app
        self._predictions = within if isinstance(within, Predictions) else None

    def on_headers_complete(self) -> None:
        self.head_came()
        self._exchange = None
        target = self._target()
        if target and self._too_much(target[0].service.admission):
            self.cycle = exchange = Exchange(self, *target)
            exchange.keep_alive = bool(self.parser.should_keep_alive())
            self.turn_away(exchange)
        elif target and self._plain(target[0]) and self._admitted(target[1]):
            self.cycle = self._exchange = self._last = Exchange(self, *target)
            self.wait()
        else:
            intake = Intake(self, self._whole(target[0].service.max_body_bytes) if target else 0)
            if intake.length:
                self.loop.call_soon(intake.begin)  # before the application's task, which comes after it
            super().on_headers_complete()
            intake.cycle = self.cycle

    def on_message_complete(self) -> None:
        self.request_came()
        exchange = self._exchange
        if exchange is None:
            super().on_message_complete()
        elif not exchange.begin():
            self._exchange = self.cycle = None
            super().on_headers_complete()
            super().on_body(exchange.body)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.parked or self.scope.get(PARKED):
            self.parked = False
            self.flow.pause_reading()
            self.loop.call_later(PARKED_SECONDS, self._resume)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._last:
            self._last.leave()
        super().connection_lost(exc)

    def _resume(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._waited = True
            self.loop.call_soon(self.loop.call_soon, self._heard)  # once what was there is read

    def _heard(self) -> None:
        self._waited = False

    def turn_away(self, exchange: Exchange) -> None:
        """Say at once that there is too much to do; the body that follows is not kept."""
        self.parked = True
        exchange.operation.service.refused(exchange.model, _OVERLOADED)
        self.answer(exchange, _FULL.status_code, _FULL.raw_headers, bytes(_FULL.body))

    def answer(self, exchange: Exchange, status: int, headers: Sequence[tuple[bytes, bytes]], content: bytes) -> None:
        """Write head and body as one; a replica that died between two would leave half an answer behind."""
        lines = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            lines += [name, b": ", value, b"\r\n"]
        if not exchange.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += [b"\r\n", content]
        self.transport.write(b"".join(lines))
        exchange.response_complete = True
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _target(self) -> tuple[Operation, Model] | None:
        """What a request is for, whose headers have just been read, if that is a prediction and its turn."""
        if self._predictions is None or self.parser.get_method() != b"POST":
            return None
        target = self._predictions.targets.get(self.url.partition(b"?")[0])
        free = self.cycle is None or self.cycle.response_complete
        if not (target and free) or target[0].service.admission.leaving:  # uvicorn knows how to say good-bye
            return None
        return target

    def _too_much(self, admission: Admission) -> bool:
        """Whether there is no place for a request, or it was sent without waiting as its client had been told to.

        Such a one has lain unread for so long that its answer would be late, where another's can be in time.
        """
        return admission.full or self._waited

    def _admitted(self, model: Model) -> bool:
        """Whether its caller may do this. Who is let in need not show a key again to the application."""
        if self._gate:
            try:
                self.scope[CALLER] = self._gate.admit(self.headers, Scope.PREDICT, model.name)  # type: ignore[literal-required]
            except ServingError:  # the application says which
                return False
        return True

    def _whole(self, limit: int) -> int:
        """The length of a large body that is taken as a whole; 0 for any other."""
        content_type = dict(self.headers).get(b"content-type", b"").lower()
        return 0 if content_type.startswith(STREAMED) else length(self.headers, limit)

    def _plain(self, operation: Operation) -> bool:
        """Whether the head leaves nothing to decide, and announces a small body."""
        if operation.split or b"?" in self.url:
            return False
        content_type = length = b""
        for name, value in self.headers:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                length = value
            elif name in OTHERS or (name == b"accept" and value not in ACCEPTED):
                return False
        limit = min(SMALL, operation.service.max_body_bytes)
        small = content_type == PLAIN and length.isdigit() and int(length) <= limit
        return small and self.parser.get_http_version() == "1.1" and bool(self.parser.should_keep_alive())
