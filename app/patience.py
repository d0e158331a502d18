"""How long a client is waited for that sends the head of a request, or takes its answer, a byte a second or not at all.

Bodies have a time and a size of their own (`app.protocols.body`). uvicorn bounds neither a head, nor what may follow a
chunked body, nor the time that an answer takes.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 30.0
"""For the head of a request to come, with a body that the application does not wait for; and for the first to begin."""

HEAD_BYTES = 64 * 1024
"""For everything that is not body."""

LOOK_SECONDS = 7.5
"""Between two looks at a connection: a timer for each request would cost more than it is worth."""

LEAST = 8 * 1024
"""Bytes of an answer that must be taken between two looks, if there are more."""

NEVER = float("inf")


class Patient(HttpToolsProtocol):
    """Closes the connections of clients that are too slow, or whose heads are too long."""

    _begun = NEVER
    """When what is coming began to, if nobody else keeps its time."""
    _complete = True
    """Whether the request that began last is all there."""
    _aside = 0
    """Bytes since the last that were body."""
    _left = NEVER
    """Bytes that were still to be taken at the last look."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begun = self.loop.time()
        self._next = self.loop.call_later(LOOK_SECONDS, self.look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._next.cancel()  # or it would hold what the connection had
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._aside += len(data)
        super().data_received(data)
        if self._aside > HEAD_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.wait()

    def on_body(self, body: bytes) -> None:
        self._aside = 0
        super().on_body(body)

    def wait(self) -> None:
        """Bound the time of what is missing of the request."""
        self._begun, self._complete = self.loop.time(), False

    def head_came(self) -> None:
        """To be called when the head of a request is there."""
        self._begun, self._aside = NEVER, 0

    def request_came(self) -> None:
        """To be called when all of a request is there."""
        self._begun, self._complete = NEVER, True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._complete and self.cycle.response_complete:  # no application waits for the rest, and keeps its time
            self.wait()

    def resume_writing(self) -> None:
        self._left = NEVER
        super().resume_writing()

    def look(self) -> None:
        """Whether the client makes any progress; looks again for as long as the connection lasts."""
        if self.transport.is_closing():
            return
        if self.loop.time() - self._begun >= HEAD_SECONDS or self._untaken():
            self.transport.abort()
        else:
            self._next = self.loop.call_later(LOOK_SECONDS, self.look)

    def _untaken(self) -> bool:
        if not self.flow.write_paused:
            return False
        before, self._left = self._left, self.transport.get_write_buffer_size()
        return before - self._left < LEAST
