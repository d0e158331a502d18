"""How much may be in flight in one process. What comes on top is refused at once, before it costs anything.

A queue without end makes everybody wait; a bounded one keeps the wait of those that it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from app.errors import Overloaded

FULL = "Too much is in flight here; try another replica, or again in a second."

PARKED = "servefn.parked"
"""The key in an ASGI scope by which the application has the server leave the connection unread for a while."""

PARKED_SECONDS = 0.1
"""For how long. Who is refused and asks again at once would cost as much as who is answered; so it costs little. Who
comes next by the same connection, as through a balancer, is told to try another replica by then at the latest."""


@dataclass
class Admission:
    """Counts what is in flight, for one event loop.

    A request is taken when its body is there, and leaves with its rows when it is answered. The bytes of a body are
    taken before they come, as the client announces them, and what nobody announced when it is there: who sends slowly
    holds memory, and nobody's place.
    """

    max_requests: int
    max_rows: int
    max_bytes: int
    requests: int = 0
    rows: int = 0
    bytes: int = 0
    leaving: bool = False
    """Whether the process has been told to stop, and is to be sent nothing new."""

    @property
    def full(self) -> bool:
        return self.requests >= self.max_requests or self.rows >= self.max_rows

    @property
    def busy(self) -> bool:
        """Whether more than half is taken, and what can be left undone should be."""
        return 2 * self.requests > self.max_requests or 2 * self.rows > self.max_rows

    def check(self) -> None:
        """Raises Overloaded if no request can be taken."""
        if self.full:
            raise Overloaded(FULL)

    def enter(self) -> None:
        """Take a request. Raises Overloaded."""
        self.check()
        self.requests += 1

    def leave(self, rows: int) -> None:
        """Let go of a request and its rows."""
        self.requests -= 1
        self.rows -= rows


class Place:
    """What one request takes of what may be in flight; given back when the context ends, however it does."""

    def __init__(self, admission: Admission, size: int) -> None:
        self._admission, self._size = admission, size
        self._rows, self._entered = 0, False

    def __enter__(self) -> Place:
        """Take the bytes of a body that is to come. Raises Overloaded; never for the only one."""
        size, self._size = self._size, 0
        self.resize(size)
        return self

    def resize(self, size: int) -> None:
        """It has so many bytes in all from now on. Raises Overloaded; never for the only one that has any."""
        admission, more = self._admission, size - self._size
        if more > 0 and admission.bytes > self._size and admission.bytes + more > admission.max_bytes:
            raise Overloaded("Too many bytes are on their way here; try another replica, or again in a second.")
        admission.bytes += more
        self._size = size

    def come(self, size: int) -> None:
        """So many bytes of the body are there. Raises Overloaded if they are more than was taken, and too many."""
        if size > self._size:
            self.resize(size)

    def enter(self) -> None:
        """The body is there. Raises Overloaded."""
        self._admission.enter()
        self._entered = True

    def hold(self, rows: int) -> None:
        """These rows are to be predicted."""
        self._rows += rows
        self._admission.rows += rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.bytes -= self._size
        self._admission.rows -= self._rows
        self._admission.requests -= self._entered
