"""Tensors as the Open Inference Protocol has them: a name, a datatype, a shape and values. Knows no transport.

Raw, a tensor is its values one after the other: numbers little-endian, BOOL one byte of 0 or 1, and BYTES, which are
UTF-8 here, each behind its length in four bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from math import nan, prod
from struct import Struct, pack
from typing import Any, NamedTuple

import numpy as np

from app.columns import Column
from app.errors import Fault, InvalidRequest, MalformedBody, quoted
from app.signature import Array
from app.words import type_name

BOOL, BYTES, HALF = "BOOL", "BYTES", "FP16"

NUMPY: Mapping[str, np.dtype[Any]] = {
    BOOL: np.dtype("?"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
"""The datatypes of fixed size. The only other is BYTES."""

DEEPEST = 16
"""How many lengths a shape may have, and how deep lists of values may be nested."""

_LENGTH = Struct("<I")


class Tensor(NamedTuple):
    """`values` are flat, in row-major order, and as many as the shape says.

    Numbers are an array, NaN where they are missing; what is BYTES is text, None where it is missing.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Column


def from_values(name: str, datatype: str, shape: Sequence[Any], values: Sequence[Any]) -> Tensor:
    """A tensor of flat values as JSON has them, None where one is missing. Raises InvalidRequest."""
    _counted(name, datatype, shape, len(values))
    if datatype == HALF:
        raise _wrong(name, f"is of {HALF}, which can only come raw", "wrong_type")
    kinds = set(map(type, values)) - {type(None)}
    if wrong := kinds - _taken(datatype):
        value = next(value for value in values if type(value) in wrong)
        raise _wrong(name, f"is of {datatype}, which {type_name(value)} is not", "wrong_type")
    return Tensor(name, datatype, tuple(shape), values if datatype == BYTES else _array(name, datatype, values))


def from_numbers(name: str, datatype: str, shape: Sequence[Any], values: Sequence[float]) -> Tensor:
    """The same of nothing but numbers, for FP32 or FP64. Raises InvalidRequest."""
    _counted(name, datatype, shape, len(values))
    return Tensor(name, datatype, tuple(shape), _packed(values))


def from_bytes(name: str, datatype: str, shape: Sequence[Any], content: bytes | memoryview) -> Tensor:
    """A tensor of raw values, which are not copied where they are numbers. Raises InvalidRequest or MalformedBody."""
    expected = size(name, datatype, shape)
    if datatype == BYTES:
        return Tensor(name, datatype, tuple(shape), texts(name, _parted(name, memoryview(content), expected)))
    kind = NUMPY[datatype]
    if len(content) != expected * kind.itemsize:
        raise _wrong(name, f"has {len(content)} bytes, and its shape {list(shape)} is for {expected * kind.itemsize}")
    if datatype == BOOL and (np.frombuffer(content, np.uint8) > 1).any():
        raise _wrong(name, "is of BOOL, which is a byte of 0 or 1 each", "wrong_type")
    return Tensor(name, datatype, tuple(shape), np.frombuffer(content, kind))


def to_bytes(tensor: Tensor) -> bytes:
    """The raw values."""
    if tensor.datatype != BYTES:
        return np.ascontiguousarray(tensor.values, NUMPY[tensor.datatype]).tobytes()
    known = {text: text.encode() for text in set(tensor.values)}
    known = {text: _LENGTH.pack(len(content)) + content for text, content in known.items()}
    return b"".join(map(known.__getitem__, tensor.values))


def size(name: str, datatype: str, shape: Sequence[Any]) -> int:
    """How many values there are to be. Raises InvalidRequest where there is no such datatype or shape."""
    if datatype != BYTES and datatype not in NUMPY:
        known = ", ".join([*NUMPY, BYTES])
        raise _wrong(name, f"has the datatype {quoted(str(datatype))}, and there is: {known}")
    if len(shape) > DEEPEST:
        raise _wrong(name, f"has a shape of {len(shape)} numbers, and {DEEPEST} are the most")
    for length in shape:  # a loop: there may be as many inputs as features, and a generator is as slow as the rest
        if type(length) is not int or length < 0:
            raise _wrong(name, "has a shape that is not one of whole numbers from 0 on")
    return prod(shape)


def texts(name: str, values: Sequence[bytes | memoryview]) -> list[str]:
    """What is BYTES as text. Raises InvalidRequest where it is not UTF-8."""
    try:
        return [str(value, "utf-8") for value in values]
    except UnicodeDecodeError as error:
        raise _wrong(name, "holds bytes that are not UTF-8") from error


def flat(name: str, data: Any) -> list[Any]:
    """The values of lists in lists, in order, however deep each is. Raises InvalidRequest or MalformedBody."""
    if not isinstance(data, list):
        raise _wrong(name, f"must have a list as its data, and has {type_name(data)}", "wrong_type")
    values: list[Any] = data
    for _ in range(DEEPEST):
        if list not in set(map(type, values)):
            return values
        values = list(chain.from_iterable(one if type(one) is list else (one,) for one in values))
    raise MalformedBody(f"The data of input {quoted(name)} are nested deeper than {DEEPEST} lists.")


def _counted(name: str, datatype: str, shape: Sequence[Any], count: int) -> None:
    """Raises InvalidRequest if there are not as many values as the shape says."""
    if count != (expected := size(name, datatype, shape)):
        raise _wrong(name, f"has {count} values, and its shape {list(shape)} is for {expected}")


def _packed(values: Sequence[float]) -> Array:
    """Floats as an array, in a tenth of the time that numpy takes to look at each."""
    return np.frombuffer(pack(f"{len(values)}d", *values))


def _taken(datatype: str) -> set[type]:
    if datatype in (BOOL, BYTES):
        return {bool} if datatype == BOOL else {str}
    return {int, float} if datatype.startswith("FP") else {int}


def _array(name: str, datatype: str, values: Sequence[Any]) -> Array:
    """Numbers as an array that holds each as it was written: those of FP32 are not rounded."""
    kind = NUMPY[datatype]
    if kind.kind in "iu":
        present = [value for value in values if value is not None]
        limits = np.iinfo(kind)
        if present and not (limits.min <= min(present) and max(present) <= limits.max):
            raise _wrong(name, f"is of {datatype}, which goes from {limits.min} to {limits.max}", "out_of_range")
    if None in values:
        values, kind = [nan if value is None else value for value in values], np.dtype(np.float64)
    try:
        return np.array(values, np.float64 if kind.kind == "f" else kind)
    except OverflowError as error:
        raise _wrong(name, "has a whole number that no double holds", "out_of_range") from error


def _parted(name: str, content: memoryview, count: int) -> list[memoryview]:
    """The parts of a content in which each is behind its length."""
    if count * _LENGTH.size > len(content):
        raise _wrong(name, f"has {len(content)} bytes, too few for {count} values")
    parts = list(_parts(name, content))
    if len(parts) != count:
        raise _wrong(name, f"holds {len(parts)} values, and its shape is for {count}")
    return parts


def _parts(name: str, content: memoryview) -> Iterator[memoryview]:
    at, end = 0, len(content)
    while at < end:
        first = at + _LENGTH.size
        at = first + (_LENGTH.unpack_from(content, at)[0] if first <= end else end)
        if at > end:
            raise _wrong(name, "is cut short: a value is longer than what is there")
        yield content[first:at]


def _wrong(name: str, what: str, code: str = "wrong_shape") -> InvalidRequest:
    shown = quoted(name)
    return InvalidRequest([Fault(code=code, field=shown[1:-1], message=f"The input {shown} {what}.")])
