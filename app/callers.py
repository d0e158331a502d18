"""Who may call: keys with a name, scopes, models, an end and a limit. No HTTP, no files.

Only the SHA-256 of a key is stored. A slow and salted hash protects what people think up; a key of 256 random bits can
be neither guessed nor looked up in a table, and a fast hash keeps the price of a request at about a microsecond.
"""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import sha256
from hmac import compare_digest
from math import inf
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from app.errors import Forbidden, quoted

PREFIX = "sfn_"
"""What a key begins with, so that scanners for lost secrets know it."""

CALLER = "servefn.caller"
"""The key of the caller in an ASGI scope, once it has been let in."""

_START = 8
"""Bytes of a digest by which it is found, before all of it is compared."""


class BadKeys(ValueError):
    """What says who may call cannot be understood. The message never has a part of it."""


class Scope(StrEnum):
    """What a caller may do."""

    PREDICT = "predict"
    READ = "read"
    ADMIN = "admin"


class Limit(NamedTuple):
    """Requests per second, and how many of them may come at once."""

    rate: float
    burst: float


class Bucket:
    """A token bucket, for one event loop: full at first, and filled up at the limit's rate."""

    def __init__(self, limit: Limit, now: float) -> None:
        self._limit, self._tokens, self._then = limit, limit.burst, now

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        limit = self._limit
        self._tokens = min(limit.burst, self._tokens + (now - self._then) * limit.rate)
        self._then = now
        if self._tokens < 1:
            return (1 - self._tokens) / limit.rate
        self._tokens -= 1
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who was recognised. `expires` is by time.time()."""

    name: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] = ("*",)
    expires: float = inf
    limit: Limit | None = None

    @property
    def everything(self) -> bool:
        """Whether it is for all models."""
        return self.models == ("*",)

    def knows(self, model: str) -> bool:
        """Whether a model is one of its own."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def check(self, scope: Scope, model: str | None) -> None:
        """Raises Forbidden, unless it may do this with a model; None is what concerns all of them."""
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope '{scope}', and the key has {_listed(self.scopes)}.")
        if self.everything:
            return
        if model is None:
            raise Forbidden(f"This concerns every model, and the key is for {_listed(self.models)} only.")
        if not self.knows(model):
            raise Forbidden(f"The key is for {_listed(self.models)} only, not for {quoted(model)}.")


class Keys:
    """The callers of the keys whose digests are known."""

    def __init__(self, callers: Mapping[bytes, Caller]) -> None:
        self._by_start = {digest[:_START]: (digest, caller) for digest, caller in callers.items()}

    def caller(self, digest: bytes) -> Caller | None:
        """Whose key has this SHA-256. A key that is not there takes as long as one that is."""
        stored, caller = self._by_start.get(digest[:_START], _NOBODY)
        return caller if compare_digest(digest, stored) else None


_NOBODY = bytes(32), None


class _Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key as it is written down."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[frozenset[Scope], Meta(min_length=1)]
    models: Annotated[tuple[str, ...], Meta(min_length=1)] = ("*",)
    expires: Annotated[datetime, Meta(tz=True)] | None = None
    requests_per_second: Annotated[float, Meta(gt=0)] | None = None
    burst: Annotated[int, Meta(ge=1)] | None = None


_Written = dict[Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")], _Key]


def read(texts: Iterable[str], limit: Limit | None = None) -> Keys:
    """The keys that some texts, of TOML or JSON, tell of by name; `limit` holds for those without one of their own.

    Raises BadKeys.
    """
    callers: dict[bytes, Caller] = {}
    for text in texts:
        for name, key in _parsed(text).items():
            digest = bytes.fromhex(key.sha256)
            if digest in callers:
                raise BadKeys(f"'{name}' has the key of '{callers[digest].name}'")
            callers[digest] = _caller(name, key, limit)
    return Keys(callers)


def created(name: str, scopes: Iterable[Scope], models: Iterable[str]) -> tuple[str, str]:
    """A new random key, and the line that tells of it, from which it cannot be found. Raises BadKeys."""
    key = PREFIX + secrets.token_urlsafe(32)
    said = [
        f'sha256 = "{sha256(key.encode()).hexdigest()}"',
        f"scopes = {_array(scopes)}",
        *([f"models = {_array(models)}"] if models else []),
    ]
    line = f"{_quoted(name)} = {{{', '.join(said)}}}"
    read([line])
    return key, line


def listed(scopes: Any) -> frozenset[Scope]:
    """The scopes among some words, given as a list or parted by spaces as in a token; others mean nothing here."""
    words = scopes.split() if isinstance(scopes, str) else scopes if isinstance(scopes, list) else []
    return frozenset(scope for scope in Scope if scope in words)


def _parsed(text: str) -> dict[str, _Key]:
    try:
        document = msgspec.json.decode(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        return msgspec.convert(document, _Written)
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError) as error:
        raise BadKeys(str(error)) from error


def _caller(name: str, key: _Key, limit: Limit | None) -> Caller:
    rate = key.requests_per_second
    return Caller(
        name=name,
        scopes=key.scopes,
        models=key.models,
        expires=key.expires.timestamp() if key.expires else inf,
        limit=Limit(rate, key.burst or max(1.0, rate)) if rate else limit,
    )


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name  # else TOML would part it


def _array(words: Iterable[str]) -> str:
    return msgspec.json.encode(list(words)).decode()  # as TOML has it too


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(map(repr, map(str, words)))) or "none"
