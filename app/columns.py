"""Columns to tensors, checked whole columns at a time.

When a check fails, rows are made of the columns and `app.faults` says what is wrong with them: a request has the same
faults whatever format it came in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app import faults
from app.codec import Batch, Codec, Key, bounded, marked
from app.errors import Fault, InvalidRequest
from app.signature import NUMBERS, STRINGS, Array, Datatype, Feature, Signature, Tensors

Column = Sequence[Any] | Array
"""Python values as JSON has them, or an array; a masked one, or one of objects with None, where values are missing."""


@dataclass(frozen=True)
class Table:
    """The columns of a request, all of one length. `records` makes rows of them, as JSON would have brought them."""

    columns: Mapping[str, Column]
    rows: int
    records: Callable[[], list[Any]]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a request is to be read: under which limits, and with keys in which field, if with any.

    `parameters` are what its query says of the decision.
    """

    max_bytes: int
    max_rows: int
    keyed: bool
    key_field: str
    parameters: Mapping[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the graph takes for the good rows of a request, their keys beside it, and the faults of the others by key.

    `rows` counts the good ones. `parameters` are what the body says of the decision.
    """

    tensors: Tensors
    rows: int
    key_field: str = ""
    keys: Sequence[Key] = ()
    errors: Mapping[Key, Sequence[Fault]] = field(default_factory=dict)
    parameters: Mapping[str, float] | None = None


def table(columns: Mapping[str, Column]) -> Table:
    """A table of columns that hold their values as they are. Raises InvalidRequest if they differ in length."""
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise InvalidRequest([Fault(code="wrong_shape", message="The columns differ in length.")])
    return Table(columns, max(lengths, default=0), lambda: _records(columns))


def unique(names: Sequence[str]) -> None:
    """Raises InvalidRequest if a column is there twice."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidRequest([faults.duplicate_field(name) for name in twice])


def question(codec: Codec, given: Table, terms: Terms) -> Question:
    """What the graph takes for a table. Raises TooLarge or InvalidRequest, as the codec does for rows of JSON."""
    bounded(given.rows, terms.max_rows)
    if not given.rows:
        raise InvalidRequest([Fault(code="no_rows", message="There are no rows to predict.")])
    keys = _keys(codec.signature, given, terms) if terms.keyed else ()
    tensors = None if keys is None else _tensors(codec.signature, given, terms)
    if keys is None or tensors is None:
        return _sifted(codec, given, terms)
    return Question(tensors=tensors, rows=given.rows, key_field=terms.key_field, keys=keys)


def _sifted(codec: Codec, given: Table, terms: Terms) -> Question:
    """The rows one by one: either a refusal with every fault, or the good ones and the faults of the others."""
    return asked(codec, codec.sifted(given.records(), terms.key_field if terms.keyed else None))


def asked(codec: Codec, batch: Batch) -> Question:
    """What the graph takes for rows that were decoded one by one."""
    return Question(
        tensors=codec.tensors(batch.rows),
        rows=len(batch.rows),
        key_field=batch.key_field,
        keys=batch.keys,
        errors=batch.errors,
        parameters=batch.parameters,
    )


def _keys(signature: Signature, given: Table, terms: Terms) -> Sequence[Key] | None:
    """The keys, or None if something is wrong with them."""
    if faults.in_key_field(signature, terms.key_field):
        return None
    keys = plain(given.columns.get(terms.key_field, ()))
    fine = len(set(map(_hashable, keys))) == given.rows and all(map(faults.is_key, keys))
    return keys if fine else None


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int) else None


def _tensors(signature: Signature, given: Table, terms: Terms) -> dict[str, Array] | None:
    """What the graph takes, or None if anything is wrong."""
    expected = {feature.name for feature in signature.features} | ({terms.key_field} if terms.keyed else set())
    if expected != set(given.columns) or len(expected) < len(signature.features) + terms.keyed:
        return None
    tensors: dict[str, Array] = {}
    for name, features in signature.inputs.items():
        read = _numbers if name == NUMBERS else _strings
        tensor = np.empty((given.rows, len(features)), np.float64 if name == NUMBERS else np.object_)
        for index, feature in enumerate(features):
            values = read(feature, given.columns[feature.name])
            if values is None:
                return None
            tensor[:, index] = values
        tensors[name] = tensor
    if STRINGS in tensors:
        marked(tensors[STRINGS])
    return tensors


def _numbers(feature: Feature, column: Column) -> Array | None:
    """A column as float64 with NaN for what is missing, or None if a value is not one that the feature takes."""
    read = _floats(feature, column)
    if read is None:
        return None
    values, missing = read
    if missing and not feature.nullable:
        return None
    absent = np.isnan(values)
    if np.count_nonzero(absent) != missing:
        return None
    return values if _valid(feature, values[~absent] if missing else values) else None


def _floats(feature: Feature, column: Column) -> tuple[Array, int] | None:
    """A column of the right type as float64, and how many of its values are missing."""
    if isinstance(column, np.ma.MaskedArray):
        absent = np.ma.getmaskarray(column)
        values, missing = np.where(absent, np.nan, column.data), int(absent.sum())
    elif isinstance(column, np.ndarray):
        values, missing = column, 0
    else:
        kinds = set(map(type, column)) - {type(None)}
        if not kinds <= ({bool} if feature.datatype is Datatype.BOOL else {int, float}):
            return None
        return _converted(column), column.count(None)
    kind = "b" if feature.datatype is Datatype.BOOL else "iuf"
    return (values.astype(np.float64, copy=False), missing) if column.dtype.kind in kind else None


def _converted(column: Sequence[Any]) -> Array:
    try:
        return np.array(column, dtype=np.float64)
    except OverflowError:  # an integer that no double holds
        return np.full(len(column), np.inf)


def _valid(feature: Feature, values: Array) -> bool:
    """Whether numbers of the right type, none of them NaN, are within what the feature takes."""
    if feature.datatype is Datatype.BOOL or not len(values):
        return True
    if feature.closed:
        return bool(np.isin(values, feature.categories).all())
    low, high = feature.range
    if not (values.min() >= low and values.max() <= high):
        return False
    return feature.datatype is not Datatype.INT64 or bool((values == np.rint(values)).all())


def _strings(feature: Feature, column: Column) -> Array | None:
    """A column as objects with None for what is missing, or None if a value is not one that the feature takes."""
    values = plain(column)
    if not set(map(type, values)) <= ({str, type(None)} if feature.nullable else {str}):
        return None
    different = set(values)
    if feature.closed and not different <= {None, *feature.categories}:
        return None
    if not all(map(faults.is_text, different - {None})):
        return None
    return np.array(values, dtype=np.object_)


def plain(column: Column) -> Sequence[Any]:
    """The values of a column as Python has them."""
    return column.tolist() if isinstance(column, np.ndarray) else column


def _records(columns: Mapping[str, Column]) -> list[Any]:
    values = [plain(column) for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
