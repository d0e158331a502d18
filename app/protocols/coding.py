"""Content codings: gzip, deflate and, with the extra, zstd; within limits, however far something unfolds."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from app.errors import MalformedBody, UnsupportedMedia
from app.extras import zstd

PART = 2**16
"""Bytes unfolded at a time."""

PAYS = 2**14
"""Bytes of an answer from which compression pays.

A smaller one leaves in the first flight of a connection (ten segments, RFC 6928) whatever its size. Measured with
predictions of two classes: 19 kB take gzip 0.06 ms and shrink to a quarter; 935 kB take it 5.4 ms, and zstd 1.4 ms.
"""

WINDOW = 23
"""The logarithm of the largest zstd window: 8 MB, as RFC 9659 has it for HTTP."""


class Unfolded:
    """Takes parts of a compressed body and gives parts of the plain one."""

    def __init__(self, decompressor: Any, failure: type[Exception]) -> None:
        self._decompressor, self._failure = decompressor, failure

    def parts(self, content: bytes) -> Iterator[bytes]:
        """What can be told by now, at most PART bytes at a time. Raises MalformedBody."""
        while True:
            try:
                plain = self._decompressor.decompress(content, PART)
            except self._failure as error:
                raise MalformedBody("The body is not what its content encoding says.") from error
            content = getattr(self._decompressor, "unconsumed_tail", b"")
            if self._decompressor.unused_data:
                raise MalformedBody("Something follows the compressed body.")
            yield plain
            if self._decompressor.eof or (len(plain) < PART and not content):
                return

    def end(self) -> None:
        """To be called when nothing more comes. Raises MalformedBody if it should have."""
        if not self._decompressor.eof:
            raise MalformedBody("The compressed body is cut short.")


def unfolded(coding: bytes) -> Unfolded:
    """A reader of one content coding. Raises UnsupportedMedia."""
    if coding in (b"gzip", b"x-gzip"):
        return Unfolded(zlib.decompressobj(wbits=31), zlib.error)
    if coding == b"deflate":
        return Unfolded(zlib.decompressobj(wbits=15), zlib.error)
    if coding == b"zstd" and zstd:
        options = {zstd.DecompressionParameter.window_log_max: WINDOW}
        return Unfolded(zstd.ZstdDecompressor(options=options), zstd.ZstdError)
    hint = " zstd needs the extra zstd: pip install 'servefn[zstd]'." if coding == b"zstd" else ""
    raise UnsupportedMedia(f"Send the body as it is, or with the content encoding {', '.join(_READ)}.{hint}")


_READ = ["gzip", "deflate", *(["zstd"] if zstd else [])]

WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda content: gzip.compress(content, 1, mtime=0),
    "deflate": lambda content: zlib.compress(content, 1),
}
"""Content coding -> how an answer is packed in it, the preferred one first."""

if zstd:
    WRITERS = {"zstd": lambda content: bytes(zstd.compress(content, 1)), **WRITERS}
