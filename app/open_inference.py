"""A model as the Open Inference Protocol sees it: an input per feature, an output per answer. Knows no transport.

An input is a column, [rows] or [rows, 1], of any datatype that holds its values exactly. Where all features are
numbers, or all are texts, one input of another name may bring them all: [rows, features], in the signature's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import orjson

from app import columns, faults
from app.codec import Batch, bounded
from app.columns import Column, Question, Table, Terms
from app.errors import Fault, InvalidRequest, choices, quoted
from app.media import Answer, texts
from app.predictor import Model
from app.signature import Array, Datatype, Feature, Output, Ranking, Signature, Subset
from app.tensors import BOOL, BYTES, NUMPY, Tensor
from app.traffic import VERSION
from app.words import expectation

PLATFORM = "onnx_onnxv1"

KEY_FIELD = "key_field"
"""The parameter of a request that names the input with the keys, where it is not the contract's."""

MISSING_TEXT = "missing_text"
"""The parameter of a request that says which text stands for a missing one: BYTES have no null."""

ANY = -1
"""A length that the request decides."""

_SHAPE = "The input {} must have the shape [rows] or [rows, 1]"
_TYPE = "The input '{}' must be of {}"
_DATATYPES = {str: Datatype.BYTES, bool: Datatype.BOOL, int: Datatype.INT64, float: Datatype.FP64}


class Described(NamedTuple):
    """A tensor without its values."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Wanted(NamedTuple):
    """An output that a request asks for; with `classes`, as the texts of so many of its highest values."""

    name: str
    classes: int = 0


def inputs(signature: Signature) -> list[Described]:
    return [Described(feature.name, feature.datatype, (ANY, 1)) for feature in signature.features]


def outputs(signature: Signature) -> list[Described]:
    return [described for output in signature.answers for described in _described(output)]


def properties(model: Model) -> dict[str, str]:
    """What else there is to know of a model: its digest, the input that may bring keys, and what columns stand for."""
    named = {
        f"{output.name}.columns": orjson.dumps(output.columns).decode()
        for output in model.signature.answers
        if output.columns
    }
    return {"digest": model.digest, "kind": model.signature.kind, "key": model.signature.key, **named}


def table(
    signature: Signature, tensors: Sequence[Tensor], parameters: Mapping[str, Any], max_rows: int
) -> tuple[Table, Terms]:
    """What some tensors ask, and how it is to be read. Raises TooLarge or InvalidRequest."""
    columns.unique([tensor.name for tensor in tensors])
    given = {tensor.name: tensor for tensor in tensors}
    key_field = _key_field(signature, given, parameters)
    keys = given.pop(key_field, None)
    decision = {name: value for name, value in parameters.items() if name in signature.parameters}
    whole = _whole(signature, given)
    given = _parted(signature, whole) if whole else given
    found = faults.in_parameters(decision, signature.parameters)
    found += _in_names(signature, given) + _in_shapes([*given.values(), keys] if keys else given.values())
    if found:
        raise InvalidRequest(found)
    beside = {key_field: keys.values} if keys else {}
    rows = _rows([*given.values(), keys] if keys else given.values())
    bounded(rows, max_rows)
    missing = parameters.get(MISSING_TEXT)
    texts = {feature.name: _column(feature, given[feature.name].values, missing) for feature in signature.strings}
    terms = Terms(
        max_bytes=0,
        max_rows=max_rows,
        keyed=bool(keys),
        key_field=key_field if keys else "",
        parameters=decision or None,
    )

    def records() -> list[Any]:
        numbers = {one.name: _column(one, given[one.name].values, missing) for one in signature.numbers}
        return columns.table({**texts, **numbers, **beside}).records()

    return Table({**texts, **beside}, rows, records, _matrix(signature, given, whole)), terms


def complete(asked: Batch | Question) -> None:
    """Raises InvalidRequest if a row is not good: a tensor has no place for what is wrong with one of its rows."""
    if asked.errors:
        found = [fault for some in asked.errors.values() for fault in some]
        raise InvalidRequest(found[: faults.MAX_FAULTS], len(found))


def check(signature: Signature, key_field: str, wanted: Sequence[Wanted]) -> None:
    """Raises InvalidRequest if an output is wanted twice, or there is none, or it has no numbers to compare."""
    columns.unique([one.name for one in wanted])
    known = {VERSION: BYTES, **({key_field: BYTES} if key_field else {})}
    known |= {output.name: output.datatype for output in outputs(signature)}
    for name, classes in wanted:
        if name not in known:
            raise _invalid("unknown_field", name, f"There is no output {quoted(name)}.{choices(name, known)}")
        if classes and known[name] in (BOOL, BYTES):
            message = f"The output {quoted(name)} is of {known[name]}, and only numbers have a classification."
            raise _invalid("wrong_type", name, message)


def answered(answer: Answer, wanted: Sequence[Wanted] = ()) -> list[Tensor]:
    """What a model answers: the tensors that are wanted, in that order; or all, the keys and the versions first."""
    found = {tensor.name: tensor for tensor in _tensors(answer)}
    if not wanted:
        return list(found.values())
    found = {VERSION: _versions(answer), **found}
    return [_classified(answer.model.signature, found[name], classes) for name, classes in wanted]


def _key_field(signature: Signature, given: Mapping[str, Tensor], parameters: Mapping[str, Any]) -> str:
    """The input with the keys, if there is one of that name. Raises InvalidRequest."""
    if KEY_FIELD not in parameters:
        return signature.key
    name = parameters[KEY_FIELD]
    if not isinstance(name, str) or name not in given:
        message = f"The parameter {KEY_FIELD} must name the input with the keys.{choices(str(name), given)}"
        raise _invalid("invalid_key", KEY_FIELD, message)
    if found := faults.in_key_field(signature, name):
        raise InvalidRequest(found)
    return name


def _whole(signature: Signature, given: Mapping[str, Tensor]) -> Tensor | None:
    """The only tensor, if its columns are to be all the features."""
    if len(given) != 1 or len(signature.inputs) != 1:
        return None
    (found,) = given.values()
    return None if any(feature.name == found.name for feature in signature.features) else found


def _parted(signature: Signature, whole: Tensor) -> dict[str, Tensor]:
    """A tensor for each feature."""
    names = [feature.name for feature in signature.features]
    rows, width = whole.shape if len(whole.shape) == 2 else (0, 0)
    if width != len(names):
        shape = f"[rows, {len(names)}], and has {list(whole.shape)}"
        message = f"The input {quoted(whole.name)} must have the shape {shape}; or send an input per feature."
        raise _invalid("wrong_shape", whole.name, message)
    return {name: Tensor(name, whole.datatype, (rows,), whole.values[index::width]) for index, name in enumerate(names)}


def _matrix(signature: Signature, given: Mapping[str, Tensor], whole: Tensor | None) -> Array | None:
    """All numbers as the graph takes them: the very memory of the request, where that is how they came."""
    if not signature.numbers:
        return None
    if whole:
        joined = np.reshape(whole.values, whole.shape)
    else:
        each = [given[feature.name].values for feature in signature.numbers]
        joined = np.concatenate(each).reshape(len(each), -1).T
    return np.ascontiguousarray(joined, np.float64)


def _rows(given: Iterable[Tensor]) -> int:
    """How many rows all have. Raises InvalidRequest."""
    lengths = {tensor.shape[0] for tensor in given}
    if len(lengths) > 1:
        raise InvalidRequest([Fault(code="wrong_shape", message="The inputs differ in their number of rows.")])
    return max(lengths)


def _in_shapes(given: Iterable[Tensor]) -> list[Fault]:
    """What is wrong with the shapes of columns."""
    return [
        _fault("wrong_shape", one.name, f"{_SHAPE.format(quoted(one.name))}, and has {list(one.shape)}.")
        for one in given
        if one.shape[1:] not in ((), (1,)) or not one.shape
    ]


def _in_names(signature: Signature, given: Mapping[str, Tensor]) -> list[Fault]:
    """What is wrong with the inputs that are there, but for their values."""
    features = {feature.name: feature for feature in signature.features}
    missing = [name for name in features if name not in given]
    strange = list(islice((name for name in given if name not in features), faults.MAX_FAULTS))
    found = [
        _fault("unknown_field", name, f"There is no input {quoted(name)}.{choices(name, missing or features)}")
        for name in strange
    ]
    found += [
        _fault("missing_field", name, f"The input '{name}' is missing; expected {expectation(features[name])}.")
        for name in missing
    ]
    return found + [
        _fault("wrong_type", name, f"{_TYPE.format(name, feature.datatype)}, and is of {given[name].datatype}.")
        for name, feature in features.items()
        if name in given and not _fits(feature, given[name].datatype)
    ]


def _fits(feature: Feature, datatype: str) -> bool:
    """Whether there may be values of a feature in a tensor."""
    if Datatype.BYTES in (feature.datatype, datatype):
        return feature.datatype == datatype
    return datatype != BOOL or feature.datatype is Datatype.BOOL


def _column(feature: Feature, values: Column, missing: Any) -> Column:
    """The values of a feature, those that are missing marked as columns do it."""
    if not isinstance(values, np.ndarray):
        said = feature.nullable and missing is not None
        return [None if value == missing else value for value in values] if said else values
    if values.dtype.kind != "f":
        return values.astype(np.bool_) if _binary(feature, values) else values
    absent = np.isnan(values)
    present = values.astype(np.bool_) if _binary(feature, values[~absent]) else values
    return np.ma.masked_array(present, absent) if feature.nullable and absent.any() else present


def _binary(feature: Feature, values: Array) -> bool:
    """Whether these are booleans that came as numbers."""
    return feature.datatype is Datatype.BOOL and bool(np.isin(values, (0, 1)).all())


def _described(output: Output) -> Iterator[Described]:
    if isinstance(output, Ranking):
        label, probability = _places(output)
        yield Described(label, _datatype(output), (ANY, ANY))
        yield Described(probability, Datatype.FP64, (ANY, ANY))
    else:
        shape = (ANY, len(output.columns)) if output.columns else (ANY,)
        yield Described(output.name, _datatype(output), shape)


def _places(output: Output) -> tuple[str, str]:
    return f"{output.name}.label", f"{output.name}.probability"


def _datatype(output: Output) -> str:
    """That of the classes, where they are all of one type; labels of several types are text."""
    kinds = {type(label) for label in output.classes}
    if not kinds or isinstance(output, Subset):
        return output.datatype
    return _DATATYPES[kinds.pop()] if len(kinds) == 1 else BYTES


def _tensors(answer: Answer) -> Iterator[Tensor]:
    question = answer.question
    if question.key_field:
        text = any(isinstance(key, str) for key in question.keys)
        yield _tensor(question.key_field, BYTES if text else "INT64", np.array(question.keys))
    if answer.split:
        yield _versions(answer)
    for output in answer.model.signature.answers:
        values = answer.outputs[output.name]
        if isinstance(output, Ranking):
            label, probability = _places(output)
            yield _labels(label, output, values["label"])
            yield _tensor(probability, Datatype.FP64, values["probability"])
        else:
            yield _labels(output.name, output, values)


def _versions(answer: Answer) -> Tensor:
    """Which version answered each row."""
    versions = [one.version for one in answer.versions] or [answer.model.version] * answer.question.rows
    return _tensor(VERSION, BYTES, np.array(versions))


def _labels(name: str, output: Output, values: Array) -> Tensor:
    datatype = _datatype(output)
    written = texts(output, values.ravel()).reshape(values.shape) if datatype == BYTES else values
    return _tensor(name, datatype, written)


def _tensor(name: str, datatype: str, values: Array) -> Tensor:
    if datatype != BYTES:
        values = np.ascontiguousarray(values, NUMPY[datatype])
    return Tensor(name, str(datatype), values.shape, values.ravel())


def _classified(signature: Signature, tensor: Tensor, count: int) -> Tensor:
    """The highest values of each row, the highest first, as `value:index` and, where it has a name, `:name`."""
    if not count:
        return tensor
    columns = next((one.columns for one in signature.answers if one.name == tensor.name), ())
    names = [f":{column}" for column in columns]
    rows = np.asarray(tensor.values).reshape(tensor.shape[0], -1)
    order = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    found = [
        f"{row[index]:f}:{index}{names[index] if names else ''}"
        for row, indices in zip(rows.tolist(), order.tolist(), strict=True)
        for index in indices
    ]
    return Tensor(tensor.name, BYTES, order.shape, found)


def _invalid(code: str, field: str, message: str) -> InvalidRequest:
    return InvalidRequest([_fault(code, field, message)])


def _fault(code: str, field: str, message: str) -> Fault:
    return Fault(code=code, field=quoted(field)[1:-1], message=message)
