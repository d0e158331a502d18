"""One call as it comes: its headers, its deadline and its messages; who calls, and how it is refused."""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import Any

from app.callers import CALLER, Scope
from app.errors import BodyTimeout, Forbidden, MalformedBody
from app.extras import aio
from app.predictor import Model
from app.protocols import body
from app.protocols.grpc.codes import Refusal, refusal
from app.protocols.wire import ANYBODY, Host, Need


class Exchange:
    """A call of one method. `scope` says of it what the scope of ASGI would."""

    def __init__(self, host: Host, method: str, context: Any) -> None:
        self._host, self._context = host, context
        metadata = context.invocation_metadata() or ()
        headers = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in metadata]
        self.scope: dict[str, Any] = {"method": "POST", "path": method, "headers": headers}
        self.key = body.key(self.scope)
        self.model: Model | None = None
        """The one that is asked, once it is known."""

    def due(self) -> float:
        """When, by time.monotonic(), the client no longer waits. Raises MalformedBody."""
        left = self._context.time_remaining()
        return min(body.due(self.scope), inf if left is None else time.monotonic() + left)

    async def only(self) -> bytes:
        """The one message of a call that has one. Raises BodyTimeout or MalformedBody."""
        seconds = self._host.service.body_seconds
        try:
            async with asyncio.timeout(seconds):
                content = await self.message()
        except TimeoutError:
            raise BodyTimeout(f"The message did not come within {seconds:g} seconds.") from None
        if content is None:
            raise MalformedBody("There was no message.")
        return content

    async def message(self) -> bytes | None:
        """The next message as it came; None after the last."""
        content = await self._context.read()
        return None if content is aio.EOF else content

    def admit(self, need: Need | None) -> None:
        """Raises Unauthorized, RateLimited or Forbidden."""
        if need and self._host.gate:
            self.scope[CALLER] = self._host.gate.admit(self.scope["headers"], need.scope, need.model)
        elif need and need.scope is Scope.ADMIN and not self._host.trusted:
            raise Forbidden(ANYBODY)

    def refused(self, failure: Exception) -> Refusal:
        """What the client is told of a failure."""
        return refusal(self._host.service.failed(self.model, failure))
