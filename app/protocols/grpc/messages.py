"""The messages, of inference.proto and health.proto, in a pool of descriptors of their own.

In the one that all of a process share, whoever imports tritonclient.grpc has messages of the same names already.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from app.errors import MalformedBody
from app.extras import descriptor_pb2, descriptor_pool, message_factory, protobuf

DESCRIBED = Path(__file__).with_name("messages.binpb")
"""What protoc says of both files (`make proto`)."""

MOST = 50_000
"""Fields of a message. A tensor without anything takes two bytes on the wire, and a hundred in memory."""

_FIXED = {1: 8, 5: 4}
"""Wire type -> the bytes of a value, where it is always as many."""


@cache
def messages() -> Mapping[str, Any]:
    """The classes, by the messages' full names."""
    described = descriptor_pb2.FileDescriptorSet.FromString(DESCRIBED.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.Add(file)
    found: Mapping[str, Any] = message_factory.GetMessageClassesForFiles([file.name for file in described.file], pool)
    return found


def parsed(kind: Any, content: bytes) -> Any:
    """A message. Raises MalformedBody."""
    try:
        if len(content) > MOST:
            _count(content)
        return kind.FromString(content)
    except (protobuf.DecodeError, IndexError) as error:
        raise MalformedBody(f"This is not a message {kind.DESCRIPTOR.name}.") from error


def _count(content: bytes) -> None:
    """Raises MalformedBody if a message has too many fields, and IndexError if it is cut short."""
    at = 0
    for _ in range(MOST):
        if at >= len(content):
            return
        tag, at = _varint(content, at)
        if tag & 7 == 2:
            size, at = _varint(content, at)
            at += size
        elif tag & 7 == 0:
            _, at = _varint(content, at)
        else:
            at += _FIXED.get(tag & 7, 0)  # groups, which nobody sends, are counted by what they hold
    raise MalformedBody(f"A message has at most {MOST} fields.")


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128 or shift > 63:
            return value, at
