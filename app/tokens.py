"""JSON Web Tokens (RFC 7519) of an issuer whose public keys are a JWKS, in a file or at a URL. Needs the extra `auth`.

Keys and the algorithm are the issuer's: a token chooses among its keys by `kid`, and never how it is verified.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.callers import BadKeys, Caller, Limit, listed
from app.extras import jwt
from app.files import stamped

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Signatures by a private key that only the issuer has. No `none`, and no HS256, whose secret would be shared."""

LEEWAY = 30
"""Seconds by which clocks may differ."""

FRESH, AGAIN = 300.0, 30.0
"""Seconds until the JWKS at a URL is asked for again, and, where a token names a key that it has not, at the least."""

TIMEOUT = 5.0
MOST_BYTES = 1 << 20
MOST_TOKENS = 4096
"""Verified tokens that are remembered: verifying one takes a hundred times as long as finding it."""


@dataclass(frozen=True)
class Public:
    """A key of the issuer, with the only algorithm that it is for."""

    key: Any
    algorithm: str


@dataclass
class Tokens:
    """Verifies tokens. `source` is a path, or a URL of https, or of http on this machine."""

    source: str
    issuer: str
    audience: str
    limit: Limit | None = None
    _keys: Mapping[str, Public] = field(default_factory=dict)
    _document: bytes = b""
    _seen: dict[bytes, Caller] = field(default_factory=dict)
    _missed: bool = False
    """Whether a token named a key that there is not."""
    _asked: float = -FRESH
    _stamp: Any = None

    def __post_init__(self) -> None:
        if not jwt:
            raise BadKeys("tokens need the extra `auth`: pip install 'servefn[auth]'")
        url = urlsplit(self.source)
        local = url.hostname in ("127.0.0.1", "::1", "localhost")
        if "://" in self.source and not (url.scheme == "https" or (url.scheme == "http" and local)):
            raise BadKeys(f"the JWKS must come by https, and not from {self.source}")

    def caller(self, token: bytes, digest: bytes) -> Caller | None:
        """Whose token it is; `digest` is its SHA-256. None for one that does not hold, for whatever reason."""
        seen = (
            self._seen
        )  # another takes its place when the keys change, which a token verified by old ones must not enter
        if digest in seen or token.count(b".") != 2:
            return seen.get(digest)
        try:
            caller = self._verified(token)
        except Exception:  # whatever a stranger has put into it, it is no token
            return None
        if len(seen) >= MOST_TOKENS:
            del seen[next(iter(seen))]
        seen[digest] = caller
        return caller

    def refresh(self, now: float) -> None:
        """Read the JWKS again, if that is due at `now`, by time.monotonic(). Not for an event loop.

        Raises OSError or BadKeys; what was known before still is.
        """
        if "://" in self.source:
            if now - self._asked < (AGAIN if self._missed or not self._keys else FRESH):
                return
            self._asked, self._missed = now, False
            self._replace(_fetched(self.source))
        elif (stamp := stamped(Path(self.source).stat())) != self._stamp:
            self._stamp = stamp
            self._replace(Path(self.source).read_bytes())

    def _replace(self, document: bytes) -> None:
        if document != self._document:
            self._keys, self._seen = parsed(document), {}  # a token of a key that is gone is no token any more
            self._document = document

    def _verified(self, token: bytes) -> Caller:
        """Raises whatever PyJWT does, and KeyError."""
        kid = jwt.get_unverified_header(token).get("kid", "")
        if kid not in self._keys:
            self._missed = True
        key = self._keys[kid]
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=self.audience,
            issuer=self.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return _caller(claims, self.limit)


def parsed(document: bytes) -> dict[str, Public]:
    """The keys of a JWKS by their `kid`, without those that are for something else. Raises BadKeys."""
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(document)).keys
    except (ValueError, TypeError, AttributeError, RecursionError, jwt.PyJWTError) as error:
        raise BadKeys("the JWKS has no key that can be used") from error
    keys = {
        one.key_id or "": Public(one.key, one.algorithm_name)
        for one in found
        if one.algorithm_name in ALGORITHMS and one.public_key_use != "enc"
    }
    if not keys:
        raise BadKeys(f"the JWKS has no key for {', '.join(ALGORITHMS)}")
    return keys


def _caller(claims: Mapping[str, Any], limit: Limit | None) -> Caller:
    """What is in `scope`, or `scp`, and in `models`, if that limits them. Raises TypeError."""
    models = claims.get("models", ["*"])
    if not (isinstance(models, list) and models and all(isinstance(one, str) for one in models)):
        raise TypeError("models must be a list of names")
    return Caller(
        name=f"jwt:{claims['sub']}",
        scopes=listed(claims.get("scope", claims.get("scp"))),
        models=tuple(models),
        expires=claims["exp"] + LEEWAY,
        limit=limit,
    )


def _fetched(url: str) -> bytes:
    """What is at a URL; no redirections. Raises OSError or BadKeys."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=TIMEOUT)) as connection:
        try:
            connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
            answer = connection.getresponse()
            content = answer.read(MOST_BYTES)
        except http.client.HTTPException as error:
            raise OSError(f"{parts.hostname} does not answer as a server of HTTP does") from error
    if answer.status != http.HTTPStatus.OK:
        raise OSError(f"{parts.hostname} answers {answer.status}")
    return content
