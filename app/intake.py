"""A large body, read from the socket into the memory that its decoder reads.

uvicorn gathers a body from the parts it comes in: every byte is copied four times, into memory that is new each time,
which for a few megabytes takes longer than most models. Here the connection is handed, while such a body comes, to a
protocol that has the socket write into one buffer, and goes back to uvicorn when the body is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httptools
import numpy as np
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGE = 64 * 1024
"""Bytes. From here on uvicorn stops reading until what it has is taken."""

DECIDING = {b"transfer-encoding", b"expect", b"upgrade"}
"""Headers that uvicorn knows how to obey."""


def length(headers: Sequence[tuple[bytes, bytes]], limit: int) -> int:
    """How long a body will be, if that is known, large, and within the limit; else 0."""
    given = dict(headers)
    announced = given.get(b"content-length", b"")
    if DECIDING & given.keys() or not announced.isdigit():
        return 0
    return int(announced) if LARGE < int(announced) <= limit else 0


class Intake(asyncio.BufferedProtocol):
    """Stands in for uvicorn's protocol on a connection until a body of known length has come."""

    def __init__(self, protocol: HttpToolsProtocol, length: int) -> None:
        self._protocol, self.length = protocol, length
        self.cycle: Any = None
        """uvicorn's, of the request whose body it is."""
        self._transport: Any = protocol.transport
        self._content = memoryview(b"")
        self._received = 0

    def begin(self) -> None:
        """Take over from what uvicorn has read of the body; nothing, if that is all of it or the client has left."""
        if not self.cycle.more_body or self._transport.is_closing():
            return
        first = self.cycle.body
        self._content = np.empty(self.length, np.uint8).data  # pages that no byte has come for take no memory
        self._received = len(first)
        self._content[: self._received] = first
        self.cycle.receive = self.receive
        self.cycle.message_event.clear()
        self._switch(self)

    async def receive(self) -> dict[str, Any]:
        """What the application is told: the body, all at once and never copied; then whatever uvicorn tells it."""
        del self.cycle.receive
        await self.cycle.message_event.wait()
        if self._received < self.length:
            return {"type": "http.disconnect"}
        self.cycle.message_event.clear()
        return {"type": "http.request", "body": self._content, "more_body": False}

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # as much as is missing, never more
        if self.cycle.response_complete:  # it was refused before it had come: nobody reads the rest
            self._content = memoryview(b"")
            return memoryview(bytearray(min(LARGE, self.length - self._received)))
        return self._content[self._received :]

    def buffer_updated(self, nbytes: int) -> None:
        self._received += nbytes
        if self._received == self.length:
            self._protocol.parser = self._parser()
            self._switch(self._protocol)
            self._protocol.on_message_complete()

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def _parser(self) -> httptools.HttpRequestParser:
        """A parser for the next request, as uvicorn makes it: the one at hand still waits for the body."""
        parser = httptools.HttpRequestParser(self._protocol)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _switch(self, protocol: asyncio.BaseProtocol) -> None:
        """The event loop chooses how to read when it starts to."""
        self._protocol.flow.pause_reading()
        self._transport.set_protocol(protocol)
        self._protocol.flow.resume_reading()
