"""How requests are made, and made again, by a client that blocks and by one that is awaited.

Everything is written once, as coroutines. Awaiting has them awaited. Under Blocking nothing that they await ever
waits, it blocks, so that their first step is their last.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import wraps
from itertools import count
from math import ceil
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from app.client.batch import JSON, Body
from app.client.failure import read, transient
from app.errors import DeadlineExceeded, ServingError, Unreachable
from app.extras import httpx, pyarrow

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")

CONNECT_SECONDS = 5.0
"""How long one attempt may take to connect: less than there is for all, as another address may answer."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds, at most, before the second attempt and before any; in between it doubles."""

CONCURRENT = 4
"""Parts of one batch that AsyncClient has under way."""


class Exchange(ABC):
    """What both clients do, but for how they wait.

    `api_key` goes as x-api-key and `token` as a bearer's. `timeout` is in seconds, for all that one operation does:
    attempts, pauses and parts; the server is told what is left of it. An attempt that no server answered, or that one
    refused for the moment (502, 503, 504, 429), is followed by another, up to `attempts`. Batches of more than
    `max_rows` go in parts. Other options are those of httpx, as `verify` and `proxy`.
    """

    _http: Any

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str = "",
        token: str = "",
        timeout: float = 30.0,
        attempts: int = 4,
        max_rows: int = 1000,
        **options: Any,
    ) -> None:
        if not httpx:
            raise ImportError("app.client needs the extra client: pip install 'servefn[client]'.")
        self._timeout, self._attempts, self._max_rows = timeout, attempts, max_rows
        self._arrow = bool(pyarrow)
        headers = {"accept": JSON, "accept-encoding": "identity"}
        headers |= {"x-api-key": api_key} if api_key else {}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        self._http = self._open(base_url=base_url, headers=headers, **options)

    async def _ask(self, kind: type[T], method: str, path: str, due: float, body: Body | None = None) -> T:
        """The document that is answered, after as many attempts as it takes. Raises a ServingError."""
        for attempt in count(1):
            try:
                return read(await self._attempt(method, path, due, body), kind)
            except ServingError as error:
                pause = _pause(attempt, error.retry_seconds)
                if not transient(error) or attempt >= self._attempts or time.monotonic() + pause >= due:
                    raise
            await self._sleep(pause)
        raise AssertionError

    async def _attempt(self, method: str, path: str, due: float, body: Body | None) -> Any:
        left = due - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("The time was over before the request was sent.")
        headers = {"servefn-timeout-ms": str(ceil(left * 1000)), **({"content-type": body.media_type} if body else {})}
        request = self._http.build_request(
            method,
            path,
            params=body and body.query,
            content=body and body.content,
            headers=headers,
            timeout=httpx.Timeout(left, connect=min(left, CONNECT_SECONDS)),
        )
        try:
            return await self._send(request)
        except httpx.ConnectTimeout as error:
            raise Unreachable(f"{request.url} did not accept a connection in time.") from error
        except httpx.TimeoutException as error:
            raise DeadlineExceeded(f"{request.url} did not answer in time.") from error
        except (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError, httpx.DecodingError) as error:
            raise Unreachable(f"{request.url} gave no answer: {str(error) or type(error).__name__}.") from error

    def _due(self, timeout: float | None) -> float:
        return time.monotonic() + (self._timeout if timeout is None else timeout)

    @abstractmethod
    def _open(self, **options: Any) -> Any:
        """httpx's client."""

    @abstractmethod
    async def _send(self, request: Any) -> Any:
        """What it is answered."""

    @abstractmethod
    async def _sleep(self, seconds: float) -> None: ...

    @abstractmethod
    async def _all(self, function: Callable[[S], Awaitable[T]], items: Iterable[S]) -> list[T]:
        """What the function makes of each, in order."""


class Blocking(Exchange):
    """The client that blocks; threads may share one. Use it in `with`, or close it."""

    def _open(self, **options: Any) -> Any:
        return httpx.Client(**options)

    def _done(self, core: Coroutine[Any, Any, T]) -> T:
        try:
            core.send(None)
        except StopIteration as end:
            return cast(T, end.value)
        raise AssertionError("an operation waited for more than its client")

    async def _send(self, request: Any) -> Any:
        return self._http.send(request)

    async def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def _all(self, function: Callable[[S], Awaitable[T]], items: Iterable[S]) -> list[T]:
        return [await function(item) for item in items]

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Awaiting(Exchange):
    """The client that is awaited, with the same operations. Use it in `async with`, or await `aclose()`."""

    def _open(self, **options: Any) -> Any:
        return httpx.AsyncClient(**options)

    def _done(self, core: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        return core

    async def _send(self, request: Any) -> Any:
        return await self._http.send(request)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _all(self, function: Callable[[S], Awaitable[T]], items: Iterable[S]) -> list[T]:
        """Some at a time. The first that fails ends the others."""
        gate = asyncio.Semaphore(CONCURRENT)

        async def one(item: S) -> T:
            async with gate:
                return await function(item)

        tasks = [asyncio.ensure_future(one(item)) for item in items]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class operation(Generic[P, T]):  # noqa: N801  # a decorator
    """A method of both clients, written once: Client answers with its result, AsyncClient with what to await."""

    def __init__(self, core: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._core = core
        self.__doc__ = core.__doc__

    @overload
    def __get__(self, client: None, owner: Any) -> Callable[..., Any]: ...
    @overload
    def __get__(self, client: Blocking, owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: Any) -> Any:
        if client is None:
            return self._core

        @wraps(self._core)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client._done(self._core(client, *args, **kwargs))

        return method


def _pause(attempt: int, retry_seconds: int | None) -> float:
    """What the server asks for and, lest all come at once, a random share of a time that doubles."""
    longest = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
    return (retry_seconds or 0) + random.uniform(0, longest)  # noqa: S311  # nothing is secret here
