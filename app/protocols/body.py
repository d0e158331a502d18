"""A request's body, read within its limit whatever its encoding."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from starlette.types import Receive, Scope

from app.errors import MalformedBody, TooLarge, UnsupportedMedia

JSON_TYPES = ("application/json", "text/json", "")
"""Content types read as JSON. A request without one is taken to mean JSON."""


class ClientGone(Exception):
    """The client closed the connection before its body was complete; nobody is left to answer."""


async def read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, decompressed. Raises UnsupportedMedia, TooLarge, MalformedBody or ClientGone."""
    headers = dict(scope["headers"])
    content_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
    if content_type not in JSON_TYPES and not content_type.endswith("+json"):
        raise UnsupportedMedia("Send the content type application/json.")
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    body = await _received(receive, limit)
    return _decoded(body, headers, limit)


async def _received(receive: Receive, limit: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body") and size <= limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise ClientGone
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _decoded(body: bytes, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    match headers.get(b"content-encoding", b"identity").strip().lower():
        case b"identity" | b"":
            return body
        case b"gzip" | b"x-gzip":
            return _inflated(body, limit, window=31)
        case b"deflate":
            return _inflated(body, limit, window=15)
    raise UnsupportedMedia("Send the body as it is, or with the content encoding gzip or deflate.")


def _inflated(body: bytes, limit: int, window: int) -> bytes:
    stream = zlib.decompressobj(wbits=window)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedBody("The body is not what its content encoding says.") from error
    if len(plain) > limit:
        raise _too_large(limit)
    if not stream.eof or stream.unused_data:
        raise MalformedBody("The compressed body is cut short, or something follows it.")
    return plain


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes, decompressed; send it in parts.")
