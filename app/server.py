"""The HTTP server: uvicorn, made to send the head and the body of an answer together."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.scheduler import TURN, Turn
from app.settings import Settings


class Joined:
    """A transport that holds the head of an answer until the first of its body, and writes both in one piece.

    A replica that dies between the two leaves a client with half an answer, which no balancer can ask another replica
    for; and one write costs half of two.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write a head that has no body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 over a joined transport. Each request carries the turn of the loop that it came in."""

    extensions: ClassVar[dict[str, Turn]] = {TURN: Turn()}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self._joined = Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]  # a transport in all that it does

    def on_response_complete(self) -> None:
        self._joined.flush()
        super().on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        cycle.scope["extensions"] = self.extensions  # type: ignore[typeddict-item]  # ours
        self.extensions[TURN].starting += 1
        super()._start_asgi_task(cycle, app)


def run(settings: Settings) -> None:
    """Serve until a signal: it stops accepting, finishes what is running, and returns."""
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=Protocol,
        log_config=None,
        log_level=settings.log_level,
        access_log=False,  # it costs more than a prediction; /metrics counts
        server_header=False,
        proxy_headers=False,  # nothing here asks who calls
        timeout_keep_alive=75,  # longer than a balancer's, so that it is never the server who hangs up first
        timeout_graceful_shutdown=30,
    )
