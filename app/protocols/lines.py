"""NDJSON answered as it comes, in constant memory: no limit is for more rows or bytes than those of one line.

Answers start before the body ends, and no more is read while the client does not take them: it must read as it writes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple

import orjson
from starlette.types import Receive, Send

from app.admission import Place
from app.answers import Answers
from app.errors import FAILED, InternalError, InvalidRequest, RequestError, ServingError, TooLarge
from app.formats import FORMATS
from app.media import Format, refusal
from app.predictor import Model
from app.protocols import body
from app.protocols.coding import Unfolded
from app.service import Service
from app.traffic import Split

log = logging.getLogger("servefn")

FORMAT: Format = FORMATS["application/x-ndjson"]

RUN = 256
"""The most lines of one run; fewer, where fewer have come."""

Line = dict[str, Any]


class Lot(NamedTuple):
    """A split, and the key of the request, which chooses the version where rows have no keys."""

    split: Split
    key: bytes


@dataclass
class Stream:
    """A body of lines that is answered while it comes. `rows` counts the answers of each version."""

    service: Service
    model: Model
    receive: Receive
    reader: Unfolded | None
    headers: Sequence[tuple[bytes, bytes]]
    key_field: str | None
    parameters: Mapping[str, float] | None
    lot: Lot | None = None
    rows: Counter[Model] = field(default_factory=Counter, init=False)
    _line: int = field(default=0, init=False)
    _row: int = field(default=0, init=False)

    async def __call__(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        try:
            with Place(self.service.admission, 0) as place:
                async for lines in self._runs(place):
                    content = b"".join(
                        orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in await self._answers(lines)
                    )
                    await send({"type": "http.response.body", "body": content, "more_body": True})
        except body.ClientGone:
            return
        except Exception as failure:  # the answer has begun: all that is left is to say so in its last line
            last = orjson.dumps(self._ended(failure), option=orjson.OPT_APPEND_NEWLINE)
            await send({"type": "http.response.body", "body": last, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _runs(self, place: Place) -> AsyncIterator[Sequence[bytes]]:
        """The lines that have come, some at a time. Raises TooLarge when one is, or what reading the body raises.

        Raises Overloaded if the bytes of the line that is coming are too many beside those of others.
        """
        begun, size, limit = [b""], 0, self.service.max_body_bytes
        async for part in body.parts(self.receive, self.reader):
            first, *others = part.split(b"\n")
            begun.append(first)
            size += len(first)
            if others:
                for run in _runs([b"".join(begun), *others[:-1]], limit):
                    yield run
                begun, size = [others[-1]], len(others[-1])
            if size > limit:
                raise _too_long(limit)
            place.resize(size)
        yield [b"".join(begun)]

    async def _answers(self, lines: Sequence[bytes]) -> list[Line]:
        """An answer or a refusal for each line that is not blank."""
        read = [decoded for line in lines if (decoded := self._decoded(line))]
        rows = [row for row, _ in read if row is not None]
        keys = [place.get(self.key_field or "") for row, place in read if row is not None]
        with Place(self.service.admission, 0) as place:
            place.hold(len(rows))
            told = await self._predicted(rows, keys) if rows else []
        answers = iter(self.model.codec.decided(told, self.parameters))
        return [place if row is None else {**place, **next(answers)} for row, place in read]

    async def _predicted(self, rows: Sequence[Any], keys: Sequence[Any]) -> Answers:
        if self.lot is None:
            self.rows[self.model] += len(rows)
            return await self.service.predict(self.model, rows)
        versions = self.lot.split.versions(len(rows), self.key_field or "", keys, self.lot.key)
        self.rows.update(versions)
        return await self.service.divided(versions, rows)

    def _decoded(self, line: bytes) -> tuple[Any, Line] | None:
        """A row and its key; no row and what is said of it; or None for a blank line."""
        self._line += 1
        if not line.strip():
            return None
        self._row += 1
        try:
            row, key = self.model.codec.decode_line(line, self._row - 1, self.key_field)
        except RequestError as error:
            return None, self._refused(error)
        return row, {} if self.key_field is None else {self.key_field: key}

    def _refused(self, error: RequestError) -> Line:
        place: Line = {"line": self._line}
        found = error.faults if isinstance(error, InvalidRequest) else ()
        if self.key_field and found and found[0].key is not None:
            place[self.key_field] = found[0].key
        return refusal(place, found, error.code) if found else {**place, "error": error.code, "detail": error.message}

    def _ended(self, failure: Exception) -> Line:
        """What the last line says when the rest cannot be answered."""
        error = failure if isinstance(failure, ServingError) else InternalError(FAILED)
        if isinstance(error, InternalError):
            log.error("%s version %s: %s", self.model.name, self.model.version, failure, exc_info=failure)
        self.service.refused(self.model, error)
        return {"line": self._line + 1, "error": error.code, "detail": error.message}


def _runs(lines: Sequence[bytes], limit: int) -> Iterator[Sequence[bytes]]:
    """Lines some at a time, up to one that is too long. Raises TooLarge there."""
    short = list(takewhile(lambda line: len(line) <= limit, lines))
    for start in range(0, len(short), RUN):
        yield short[start : start + RUN]
    if len(short) < len(lines):
        raise _too_long(limit)


def _too_long(limit: int) -> TooLarge:
    return TooLarge(f"The line is longer than {limit} bytes.")
