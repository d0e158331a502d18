"""Keeps what is served in step with the models' directory: at the start, when asked, and by looking now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from app.errors import Conflict, ModelNotFound, quoted
from app.repository import Catalogue, Changes, Repository

log = logging.getLogger("servefn")


@dataclass
class Keeper:
    """`serving` is told what is served whenever it may have changed. Looks every `seconds`; with 0 when asked."""

    repository: Repository
    serving: Callable[[Catalogue], None]
    seconds: float
    alone: bool = True
    """Whether no other process serves beside this one."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reload(self, *, again: bool = False) -> Changes:
        """One at a time, and off the event loop: no answer waits for a model that is being loaded.

        With `again` bundles that were rejected are tried once more though nothing has changed.
        """
        async with self._turn:
            changes = await asyncio.to_thread(self.repository.load, again=again)
            self.serving(self.repository.catalogue)
            return changes

    async def restore(self, name: str) -> None:
        """Look at the directory, for one model above all. Raises ModelNotFound; Conflict if it cannot be served."""
        self.repository.withdrawn.discard(name)
        changes = await self.reload(again=True)
        if name in self.repository.catalogue.models:
            return
        if reasons := [one.reason for one in changes.rejected if one.name == name]:
            raise Conflict(f"Model {quoted(name)} cannot be served: {'; '.join(reasons)}.")
        raise ModelNotFound(name, self.repository.catalogue.models)

    async def withdraw(self, name: str) -> None:
        """Serve a model no more, whatever is in the directory, until it is restored or the process starts anew.

        Raises Conflict where others serve beside this process, and NotReady or ModelNotFound.
        """
        if not self.alone:
            raise Conflict("Other processes of this server would still serve it; take it out of the directory instead.")
        self.repository.get(name)
        self.repository.withdrawn.add(name)
        await self.reload()

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
        await self._follow()
        if self.repository.ready:
            ready()
        while self.seconds:
            await asyncio.sleep(self.seconds)
            now = await self._fingerprint()
            if now != seen:
                seen = now
                await self._follow()

    async def _follow(self) -> None:
        try:
            await self.reload()
        except Exception:  # the next look must come, whatever it was
            log.exception("what is served is not shown, or not what is in %s", self.repository.directory)

    async def _fingerprint(self) -> int | None:
        try:
            return await asyncio.to_thread(self.repository.fingerprint)
        except OSError:  # something came or went while it was looked at: the next look sees more
            return None
