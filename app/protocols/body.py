"""A request's body, read within its limit whatever its encoding."""

from __future__ import annotations

import zlib

from starlette.types import Message, Receive, Scope

from app.errors import MalformedBody, TooLarge, UnsupportedMedia

JSON_TYPES = ("application/json", "text/json", "")
"""Content types read as JSON. A request without one is taken to mean JSON."""


class ClientGone(Exception):
    """The client closed the connection before its body was complete; nobody is left to answer."""


async def read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, decompressed. Raises UnsupportedMedia, TooLarge, MalformedBody or ClientGone."""
    encoding = b""
    for name, value in scope["headers"]:
        if name == b"content-type" and value != b"application/json":
            _check_type(value)
        elif name == b"content-encoding":
            encoding = value.strip().lower()
        elif name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] == "http.disconnect":
        body = await _rest(message, receive, limit)
    if len(body) > limit:
        raise _too_large(limit)
    return body if encoding in (b"", b"identity") else _decoded(body, encoding, limit)


def _check_type(content_type: bytes) -> None:
    essence = content_type.split(b";")[0].strip().lower().decode("latin-1")
    if essence not in JSON_TYPES and not essence.endswith("+json"):
        raise UnsupportedMedia("Send the content type application/json.")


async def _rest(message: Message, receive: Receive, limit: int) -> bytes:
    """A body that comes in several parts, the first of which is there; a part more than the limit at most."""
    parts, size = [message.get("body", b"")], len(message.get("body", b""))
    while message.get("more_body") and size <= limit:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if message["type"] == "http.disconnect":
        raise ClientGone
    return b"".join(parts)


def _decoded(body: bytes, encoding: bytes, limit: int) -> bytes:
    if encoding in (b"gzip", b"x-gzip"):
        return _inflated(body, limit, window=31)
    if encoding == b"deflate":
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
