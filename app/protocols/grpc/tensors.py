"""Messages to tensors and back: raw, or typed by a field for each kind of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from app import descriptions, open_inference
from app.codec import bounded
from app.errors import Fault, InvalidRequest, MalformedBody, quoted
from app.media import Answer
from app.open_inference import Wanted
from app.predictor import Model
from app.protocols.calls import Asked, asked
from app.protocols.grpc.messages import messages
from app.tensors import BYTES, Tensor, from_bytes, from_values, size, texts, to_bytes

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""Where the values of each datatype are; FP16 has no place of its own, and is raw always."""

CLASSIFICATION = "classification"


class Notes(NamedTuple):
    """What else a request says, and its answer is to be written by."""

    id: str
    raw: bool
    wanted: Sequence[Wanted]


def decode(model: Model, request: Any, length: int, max_rows: int) -> tuple[Asked, Notes]:
    """What a ModelInferRequest of so many bytes asks. Raises MalformedBody, TooLarge or InvalidRequest."""
    for given in request.inputs:
        _check(given, length, max_rows)
    raw = len(request.raw_input_contents) > 0
    tensors = list(_raw(request) if raw else map(_typed, request.inputs))
    given, terms = open_inference.table(model.signature, tensors, parameters(request.parameters), max_rows)
    wanted = [_wanted(output) for output in request.outputs]
    open_inference.check(model.signature, terms.key_field, wanted)
    found = asked(model.codec, given, terms)
    open_inference.complete(found)
    return found, Notes(request.id, raw, wanted)


def encode(answer: Answer, notes: Notes) -> Any:
    """A ModelInferResponse, in kind: raw to who asked raw."""
    tensors = open_inference.answered(answer, notes.wanted)
    outputs = [
        {"name": one.name, "datatype": one.datatype, "shape": one.shape} | ({} if notes.raw else _contents(one))
        for one in tensors
    ]
    return messages()["inference.ModelInferResponse"](
        model_name=answer.model.name,
        model_version=answer.model.version,
        id=notes.id,
        parameters={name: _parameter(value) for name, value in descriptions.said(answer).items()},
        outputs=outputs,
        raw_output_contents=map(to_bytes, tensors) if notes.raw else (),
    )


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """What parameters say; one without a value says nothing."""
    chosen = {name: (value, value.WhichOneof("parameter_choice")) for name, value in given.items()}
    return {name: getattr(value, choice) for name, (value, choice) in chosen.items() if choice}


def _parameter(value: str | float) -> Any:
    field = "string_param" if isinstance(value, str) else "double_param"
    return messages()["inference.InferParameter"](**{field: value})


def _check(given: Any, length: int, max_rows: int) -> None:
    """Raises TooLarge where there may be values for too many rows, before there is a list of them."""
    shape = tuple(given.shape)
    if size(given.name, given.datatype, shape) <= length:
        bounded(max(shape[:1], default=0), max_rows)


def _raw(request: Any) -> Iterator[Tensor]:
    contents = request.raw_input_contents
    if len(contents) != len(request.inputs):
        message = f"raw_input_contents has {len(contents)} entries, and there are {len(request.inputs)} inputs."
        raise MalformedBody(message)
    for given, content in zip(request.inputs, contents, strict=True):
        if given.contents.ListFields():
            message = f"The input {quoted(given.name)} has contents, and there are raw_input_contents too."
            raise MalformedBody(message)
        yield from_bytes(given.name, given.datatype, tuple(given.shape), content)


def _typed(given: Any) -> Tensor:
    shape, field = tuple(given.shape), FIELDS.get(given.datatype)
    if field is None:
        size(given.name, given.datatype, shape)
        raise _wrong(given.name, f"is of {given.datatype}, which comes in raw_input_contents only.")
    if strange := [found.name for found, _ in given.contents.ListFields() if found.name != field]:
        raise _wrong(given.name, f"is of {given.datatype}, whose values are in {field}, and has {strange[0]}.")
    values = getattr(given.contents, field)
    if len(values) == size(given.name, given.datatype, shape):
        values = texts(given.name, values) if given.datatype == BYTES else list(values)
    return from_values(given.name, given.datatype, shape, values)


def _contents(tensor: Tensor) -> dict[str, Any]:
    values = tensor.values.tolist() if isinstance(tensor.values, np.ndarray) else tensor.values
    if tensor.datatype == BYTES:
        values = [text.encode() for text in values]
    return {"contents": {FIELDS[tensor.datatype]: values}}


def _wanted(given: Any) -> Wanted:
    classes = parameters(given.parameters).get(CLASSIFICATION, 0)
    if type(classes) is not int or classes < 0:
        raise _wrong(given.name, "has a classification that is not a number from 0 on.", "output")
    return Wanted(given.name, classes)


def _wrong(name: str, what: str, kind: str = "input") -> InvalidRequest:
    shown = quoted(name)
    return InvalidRequest([Fault(code="wrong_type", field=shown[1:-1], message=f"The {kind} {shown} {what}")])
