"""Answers to documents, or to the errors that the server raised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any, TypeVar

import msgspec

from app.errors import (
    CallFailed,
    Fault,
    InvalidRequest,
    NotReady,
    Overloaded,
    RateLimited,
    ServingError,
    UnexpectedAnswer,
    Unreachable,
    quoted,
)

T = TypeVar("T")

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Problem(msgspec.Struct):
    """What a client needs of `application/problem+json` as servefn writes it."""

    error: str
    detail: str
    faults: tuple[Fault, ...] = ()
    faults_total: int = 0


def read(response: Any, kind: type[T]) -> T:
    """The document of a good answer. Raises the error that the server raised, or UnexpectedAnswer."""
    if not response.is_success:
        raise _failure(response)
    try:
        return msgspec.json.decode(response.content, type=kind)
    except _UNREADABLE as error:
        raise _unexpected(response, _shown(response)) from error


def transient(error: ServingError) -> bool:
    """Whether the same request, to another replica or a little later, may be answered."""
    if isinstance(error, UnexpectedAnswer):
        return error.status in (429, 502, 503, 504)
    return isinstance(error, Unreachable | Overloaded | NotReady | RateLimited)


def _failure(response: Any) -> ServingError:
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except _UNREADABLE:
        error: ServingError = _unexpected(response, _shown(response))
    else:
        error = _raised(problem) or _unexpected(response, problem.detail)
    seconds = _seconds(response.headers.get("retry-after", ""))
    error.retry_seconds = error.retry_seconds if seconds is None else seconds
    return error


def _raised(problem: Problem) -> ServingError | None:
    """The error that the server raised, made of what it said: its constructor takes what only a server knows."""
    kind = _KINDS.get(problem.error)
    if kind is InvalidRequest:
        return InvalidRequest(problem.faults, problem.faults_total)
    return kind.__new__(kind, problem.detail) if kind else None


def _unexpected(response: Any, text: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"{response.url} answered {response.status_code}: {text}", response.status_code)


def _shown(response: Any) -> str:
    return quoted(response.text.strip(), 200)


def _seconds(retry_after: str) -> int | None:
    """How long to wait, by a header of seconds or of a date; None if it says neither."""
    if retry_after.isdecimal() and len(retry_after) < 10:
        return int(retry_after)
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0, ceil((when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()))


def _family(error: type[ServingError]) -> Iterator[type[ServingError]]:
    yield error
    for child in error.__subclasses__():
        yield from _family(child)


_KINDS = {kind.code: kind for kind in _family(ServingError) if not issubclass(kind, CallFailed)}
