"""Who may call, decided by a request's headers; kept in step with the files and the issuer that say so.

`admit` is all that a request meets: dictionaries in memory, one SHA-256, and one comparison in constant time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from app.callers import BadKeys, Bucket, Caller, Keys, Limit, Scope, read
from app.errors import RateLimited, Unauthorized
from app.files import stamped
from app.settings import Settings
from app.tokens import Tokens

log = logging.getLogger("servefn")

AUTHORIZATION, API_KEY = b"authorization", b"x-api-key"
BEARER = b"bearer"

LONGEST = 8 * 1024
"""Bytes of a key or a token."""

MOST_BUCKETS = 10_000
"""Callers whose requests are counted at a time. An issuer of tokens may know any number of them."""

SECONDS = 1.0
"""Between two looks at the files."""

WHO = "Say who calls, by one header `Authorization: Bearer …` or `x-api-key: …`."
UNKNOWN = "The key or token is not one that holds here, or does not any more."


@dataclass
class Gate:
    """Lets callers in. Raises BadKeys or OSError if who may call cannot be read at the start."""

    file: Path | None
    text: str | None
    tokens: Tokens | None
    limit: Limit | None = None
    _keys: Keys = field(init=False)
    _stamp: tuple[int, ...] = ()
    _buckets: dict[tuple[str, Limit], Bucket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read()

    def admit(self, headers: Iterable[tuple[bytes, bytes]], scope: Scope, model: str | None) -> Caller:
        """Who calls, and may do this with this model, or with all of them if it is None, now.

        Raises Unauthorized, RateLimited or Forbidden.
        """
        caller = self._caller(_credential(headers))
        if caller.limit:
            self._count(caller.name, caller.limit)
        caller.check(scope, model)
        return caller

    def _caller(self, credential: bytes) -> Caller:
        digest = sha256(credential).digest()
        found = self._keys.caller(digest) or (self.tokens and self.tokens.caller(credential, digest))
        if not found or found.expires <= time.time():
            raise Unauthorized(UNKNOWN)
        return found

    def _count(self, name: str, limit: Limit) -> None:
        now = time.monotonic()
        bucket = self._buckets.get((name, limit))
        if bucket is None:
            if len(self._buckets) >= MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[name, limit] = Bucket(limit, now)
        if seconds := bucket.take(now):
            raise RateLimited(seconds)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Follow what says who may call, while the context lasts, off the event loop."""
        await asyncio.to_thread(self.refresh)
        task = asyncio.create_task(self._keep())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await asyncio.to_thread(self.refresh)
            except Exception:  # a key that is taken back must not hold because of it
                log.exception("the keys are those from before")

    def refresh(self) -> None:
        """Read what has changed. What cannot be read changes nothing, and the log says why."""
        try:
            if self.file and stamped(self.file.stat()) != self._stamp:
                self._read()
                log.info("the keys were read again")
        except (OSError, BadKeys, UnicodeDecodeError) as error:
            log.error("the keys are those from before: %s", error)
        try:
            if self.tokens:
                self.tokens.refresh(time.monotonic())
        except (OSError, BadKeys) as error:
            log.error("the keys of the issuer are those from before: %s", error)

    def _read(self) -> None:
        texts = [self.text] if self.text else []
        if self.file:
            self._stamp = stamped(self.file.stat())  # before it is read: if it changes meanwhile it is read again
            texts.append(self.file.read_text(encoding="utf-8"))
        self._keys = read(texts, self.limit)


def gate(settings: Settings) -> Gate | None:
    """The gate that the settings tell of; None where anybody may call. Raises BadKeys."""
    if not settings.auth:
        return None
    rate = settings.caller_requests_per_second
    limit = Limit(rate, max(1.0, rate)) if rate else None
    tokens = None
    if settings.jwks is not None:
        tokens = Tokens(settings.jwks, settings.jwt_issuer or "", settings.jwt_audience or "", limit)
    try:
        return Gate(settings.api_keys_file, settings.api_keys, tokens, limit)
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeys(f"{settings.api_keys_file} cannot be read: {error}") from error


def _credential(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The only one that is sent: with two of them, who reads which would be a matter of luck. Raises Unauthorized."""
    found = _credentials(headers)
    if len(found) != 1 or not 0 < len(found[0]) <= LONGEST:
        raise Unauthorized(WHO)
    return found[0]


def _credentials(headers: Iterable[tuple[bytes, bytes]]) -> Sequence[bytes]:
    """What keys and tokens there are. Other kinds of `Authorization` are somebody else's, as a proxy's."""
    found = []
    for name, value in headers:
        if name == API_KEY:
            found.append(value)
        elif name == AUTHORIZATION:
            kind, _, rest = value.partition(b" ")
            if kind.lower() == BEARER:
                found.append(rest.strip())
    return found
