"""What can go wrong, named once. No HTTP here: statuses belong to the protocols.

ServingError
├── BundleError              the bundle on disk cannot be trusted or cannot be run
├── RequestError             the caller can act on it
│   ├── Unauthorized         nobody who may call here: no key, or none that holds
│   ├── Forbidden            the caller is known, and may not do this
│   ├── RateLimited          the caller's own limit; another replica would say the same
│   ├── ModelNotFound        no model of that name
│   ├── NoDefault            nothing says which of several models is meant
│   ├── VersionNotFound      the model has no such version
│   ├── AliasNotFound        the model has no such alias
│   ├── Conflict             what is asked for does not fit what there is
│   ├── MalformedBody        the body is not what its content type says
│   ├── InvalidRequest       the body is well formed and breaks the contract: every fault is listed
│   ├── BodyTimeout          the body did not come in time
│   ├── TooLarge             body, decompressed body or row count over its limit
│   ├── UnsupportedMedia     a content type or content encoding nobody here reads
│   └── NotAcceptable        a content type nobody here writes
├── NotReady                 models are still being loaded and replayed
├── Overloaded               more is in flight than this replica takes; another one, or a second later, will
├── DeadlineExceeded         the client's own deadline passed before its rows were run
├── InternalError            a bug, ours or a bundle's; the log says which
│   └── PredictionFailed     the graph failed on rows that the contract accepts
└── CallFailed               between a client and the service; raised by app.client, never by a server
    ├── Unreachable          nobody answered, or the connection broke
    └── UnexpectedAnswer     what answered is not servefn, or not a part of it that this client knows
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from math import ceil
from typing import Any, ClassVar


class ServingError(Exception):
    """Base of every failure servefn raises on purpose. `code` is stable: clients may branch on it."""

    code: ClassVar[str] = "serving_error"
    retry_seconds: int | None = None
    """When to try the same again, where that may help."""

    @property
    def message(self) -> str:
        return str(self)


class BundleError(ServingError):
    code = "bundle_error"


class RequestError(ServingError):
    code = "request_error"


class Unauthorized(RequestError):
    code = "unauthorized"


class Forbidden(RequestError):
    code = "forbidden"


class RateLimited(RequestError):
    code = "rate_limited"

    def __init__(self, seconds: float) -> None:
        self.retry_seconds = ceil(seconds)
        super().__init__("These are more requests than this caller may make; the next in Retry-After seconds.")


class ModelNotFound(RequestError):
    code = "model_not_found"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no model {quoted(name)}.{choices(name, known)}")


class NoDefault(RequestError):
    code = "no_default_model"

    def __init__(self, known: Iterable[str]) -> None:
        names = ", ".join(known)
        super().__init__(f"Several models are served here: {names}. SERVEFN_DEFAULT_MODEL says which one is meant.")


class VersionNotFound(RequestError):
    code = "version_not_found"

    def __init__(self, name: str, version: str, known: Iterable[str]) -> None:
        super().__init__(f"Model {quoted(name)} has no version {quoted(version)}.{choices(version, known)}")


class AliasNotFound(RequestError):
    code = "alias_not_found"

    def __init__(self, name: str, alias: str, known: Iterable[str]) -> None:
        super().__init__(f"Model {quoted(name)} has no alias {quoted(alias)}.{choices(alias, known)}")


class Conflict(RequestError):
    code = "conflict"


class MalformedBody(RequestError):
    code = "malformed_body"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong with one request: where, what was expected, and the type (never the value) of what came."""

    code: str
    message: str
    row: int | None = None
    key: str | int | None = None
    field: str | None = None
    expected: str | None = None
    got: str | None = None
    suggestion: str | None = None

    def document(self) -> dict[str, Any]:
        """The fault without the members that do not apply to it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class InvalidRequest(RequestError):
    """The request breaks the contract. `faults` lists what is wrong, `total` counts what is not listed too."""

    code = "invalid_request"

    def __init__(self, faults: Sequence[Fault], total: int | None = None) -> None:
        self.faults = tuple(faults)
        self.total = len(faults) if total is None else total
        first = self.faults[0].message if self.faults else ""
        super().__init__(first if self.total == 1 else f"{self.total} faults; the first: {first}")


class TooLarge(RequestError):
    code = "too_large"


class UnsupportedMedia(RequestError):
    code = "unsupported_media_type"


class NotAcceptable(RequestError):
    code = "not_acceptable"


LOADING = "The models are still being loaded and replayed; try again in a second."


class NotReady(ServingError):
    code = "not_ready"
    retry_seconds = 1


class Overloaded(ServingError):
    code = "overloaded"
    retry_seconds = 1


class DeadlineExceeded(ServingError):
    code = "deadline_exceeded"


class BodyTimeout(RequestError):
    code = "body_timeout"


class InternalError(ServingError):
    code = "internal_error"


FAILED = "servefn failed; its log says how."


class PredictionFailed(InternalError):
    code = "prediction_failed"


class CallFailed(ServingError):
    code = "call_failed"


class Unreachable(CallFailed):
    code = "unreachable"


class UnexpectedAnswer(CallFailed):
    """`status` is that of HTTP: the only thing that is known for certain of an answer that another gave."""

    code = "unexpected_answer"

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


def quoted(text: str, limit: int = 80) -> str:
    """A caller's text fit for a message: printable, short, in quotes."""
    start = text[: limit + 1]
    safe = start if start.isprintable() else start.encode("unicode_escape").decode("ascii")
    return f"'{safe if len(safe) <= limit else safe[: limit - 1] + '…'}'"


def similar(text: str, known: Iterable[str]) -> str | None:
    """The known word that `text` was probably meant to be, or None."""
    by_folded = {word.casefold(): word for word in known}
    found = get_close_matches(text[:80].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def choices(text: str, known: Iterable[str]) -> str:
    """' Did you mean …?' where one word is close, else ' There is: …' with all of them."""
    words = list(known)
    if guess := similar(text, words):
        return f" Did you mean '{guess}'?"
    return f" There is: {', '.join(words[:20])}{', …' if len(words) > 20 else ''}." if words else ""
