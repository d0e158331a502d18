"""What a client is given: answers in the order of its rows, or by their keys, whatever parts they came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import msgspec

from app.errors import Fault, InvalidRequest, quoted

Key = str | int
DUPLICATE = "duplicate_key"


class Maker(NamedTuple):
    """The bundle that answered."""

    model: str
    version: str
    digest: str


class Part(msgspec.Struct):
    """The document that answers one request. Keyed answers and errors have their key in them."""

    model: str
    version: str
    digest: str
    predictions: list[dict[str, Any]]
    errors: list[dict[str, Any]] = []

    @property
    def maker(self) -> Maker:
        return Maker(self.model, self.version, self.digest)

    def moved(self, first: int) -> Part:
        """The same with its faults as such, and its rows counted from the first of the batch."""
        read = partial(msgspec.convert, type=tuple[Fault, ...])
        errors = [{**row, "faults": moved(read(row["faults"]), first)} for row in self.errors]
        return msgspec.structs.replace(self, errors=errors)


class Answers(list[dict[str, Any]]):
    """One mapping per row, in the order of the rows.

    `makers` are the bundles that answered: more than one, where a new version came between the parts of a batch.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__(answer for part in parts for answer in part.predictions)
        self.makers = _makers(parts)


class KeyedAnswers(dict[Key, dict[str, Any]]):
    """The answers by key, in the order of the rows; `errors` has the faults of the rows that were refused.

    A server lists no more than 1000 faults, so that of a row among very many bad ones there may be none. `makers` are
    the bundles that answered, as those of Answers.
    """

    def __init__(self, key_field: str, parts: Sequence[Part]) -> None:
        super().__init__({row.pop(key_field): row for part in parts for row in part.predictions})
        self.errors: dict[Key, tuple[Fault, ...]] = {
            row[key_field]: row["faults"] for part in parts for row in part.errors
        }
        self.makers = _makers(parts)


def refused(error: InvalidRequest, key_field: str, keys: Sequence[Any]) -> Part:
    """The part of which every row was refused. Raises the error if it is of something else than single rows."""
    by_key: dict[Key, tuple[Fault, ...]] = dict.fromkeys(_usable(keys), ())
    for fault in error.faults:
        if fault.key is None or fault.key not in by_key:
            raise error
        by_key[fault.key] += (fault,)
    return Part("", "", "", [], [{key_field: key, "faults": faults} for key, faults in by_key.items()])


def moved(faults: Iterable[Fault], first: int) -> tuple[Fault, ...]:
    """The faults of a part whose rows are counted from its first, as of the whole batch."""
    return tuple(fault if fault.row is None else _moved(fault, fault.row, fault.row + first) for fault in faults)


def _moved(fault: Fault, old: int, new: int) -> Fault:
    return replace(fault, row=new, message=fault.message.replace(f"row {old}:", f"row {new}:", 1))


def _makers(parts: Sequence[Part]) -> tuple[Maker, ...]:
    return tuple(dict.fromkeys(part.maker for part in parts if part.predictions))


def distinct(keys: Sequence[Any], key_field: str) -> None:
    """Raises InvalidRequest, as a server does of one request, if a key is there twice."""
    count = Counter(_usable(keys))
    message = "the key {} stands in {} rows; keys must differ."
    faults = [
        Fault(code=DUPLICATE, key=key, field=key_field, message=message.format(quoted(str(key)), times))
        for key, times in count.items()
        if times > 1
    ]
    if faults:
        raise InvalidRequest(faults)


def _usable(keys: Iterable[Any]) -> Iterator[Key]:
    return (key for key in keys if isinstance(key, str | int))
