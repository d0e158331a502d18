"""Data frames as MLflow and SageMaker write them down in JSON, JSON Lines or as an array, each as a table.

What no model's feature is named after is left out, as those servers do, but for the key; NaN is a missing value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import orjson

from app import columns, faults
from app.codec import bounded
from app.columns import Column, Table
from app.errors import Fault, InvalidRequest, MalformedBody, choices, quoted
from app.signature import Datatype, Feature, Signature
from app.words import type_name

SPLIT, RECORDS, INSTANCES, INPUTS, COLUMNS = "dataframe_split", "dataframe_records", "instances", "inputs", "columns"
PARAMETERS = ("params", "parameters")

NOT_A_TIME = "NaT"
"""What pandas writes for a missing time, which to a model is a number if it is anything."""


class Frame(NamedTuple):
    """A table, and what was said beside it of the decision."""

    table: Table
    parameters: Mapping[str, float] | None = None


def of_json(signature: Signature, content: bytes) -> Frame:
    """The frame of a document of JSON, whichever of the forms it has. Raises MalformedBody or InvalidRequest."""
    document = _parsed(content)
    if isinstance(document, list) and document and all(isinstance(row, list) for row in document):
        return Frame(_positional(signature, document))
    if not isinstance(document, dict):
        raise _wrong(f"The body must be an object with one of {', '.join(_FORMS)}, and is {type_name(document)}.")
    beside = [name for name in document if name not in _FORMS]
    if unknown := next((name for name in beside if name not in PARAMETERS), None):
        raise _wrong(f"There is nothing that {quoted(unknown)} says here.{choices(unknown, [*_FORMS, PARAMETERS[0]])}")
    forms = [name for name in document if name in _FORMS]
    if len(forms) != 1:
        raise _wrong(f"The body must have exactly one of {', '.join(_FORMS)}, and has {' and '.join(forms) or 'none'}.")
    (form,) = forms
    parameters = _parameters(signature, [document[name] for name in beside])
    return Frame(_FORMS[form](form, document[form]), parameters)


def of_lines(signature: Signature, content: bytes) -> Table:
    """The table of lines of JSON, each an object, or else each a list in the order of the features."""
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not lines:
        raise MalformedBody("The body is empty; send a row of JSON in each line.")
    rows = _parsed(b"[%b]" % b",\n".join(lines))
    if len(rows) != len(lines):
        raise MalformedBody("Each line must be one row, and one of them is not.")
    return _positional(signature, rows) if isinstance(rows[0], list) else _records("the lines", rows)


def of_array(signature: Signature, content: bytes, max_rows: int) -> Table:
    """The table of a numpy file (.npy): numbers, [rows, features] in their order. Raises TooLarge too."""
    shape, by_column, dtype, start = _header(content)
    names = [feature.name for feature in signature.features]
    if dtype.kind not in "biuf" or len(shape) != 2 or shape[1] != len(names):
        raise _wrong(f"The array must be numbers of the shape (rows, {len(names)}), and is {shape} of {dtype}.")
    bounded(shape[0], max_rows)
    if len(content) - start != shape[0] * shape[1] * dtype.itemsize:
        raise MalformedBody("The array has more or fewer bytes than its shape says.")
    values = np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if by_column else "C")
    return columns.table(dict(zip(names, values.T, strict=True)))


def narrowed(signature: Signature, given: Table) -> Table:
    """The features of a table, and the keys if it has them, with None where a value is missing."""
    known: dict[str, Feature | None] = {feature.name: feature for feature in signature.features}
    known[signature.key] = None

    def records() -> list[Any]:
        return [
            {name: _present(known[name], value) for name, value in row.items() if name in known}
            if isinstance(row, dict)
            else row
            for row in given.records()
        ]

    there = {name: column for name, column in given.columns.items() if name in known}
    return Table({name: _filled(known[name], column) for name, column in there.items()}, given.rows, records)


def check_names(signature: Signature, given: Table) -> None:
    """Raises InvalidRequest if a table that has columns lacks some of the model's."""
    missing = [feature.name for feature in signature.features if feature.name not in given.columns]
    if given.columns and missing:
        raise _wrong(f"The columns {', '.join(map(quoted, missing[:20]))} are missing.", "missing_field")


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return faults.parse(content)  # knows NaN, and says what is wrong


def _parameters(signature: Signature, said: Sequence[Any]) -> Mapping[str, float] | None:
    """What the members beside a frame say; None and what the model has no use for are left out."""
    found: dict[str, Any] = {}
    for one in said:
        if not isinstance(one, dict | None):
            raise InvalidRequest(faults.in_parameters(one, {}))
        found |= {name: value for name, value in (one or {}).items() if name in signature.parameters}
    if wrong := faults.in_parameters(found, signature.parameters):
        raise InvalidRequest(wrong)
    return found or None


def _split(form: str, given: Any) -> Table:
    """`{"columns": […], "data": [[…], …]}`; an index is nothing to a model."""
    if not isinstance(given, dict) or not isinstance(given.get("data"), list):
        raise _wrong(f"{form} must be an object with lists 'columns' and 'data'.")
    if unknown := next((name for name in given if name not in ("columns", "data", "index")), None):
        raise _wrong(f"{form} has columns, data and index, and no {quoted(unknown)}.")
    names = given.get("columns")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise _wrong(f"{form} must name its columns: the model takes them by name.")
    return _rows(form, names, given["data"])


def _rows(form: str, names: Sequence[str], rows: Sequence[Any]) -> Table:
    columns.unique(names)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise _wrong(f"{form}: row {number} must be a list of {len(names)} values.", "wrong_shape")
    return columns.table(dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True)))


def _positional(signature: Signature, rows: Sequence[Any]) -> Table:
    return _rows("the body", [feature.name for feature in signature.features], rows)


def _records(form: str, rows: Any) -> Table:
    """`[{name: value, …}, …]`. Where rows differ in their names, they are looked at one by one."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _wrong(f"{form} must be a list of objects: the model takes its values by name.")
    names = rows[0].keys() if rows else ()
    same = all(row.keys() == names for row in rows)
    return Table({name: [row[name] for row in rows] for name in names} if same else {}, len(rows), lambda: rows)


def _columnar(form: str, given: Any) -> Table:
    """`{name: [value, …], …}`."""
    if not isinstance(given, dict) or not all(isinstance(values, list) for values in given.values()):
        raise _wrong(f"{form} must be an object of lists: the model takes its values by name.")
    if not given:
        raise _wrong(f"{form} has no columns: the model takes its values by name.", "missing_field")
    return columns.table(given)


_FORMS: Mapping[str, Callable[[str, Any], Table]] = {
    SPLIT: _split,
    RECORDS: _records,
    INSTANCES: _records,
    INPUTS: _columnar,
    COLUMNS: _columnar,
}


def _header(content: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns lie together, type, and where the values begin. Nothing is unpickled."""
    stream = BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return (*read(stream), stream.tell())
    except Exception as error:  # the header is a literal of Python: nearly anything may be wrong with it
        raise MalformedBody("The body is not an array of numpy, or is damaged or cut short.") from error


def _filled(feature: Feature | None, column: Column) -> Column:
    if not isinstance(column, np.ndarray):
        return [_present(feature, value) for value in column]
    if column.dtype.kind != "f":
        return column
    missing = np.ma.getmaskarray(column) | np.isnan(np.ma.getdata(column))
    return np.ma.MaskedArray(column, missing) if missing.any() else column


def _present(feature: Feature | None, value: Any) -> Any:
    """A value, or None where it says that there is none."""
    if isinstance(value, float) and value != value:
        return None
    return None if value == NOT_A_TIME and feature and feature.datatype is not Datatype.BYTES else value


def _wrong(message: str, code: str = "wrong_type") -> InvalidRequest:
    return InvalidRequest([Fault(code=code, message=message)])
