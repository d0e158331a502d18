"""Keeps what is served in step with the models' directory: at the start, when asked, and by looking now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from app.repository import Catalogue, Changes, Repository

log = logging.getLogger("servefn")


@dataclass
class Keeper:
    """`serving` is told what is served whenever it may have changed. Looks every `seconds`; with 0 when asked."""

    repository: Repository
    serving: Callable[[Catalogue], None]
    seconds: float
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reload(self) -> Changes:
        """One at a time, and off the event loop: no answer waits for a model that is being loaded."""
        async with self._turn:
            changes = await asyncio.to_thread(self.repository.load)
            self.serving(self.repository.catalogue)
            return changes

    @asynccontextmanager
    async def keeping(self, ready: Callable[[], None]) -> AsyncIterator[None]:
        """Load the models and keep them while the context lasts. Calls `ready` once there is something to serve."""
        task = asyncio.create_task(self._keep(ready))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _keep(self, ready: Callable[[], None]) -> None:
        seen = await self._fingerprint()
        await self.reload()
        if self.repository.ready:
            ready()
        while self.seconds:
            await asyncio.sleep(self.seconds)
            now = await self._fingerprint()
            if now != seen:
                seen = now
                await self.reload()

    async def _fingerprint(self) -> int | None:
        try:
            return await asyncio.to_thread(self.repository.fingerprint)
        except OSError:  # something came or went while it was looked at: the next look sees more
            return None
