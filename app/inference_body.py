"""Requests and answers as the Open Inference Protocol writes them for HTTP: JSON, and raw tensors behind it.

`length` is that of the JSON, as the header Inference-Header-Content-Length says it: without, all is JSON; with 0 there
is none, and all is the values of the model's only input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from app import faults
from app.codec import bounded
from app.columns import plain
from app.errors import MalformedBody, quoted
from app.open_inference import Wanted
from app.signature import Datatype, Signature
from app.tensors import BYTES, Tensor, flat, from_bytes, from_numbers, from_values, size, texts, to_bytes

SIZE, REGION = "binary_data_size", "shared_memory_region"
MOST = 10
"""Times the inputs of a model that are looked at one by one, to say what each was probably meant to be."""

BINARY, BINARY_OUTPUT, CLASSIFICATION = "binary_data", "binary_data_output", "classification"

Parameters = dict[str, Any]


class _Input(msgspec.Struct, frozen=True, gc=False):
    name: str
    datatype: str
    shape: list[int]
    parameters: Parameters | None = None
    data: msgspec.Raw | UnsetType = UNSET


class _Parsed(_Input, frozen=True, gc=False):
    data: Any = UNSET


class _Output(msgspec.Struct, frozen=True, gc=False):
    name: str
    parameters: Parameters | None = None


class _Request(msgspec.Struct, frozen=True, gc=False):
    inputs: list[_Input]
    outputs: list[_Output] | None = None
    id: str | None = None
    parameters: Parameters | None = None


class _ParsedRequest(_Request, frozen=True, gc=False):
    inputs: list[_Parsed]  # type: ignore[assignment]


class Inference(NamedTuple):
    """What a request says. `binary` are those of the outputs that it names which are to be raw."""

    inputs: Sequence[Tensor]
    parameters: Parameters
    wanted: Sequence[Wanted] = ()
    id: str | None = None
    binary: frozenset[str] = frozenset()
    raw: bool = False
    """Whether outputs are raw where none is named."""


_READ = msgspec.json.Decoder(_Request)
_NUMBERS = msgspec.json.Decoder(list[float])


def read(signature: Signature, content: bytes | memoryview, length: int | None, max_rows: int) -> Inference:
    """Raises MalformedBody, TooLarge or InvalidRequest."""
    if length == 0:
        return Inference([_only(signature, content)], {}, raw=True)
    if length is not None and length > len(content):
        raise MalformedBody(f"The body has {len(content)} bytes, and its JSON is said to have {length}.")
    view = memoryview(content)
    request = _request(view[:length])
    parameters = request.parameters or {}
    if len(request.inputs) > MOST * (len(signature.features) + 1):
        raise MalformedBody(f"The request has {len(request.inputs)} inputs, far more than the model.")
    inputs, end = [], len(content) if length is None else length
    for one in request.inputs:
        _check_texts(one, len(signature.features), max_rows)
        tensor, end = _tensor(one, view, end)
        inputs.append(tensor)
    if end != len(content):
        raise MalformedBody(f"{len(content) - end} bytes follow the last input.")
    raw = _flag(parameters, BINARY_OUTPUT)
    outputs = request.outputs or []
    return Inference(
        inputs,
        parameters,
        [Wanted(one.name, _classes(one)) for one in outputs],
        request.id,
        frozenset(one.name for one in outputs if _flag(one.parameters or {}, BINARY, raw)),
        raw,
    )


def written(about: Mapping[str, Any], tensors: Sequence[Tensor], inference: Inference) -> tuple[bytes, int | None]:
    """An answer, and if raw tensors follow its JSON, the length of that."""
    raw = {one.name for one in tensors} if inference.raw and not inference.wanted else inference.binary
    contents = {one.name: to_bytes(one) for one in tensors if one.name in raw}
    document = {**about, "outputs": [_written(one, contents.get(one.name)) for one in tensors]}
    if inference.id is not None:
        document = {"id": inference.id, **document}
    header = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join([header, *contents.values()]), len(header) if contents else None


def _request(content: memoryview) -> _Request:
    """The JSON of a request; NaN and Infinity are numbers, as many clients have it. Raises MalformedBody."""
    try:
        return _READ.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = faults.parse(bytes(content))
    try:
        return msgspec.convert(document, _ParsedRequest)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MalformedBody(f"The body is no inference request: {error}.") from error
    except UnicodeEncodeError as error:
        raise MalformedBody("The body has a name with a lone surrogate, which is no text.") from error


def _check_texts(one: _Input, features: int, max_rows: int) -> None:
    """Raises TooLarge before raw texts are parted: four bytes are enough for one, and what is made of it takes 200."""
    if one.datatype == BYTES and one.data is UNSET:
        bounded(size(one.name, one.datatype, one.shape) // features, max_rows)


def _tensor(one: _Input, content: memoryview, start: int) -> tuple[Tensor, int]:
    """An input, and where the raw values of the next one start."""
    if not faults.is_text(one.name):
        raise MalformedBody(f"The name of input {quoted(one.name)} is no text.")
    parameters = one.parameters or {}
    if REGION in parameters:
        raise MalformedBody(f"The input {quoted(one.name)} is in shared memory, which this server does not read.")
    if (one.data is UNSET) is (SIZE not in parameters):
        raise MalformedBody(f"The input {quoted(one.name)} must have either data or the parameter {SIZE}.")
    if one.data is not UNSET:
        return _valued(one), start
    size = parameters[SIZE]
    if type(size) is not int or not 0 <= size <= len(content) - start:
        there = len(content) - start
        raise MalformedBody(
            f"The {SIZE} of input {quoted(one.name)} is no number of bytes up to the {there} there are."
        )
    return from_bytes(one.name, one.datatype, one.shape, content[start : start + size]), start + size


def _valued(one: _Input) -> Tensor:
    """An input of values in JSON. Numbers in one list, which are what most send, are read as such."""
    if isinstance(one.data, msgspec.Raw) and one.datatype in ("FP32", "FP64"):
        with suppress(msgspec.DecodeError):
            return from_numbers(one.name, one.datatype, one.shape, _NUMBERS.decode(one.data))
    data = faults.parse(bytes(one.data)) if isinstance(one.data, msgspec.Raw) else one.data
    return from_values(one.name, one.datatype, one.shape, flat(one.name, data))


def _only(signature: Signature, content: bytes | memoryview) -> Tensor:
    """The only input of a model, raw: a feature of one row, or all features where they make one matrix."""
    (*others, kinds) = signature.inputs.values()
    kind = kinds[0].datatype if len({feature.datatype for feature in kinds}) == 1 else Datatype.FP64
    if others or (kind is Datatype.BYTES and len(kinds) > 1):
        raise MalformedBody("The model takes several inputs, which a body without JSON cannot tell apart.")
    name = kinds[0].name if len(kinds) == 1 else ""
    if kind is Datatype.BYTES:
        return from_values(name, BYTES, [1], texts(name, [content]))
    return from_bytes(name, kind, [1, len(kinds)], content)


def _flag(parameters: Parameters, name: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise MalformedBody(f"The parameter {name} must be true or false.")
    return value


def _classes(output: _Output) -> int:
    value = (output.parameters or {}).get(CLASSIFICATION, 0)
    if type(value) is not int or value < (CLASSIFICATION in (output.parameters or {})):
        raise MalformedBody(f"The parameter {CLASSIFICATION} must be a whole number from 1 on.")
    return value


def _written(tensor: Tensor, raw: bytes | None) -> dict[str, Any]:
    about = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
    if raw is not None:
        return {**about, "parameters": {SIZE: len(raw)}}
    values = tensor.values
    return {**about, "data": plain(values) if tensor.datatype == BYTES else values}
