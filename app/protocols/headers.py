"""What browsers are told by every answer that is made by the application, so that no page of another can use it.

Predictions go without: no browser shows, frames or caches the answer of a POST that says nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}

CACHE = "no-store"
"""What is not a file: a key in `x-api-key` keeps no shared cache from serving one caller's answer to another."""


@dataclass(frozen=True)
class Guarded:
    """The application, with these headers where it says nothing of its own.

    HEAD is answered as GET is (RFC 9110, section 9.3.2); uvicorn leaves out the content, by the scope that it has.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                if "etag" not in headers:
                    headers.setdefault("cache-control", CACHE)
            await send(message)

        await self.app(scope, receive, answer)
