"""What is done once a second: observers look at what is not counted as it happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

log = logging.getLogger("servefn")

SECONDS = 1.0


@asynccontextmanager
async def pulse(look: Callable[[], None], seconds: float = SECONDS) -> AsyncIterator[None]:
    """Call `look` on the event loop now and every so many seconds, while the context lasts. It must be quick."""
    task = asyncio.create_task(_beat(look, seconds))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _beat(look: Callable[[], None], seconds: float) -> None:
    while True:
        try:
            look()
        except Exception:  # who looks on stops nothing
            log.exception("what is shown in /metrics is not up to date")
        await asyncio.sleep(seconds)
