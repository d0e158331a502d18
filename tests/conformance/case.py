"""A case: what is asked over HTTP, and what must be answered. The tables of them know no implementation."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.testclient import TestClient

if TYPE_CHECKING:
    from httpx2 import Response

ABSENT = object()
"""In place of a member's value: there must be none."""

REFUSED = range(400, 500)
"""Any status that blames the client, where the contract does not say which."""

LENGTH = "inference-header-content-length"


class Case(NamedTuple):
    """`status` is one or several that are right, `said` a pattern of the body, `answered` one of the headers.

    A body that is neither bytes nor text goes as JSON, with no content type but that of `headers`.
    """

    what: str
    ask: str
    status: int | Collection[int] = 200
    said: Any = ...
    body: Any = b""
    headers: Mapping[str, str] = {}
    answered: Mapping[str, Any] = {}


class Has(NamedTuple):
    """A list with an element for each of the patterns."""

    patterns: tuple[Any, ...]


class Raw(NamedTuple):
    """A body of a JSON part and of so many bytes behind it, which begin with `start`."""

    pattern: Any
    size: int
    start: bytes = b""


def has(*patterns: Any) -> Has:
    return Has(patterns)


def each(*values: Any) -> tuple[Any, ...]:
    """Values of whatever types."""
    return values


def content(body: Any) -> bytes:
    """JSON has the tokens of NaN and infinity here, as some clients send them."""
    return body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()


def ask(client: TestClient, case: Case) -> Response:
    method, path = case.ask.split(" ", 1)
    return client.request(method, path, content=content(case.body), headers=dict(case.headers))


def wrong(case: Case, answer: Response) -> list[str]:
    """All that is not as the case says."""
    expected = {case.status} if isinstance(case.status, int) else case.status
    found = [] if answer.status_code in expected else [f"status {answer.status_code}, not {case.status}"]
    for name, pattern in case.answered.items():
        found += differences(pattern, answer.headers.get(name, ABSENT), name)
    return found + list(_in_body(case.said, answer))


def _in_body(pattern: Any, answer: Response) -> Iterator[str]:
    if pattern is ...:
        return
    if isinstance(pattern, bytes):
        yield from differences(pattern, answer.content, "body")
    elif isinstance(pattern, re.Pattern | str):
        yield from differences(pattern, answer.text, "body")
    elif isinstance(pattern, Raw):
        length = int(answer.headers.get(LENGTH, 0))
        yield from differences(pattern.pattern, json.loads(answer.content[:length] or b"null"), "body")
        yield from differences(pattern.size, len(answer.content) - length, "size")
        yield from differences(pattern.start, answer.content[length:][: len(pattern.start)], "raw")
    else:
        yield from differences(pattern, json.loads(answer.content or b"null"), "body")


def differences(pattern: Any, found: Any, at: str) -> list[str]:
    """Where something is not as its pattern: a type, an expression, members of an object, elements, or a value."""
    if pattern is ... and found is not ABSENT:
        return []
    if isinstance(pattern, Mapping) and isinstance(found, Mapping):
        return [one for name in pattern for one in differences(pattern[name], found.get(name, ABSENT), f"{at}.{name}")]
    if isinstance(pattern, list) and isinstance(found, list) and len(pattern) == len(found):
        pairs = enumerate(zip(pattern, found, strict=True))
        return [one for index, (each, value) in pairs for one in differences(each, value, f"{at}[{index}]")]
    return [] if _is(pattern, found) else [f"{at} is {_shown(found)}, not {_shown(pattern)}"]


def _is(pattern: Any, found: Any) -> bool:
    if isinstance(pattern, Has):
        return isinstance(found, list) and all(any(_same(one, each) for each in found) for one in pattern.patterns)
    if isinstance(pattern, type):
        return type(found) is pattern
    if isinstance(pattern, re.Pattern):
        return isinstance(found, str) and pattern.search(found) is not None
    return type(found) is type(pattern) and bool(found == pattern)


def _same(pattern: Any, found: Any) -> bool:
    return not differences(pattern, found, "")


def _shown(value: Any) -> str:
    return "absent" if value is ABSENT else repr(value)[:200]
