"""A client of the native protocol, sync and async.

with Client("http://127.0.0.1:8000") as client:
    client.predict("iris", rows)

async with AsyncClient("http://127.0.0.1:8000") as client:
    await client.predict("iris", rows)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from app.client.answers import Answers, KeyedAnswers, Part, distinct, moved, refused
from app.client.batch import JSON, Body, Columns, Rows, batch, named
from app.client.core import Awaiting, Blocking, Exchange, operation
from app.errors import InvalidRequest, UnsupportedMedia

__all__ = ["Answers", "AsyncClient", "Client", "KeyedAnswers"]

Post = Callable[[Body], Awaitable[Part]]


class _Feature(msgspec.Struct):
    name: str


class _Contract(msgspec.Struct):
    """What the client itself reads of a contract."""

    key: str
    features: list[_Feature]


class _Models(msgspec.Struct):
    models: list[dict[str, Any]]


class _Operations(Exchange):
    """What both clients do."""

    @operation
    async def models(self, *, timeout: float | None = None) -> list[dict[str, Any]]:
        """What is served: names, versions, aliases, digests."""
        return (await self._ask(_Models, "GET", "/models", self._due(timeout))).models

    @operation
    async def contract(
        self, name: str, *, version: str = "", alias: str = "", timeout: float | None = None
    ) -> dict[str, Any]:
        """What a model takes and gives, its certificate and where it is from."""
        return await self._ask(dict[str, Any], "GET", _path(name, version, alias), self._due(timeout))

    @operation
    async def predict(
        self,
        name: str,
        data: Any,
        *,
        version: str = "",
        alias: str = "",
        parameters: Mapping[str, float] | None = None,
        timeout: float | None = None,
    ) -> Answers:
        """Answer rows: mappings, a mapping of columns, a data frame or an array [rows, features] in contract order.

        `parameters` are those of the decision. Raises a ServingError: InvalidRequest, with every fault, if a row breaks
        the contract.
        """
        due, path = self._due(timeout), _path(name, version, alias)
        rows = await self._batch(data, path, due)
        members = {"parameters": dict(parameters)} if parameters else {}

        post = partial(self._ask, Part, "POST", f"{path}/predict", due)

        async def part(first: int) -> Part:
            return await self._part(post, rows, first, members)

        return Answers(await self._parts(part, len(rows)))

    @operation
    async def predict_keyed(
        self,
        name: str,
        data: Any,
        *,
        key_field: str = "",
        version: str = "",
        alias: str = "",
        parameters: Mapping[str, float] | None = None,
        timeout: float | None = None,
    ) -> KeyedAnswers:
        """Answer rows, as `predict` takes them, that carry keys: in `key_field`, or else where the contract says.

        Refused rows are in `errors` of what is returned. Raises a ServingError: InvalidRequest if keys are missing or
        there twice.
        """
        due, path = self._due(timeout), _path(name, version, alias)
        key_field = key_field or (await self._ask(_Contract, "GET", path, due)).key
        rows = batch(data)
        keys = rows.keys(key_field)
        distinct(keys, key_field)
        members = {"key_field": key_field, **({"parameters": dict(parameters)} if parameters else {})}

        post = partial(self._ask, Part, "POST", f"{path}/predict/keyed", due)

        async def part(first: int) -> Part:
            try:
                return await self._part(post, rows, first, members)
            except InvalidRequest as error:
                return refused(error, key_field, keys[first : first + self._max_rows])

        return KeyedAnswers(key_field, await self._parts(part, len(rows)))

    async def _batch(self, data: Any, path: str, due: float) -> Rows | Columns:
        if not hasattr(data, "shape") or hasattr(data, "columns"):
            return batch(data)
        contract = await self._ask(_Contract, "GET", path, due)
        return named(data, [feature.name for feature in contract.features])

    async def _parts(self, part: Callable[[int], Awaitable[Part]], rows: int) -> list[Part]:
        """What the parts of so many rows are answered by; there is one even where there are no rows."""
        return await self._all(part, range(0, max(rows, 1), self._max_rows))

    async def _part(self, post: Post, rows: Rows | Columns, first: int, members: Mapping[str, Any]) -> Part:
        """The answers to the rows from `first` on, with faults that count the rows of the whole batch."""
        try:
            return (await self._posted(post, partial(rows.body, first, first + self._max_rows, members))).moved(first)
        except InvalidRequest as error:
            raise InvalidRequest(moved(error.faults, first), error.total) from None

    async def _posted(self, post: Post, body: Callable[..., Body]) -> Part:
        sent = body(arrow=self._arrow)
        try:
            return await post(sent)
        except UnsupportedMedia:
            if sent.media_type == JSON:
                raise
        self._arrow = False  # the server is without that extra
        return await post(body(arrow=False))


class Client(_Operations, Blocking):
    """The client that blocks; threads may share one. Use it in `with`, or close it."""


class AsyncClient(_Operations, Awaiting):
    """The client that is awaited. Use it in `async with`, or await `aclose()`."""


def _path(name: str, version: str, alias: str) -> str:
    if version and alias:
        raise ValueError("A version or an alias, but not both.")
    chosen = f"/versions/{quote(version, safe='')}" if version else f"/aliases/{quote(alias, safe='')}" if alias else ""
    return f"/models/{quote(name, safe='')}{chosen}"
