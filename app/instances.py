"""Instances: the rows of a JSON body as TensorFlow Serving, KServe and Vertex AI have them. Knows no transport.

An instance is an object of named values, a list of them in the signature's order or, where there is but one feature,
the value itself. A value may stand in a list of its own, as long as it does so in every row, and text may be
`{"b64": …}`. A missing number may be NaN as well as null.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app import columns, faults, schema
from app.codec import bounded
from app.columns import Table, Terms
from app.errors import Fault, InvalidRequest, MalformedBody, quoted
from app.faults import INSTANCES, PARAMETERS
from app.schema import Schema
from app.signature import Datatype, Feature, Signature
from app.words import expectation, type_name

B64 = "b64"
INPUTS = "inputs"


def parse(content: bytes, *, beyond: bool = False) -> dict[str, Any]:
    """The object in a body, with NaN and Infinity where it says so; with `beyond` whatever follows it is ignored.

    Raises MalformedBody.
    """
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = faults.parse(content, beyond=beyond)
    if not isinstance(document, dict):
        raise MalformedBody(f"The body must be an object, and is {type_name(document)}.")
    return document


def by_row(signature: Signature, given: Any, max_rows: int, *, exact: bool, member: str = INSTANCES) -> Table:
    """The table of a list of instances. With `exact`, named integers are written without a fraction, not even `.0`.

    Raises TooLarge or InvalidRequest.
    """
    if not isinstance(given, list) or not given:
        raise _invalid("wrong_type", member, "a list of at least one row", given)
    bounded(len(given), max_rows)
    kinds = {type(one) if type(one) in (dict, list) and not _is_b64(one) else None for one in given}
    if len(kinds) > 1:
        raise InvalidRequest([Fault(code="wrong_shape", message="The rows are not all of one kind.")])
    rows = [_named(signature, number, one) for number, one in enumerate(given)]
    names = rows[0].keys() if isinstance(rows[0], dict) else {}.keys()
    if not names or not all(isinstance(row, dict) and row.keys() == names for row in rows):
        return Table({}, len(rows), lambda: [_unboxed(row) for row in rows])
    unnamed = kinds == {list} and len(signature.features) > 1
    return _table(signature, {name: [row[name] for row in rows] for name in names}, exact=exact and not unnamed)


def by_column(signature: Signature, given: Any, max_rows: int) -> Table:
    """The table of an object of columns; a single one may stand alone. Others than are asked for are ignored.

    Raises TooLarge or InvalidRequest.
    """
    features = signature.features
    if len(features) == 1 and isinstance(given, list):
        given = {features[0].name: given}
    if not isinstance(given, dict):
        raise _invalid("wrong_type", INPUTS, "an object of columns", given)
    wanted = [*(feature.name for feature in features), *([signature.key] if signature.key in given else [])]
    if missing := [feature for feature in features if feature.name not in given]:
        raise InvalidRequest([_missing(feature) for feature in missing])
    for name in wanted:
        if not isinstance(given[name], list):
            raise _invalid("wrong_type", name, "a list with a value for each row", given[name])
        bounded(len(given[name]), max_rows)
    return _table(signature, {name: given[name] for name in wanted}, exact=True)


def terms(signature: Signature, document: Mapping[str, Any], given: Table, max_rows: int, key_field: str) -> Terms:
    """How a table is to be read: with keys, if any row has one, and with what the request says of the decision.

    Raises InvalidRequest if that is wrong. A model that lets a request say nothing passes over its parameters.
    """
    parameters = document.get(PARAMETERS) if signature.adjustable else None
    if parameters is not None and (found := faults.in_parameters(parameters, signature.adjustable)):
        raise InvalidRequest(found)
    keyed = key_field in given.columns
    if not given.columns:
        keyed = any(isinstance(row, dict) and key_field in row for row in given.records())
    return Terms(
        max_bytes=0,
        max_rows=max_rows,
        keyed=keyed,
        key_field=key_field if keyed else "",
        parameters=parameters or None,
    )


def described(signature: Signature) -> Schema:
    """The schema of an instance that is an object, with its key or without."""
    row = schema.row(signature)
    return {**row, "properties": {signature.key: schema.KEY, **row["properties"]}}


def _named(signature: Signature, number: int, instance: Any) -> Any:
    """An instance by the names of its features; what is none is left as it is. Raises InvalidRequest."""
    names = [feature.name for feature in signature.features]
    if type(instance) is list:
        if len(instance) != len(names):
            message = f"row {number}: there are {len(instance)} values, and {len(names)} features."
            raise InvalidRequest([Fault(code="wrong_shape", message=message, row=number)])
        return dict(zip(names, instance, strict=True))
    bare = len(names) == 1 and (type(instance) is not dict or _is_b64(instance))
    return {names[0]: instance} if bare else instance


def _table(signature: Signature, given: Mapping[str, Sequence[Any]], *, exact: bool) -> Table:
    features = {feature.name: feature for feature in signature.features}
    return columns.table({name: _column(name, features.get(name), one, exact=exact) for name, one in given.items()})


def _column(name: str, feature: Feature | None, values: Sequence[Any], *, exact: bool) -> Sequence[Any]:
    """The values of a column as the codec reads them. Raises InvalidRequest."""
    kinds = set(map(type, values))
    if list in kinds:
        if kinds != {list} or set(map(len, values)) != {1}:
            shown = quoted(name)
            message = f"{shown} must have one value for each row, all of them bare or all in a list of their own."
            raise InvalidRequest([Fault(code="wrong_shape", message=message, field=shown[1:-1])])
        values = [value for (value,) in values]
        kinds = set(map(type, values))
    if dict in kinds:
        values = [_text(name, value) if _is_b64(value) else value for value in values]
    if feature and feature.nullable and float in kinds:
        values = [None if value != value else value for value in values]
    if feature and exact and feature.datatype is Datatype.INT64:
        _check_integers(feature, values)
    return values


def _check_integers(feature: Feature, values: Sequence[Any]) -> None:
    number = next((number for number, value in enumerate(values) if type(value) is float), None)
    if number is not None:
        raise _invalid("wrong_type", feature.name, expectation(feature), values[number], number)


def _unboxed(row: Any) -> Any:
    """A row that is not like the others, for whoever says what is wrong with it."""
    if not isinstance(row, dict):
        return row
    bare = {name: value[0] if type(value) is list and len(value) == 1 else value for name, value in row.items()}
    return {name: _text(name, value) if _is_b64(value) else value for name, value in bare.items()}


def _is_b64(value: Any) -> bool:
    return type(value) is dict and len(value) == 1 and type(value.get(B64)) is str


def _text(name: str, value: Mapping[str, str]) -> str:
    """The text whose bytes these are. Raises InvalidRequest."""
    try:
        return b64decode(value[B64], validate=True).decode()
    except (binascii.Error, ValueError) as error:
        shown = quoted(name)
        message = f"{shown} must be text in UTF-8 whose bytes are in base64, and holds a {B64} that is not."
        raise InvalidRequest([Fault(code="wrong_type", message=message, field=shown[1:-1])]) from error


def _missing(feature: Feature) -> Fault:
    expected = expectation(feature)
    message = f"'{feature.name}' is missing; expected {expected} for each row."
    return Fault(code="missing_field", message=message, field=feature.name, expected=expected)


def _invalid(code: str, field: str, expected: str, value: Any, row: int | None = None) -> InvalidRequest:
    where = "" if row is None else f"row {row}: "
    got = "an empty list" if value == [] else type_name(value)
    message = f"{where}{quoted(field)} must be {expected}, and is {got}."
    return InvalidRequest([Fault(code=code, message=message, row=row, field=field, expected=expected, got=got)])
