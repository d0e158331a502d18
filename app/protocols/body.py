"""A request's body, read within its limit whatever its encoding."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator

from starlette.types import Message, Receive, Scope

from app.admission import Place
from app.errors import BodyTimeout, MalformedBody, TooLarge
from app.protocols.coding import Unfolded, unfolded

PLAIN = b"application/json"
ACCEPTED = (b"*/*", PLAIN)
"""What the headers Content-Type and Accept say when there is nothing to negotiate."""


DEADLINE = b"servefn-timeout-ms"
"""The header by which a client says how long it waits. Rows whose turn comes later are not run."""

LONGEST = 12
"""Digits of it; thirty years. Python reads no number of some thousands."""


KEY = b"servefn-key"
"""The header with the key of a whole request, by which one whose rows have none meets a version of a split."""


class ClientGone(Exception):
    """The client closed the connection before its body was complete; nobody is left to answer."""


def plain(scope: Scope, limit: int) -> bool:
    """Whether the headers say what most do: JSON as it is, for JSON, and not too long. A missing type means JSON."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            if value != PLAIN:
                return False
        elif name == b"accept":
            if value not in ACCEPTED:
                return False
        elif name == b"content-encoding" or (name == b"content-length" and int(value) > limit):
            return False
    return True


def announced(scope: Scope) -> int:
    """The bytes of the body that is to come, as the client says; 0 where it does not."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


def key(scope: Scope) -> bytes:
    """The key of the request; b"" where it has none."""
    return next((value for name, value in scope["headers"] if name == KEY), b"")


def due(scope: Scope) -> float:
    """When, by time.monotonic(), the client no longer waits. Raises MalformedBody."""
    for name, value in scope["headers"]:
        if name == DEADLINE:
            if not value.isdigit() or len(value) > LONGEST:
                raise MalformedBody(f"{DEADLINE.decode()} must be a whole number of milliseconds.")
            return time.monotonic() + int(value) / 1000
    return math.inf


def taking(receive: Receive, place: Place, seconds: float) -> Receive:
    """What the body is received by: it has so many seconds to come, and takes its place when it is there."""
    end = asyncio.get_running_loop().time() + seconds
    more, size = True, 0

    async def received() -> Message:
        nonlocal more, size
        try:
            async with asyncio.timeout_at(end if more else None):
                message = await receive()
        except TimeoutError:
            raise BodyTimeout(f"The body did not come within {seconds:g} seconds.") from None
        size += len(message.get("body", b""))
        place.come(size)
        if more and not message.get("more_body"):
            more = False
            place.enter()
        return message

    return received


async def read(receive: Receive, limit: int) -> bytes:
    """The whole body as it came. Raises TooLarge or ClientGone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] == "http.disconnect":
        body = await _rest(message, receive, limit)
    if len(body) > limit:
        raise too_large(limit)
    return body


async def decoded(scope: Scope, receive: Receive, coding: bytes, limit: int, place: Place) -> bytes:
    """The whole body, decompressed. Raises UnsupportedMedia, TooLarge, MalformedBody, Overloaded or ClientGone.

    A body that is announced as too long is not waited for. Some kilobytes may unfold to the limit, which would hold the
    loop for long: that is done in a thread.
    """
    if announced(scope) > limit:
        raise too_large(limit)
    reader = unfolding(coding)
    if reader is None:
        return await read(receive, limit)
    content = await asyncio.to_thread(_whole, reader, await read(receive, limit), limit)
    place.come(len(content))
    return content


def _whole(reader: Unfolded, content: bytes, limit: int) -> bytes:
    parts, size = [], 0
    for part in _unfolded(reader, content):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise too_large(limit)
    reader.end()
    return b"".join(parts)


def unfolding(coding: bytes) -> Unfolded | None:
    """What `parts` reads a content coding by. Raises UnsupportedMedia."""
    return None if coding in (b"", b"identity") else unfolded(coding)


async def parts(receive: Receive, reader: Unfolded | None) -> AsyncIterator[bytes]:
    """The body as it comes, decompressed. Raises MalformedBody or ClientGone."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        content, more = message.get("body", b""), message.get("more_body", False)
        for part in _unfolded(reader, content) if reader else [content]:
            yield part
    if reader:
        reader.end()


def _unfolded(reader: Unfolded, content: bytes) -> Iterator[bytes]:
    return reader.parts(content) if content else iter(())


async def _rest(message: Message, receive: Receive, limit: int) -> bytes:
    """A body that comes in several parts, the first of which is there; a part more than the limit at most."""
    parts, size = [message.get("body", b"")], len(message.get("body", b""))
    while message.get("more_body") and size <= limit:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if message["type"] == "http.disconnect":
        raise ClientGone
    return b"".join(parts)


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes, decompressed; send it in parts.")
