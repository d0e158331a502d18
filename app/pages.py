"""The headers of a Parquet file's pages, which say how far each unfolds. Its footer says so too, and may lie.

The decoder fills a buffer of the size in a page's header and no larger one, so their sum bounds what a file takes. A
header is a struct of Thrift's compact protocol; github.com/apache/parquet-format has both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.errors import MalformedBody

_UNFOLDED, _PACKED, _V1, _V2 = 2, 3, 5, 8
"""The fields of a page's header: its two sizes, and what it says by the version of the page."""

_ROW_GROUPS, _COLUMNS, _CHUNK, _SIZE, _DATA, _DICTIONARY = 4, 1, 3, 7, 9, 11
"""The fields by which the footer leads to the pages of a column chunk."""

_SHARED_PREFIXES = 7
"""DELTA_BYTE_ARRAY: of a few bytes it makes long texts, as often as there are rows."""

_BOOLEANS, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LIST, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, 9, 12

Struct = dict[int, Any]


def unfolded(content: bytes) -> int:
    """The bytes that the pages of a file unfold to. Raises MalformedBody, or IndexError or KeyError where one lacks.

    pyarrow's own way to look at a column chunk ends the process where statistics in the footer do not fit.
    """
    size = int.from_bytes(content[-8:-4], "little")
    footer, _ = _struct(content, len(content) - 8 - size)
    chunks = [chunk[_CHUNK] for group in footer[_ROW_GROUPS] for chunk in group[_COLUMNS]]
    return sum(page[_UNFOLDED] for chunk in chunks for page in _pages(content, chunk))


def _pages(content: bytes, chunk: Struct) -> Iterator[Struct]:
    at = min(chunk[_DATA], chunk.get(_DICTIONARY) or chunk[_DATA])
    if at < 0:
        raise MalformedBody("A page of the Parquet file is nowhere in it.")
    end = at + chunk[_SIZE]
    while at < end:
        page, at = _struct(content, at)
        if page[_PACKED] < 0 or page[_UNFOLDED] < 0:
            raise MalformedBody("A page of the Parquet file has a size below nothing.")
        if _SHARED_PREFIXES in (page.get(_V1, {}).get(2), page.get(_V2, {}).get(4)):
            raise MalformedBody("The Parquet file has text by shared prefixes (DELTA_BYTE_ARRAY); write it otherwise.")
        yield page
        at += page[_PACKED]


def _struct(content: bytes, at: int) -> tuple[Struct, int]:
    """The integers and the structs of a struct by their number, and where it ends."""
    found: Struct = {}
    number = 0
    while head := content[at]:
        if not head >> 4:
            raise MalformedBody("The Parquet file has a header that no writer makes.")
        number += head >> 4
        found[number], at = _value(content, at + 1, head & 15)
    return found, at + 1


def _value(content: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in _BOOLEANS:
        return None, at
    if kind == _STRUCT:
        return _struct(content, at)
    if kind == _LIST:
        return _list(content, at)
    if kind in (_BYTE, _DOUBLE):
        return None, at + (1 if kind == _BYTE else 8)
    number, at = _varint(content, at)
    if kind == _BINARY:
        return None, at + number
    if kind in _INTEGERS:
        return number >> 1 ^ -(number & 1), at
    raise MalformedBody("The Parquet file has a header that no writer makes.")


def _list(content: bytes, at: int) -> tuple[list[Any], int]:
    size, kind = content[at] >> 4, content[at] & 15
    size, at = _varint(content, at + 1) if size == 15 else (size, at + 1)
    found = []
    for _ in range(size):
        value, at = (None, at + 1) if kind in _BOOLEANS else _value(content, at, kind)
        found.append(value)
    return found, at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise MalformedBody("The Parquet file has a number without end.")
