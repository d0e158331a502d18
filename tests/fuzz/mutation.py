"""Bytes that are nearly right: what is right with a few things cut, doubled, flipped, joined or made extreme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

ODD = [
    *(b"\x00", b"\xff", b"\x7f", b"\xff" * 4, b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 7, b"\x80" * 10),
    *(b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 400, b"1e-400", b"0x1", b"1_0", b"null", b"true", b'""', b"{}"),
    *(b"[", b"]", b"{", b"}", b'"', b"\\u0000", b"\\ud800", b"\\", b",", b":", b"\r\n", b"\n", b"\t", b"\xef\xbb\xbf"),
    *(b"[" * 2000, b'{"a":' * 2000, b"\xed\xa0\x80", b"\xc0\x80", "\ue000".encode(), "\u202e".encode()),
    *(b"\r\n\r\n", b"chunked", b"content-length: 0\r\n", b"content-encoding: zstd\r\n", b"%00", b"%ff", b"?", b"../"),
    *(b"expect: 100-continue\r\n", b"upgrade: h2c\r\nconnection: upgrade\r\n", b"HTTP/1.0", b"instances", b"columns"),
]

Step = Callable[[Random, bytearray, Sequence[bytes]], None]


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after a few steps."""
    content = bytearray(random.choice(seeds))
    for _ in range(random.choice([1, 1, 1, 2, 3, 6, 20])):
        random.choice(STEPS)(random, content, seeds)
    return bytes(content)


def _place(random: Random, content: bytearray) -> int:
    return random.randrange(len(content) + 1)


def _flip(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _set(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    if content:
        content[random.randrange(len(content))] = random.randrange(256)


def _cut(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    start = _place(random, content)
    del content[start : start + random.choice([1, 2, 8, 64, 1024])]


def _double(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    start = _place(random, content)
    content[start:start] = content[start : start + random.choice([1, 8, 64, 512])] * random.choice([1, 2, 30])


def _insert(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    start = _place(random, content)
    content[start:start] = random.choice(ODD)


def _overwrite(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    start, odd = _place(random, content), random.choice(ODD)
    content[start : start + len(odd)] = odd


def _join(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    content[_place(random, content) :] = other[random.randrange(len(other)) :]


STEPS: list[Step] = [_flip, _set, _cut, _double, _insert, _overwrite, _join]
