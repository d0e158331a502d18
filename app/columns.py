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
from app.signature import NUMBERS, Array, Datatype, Feature, Signature, Tensors

Column = Sequence[Any] | Array
"""Python values as JSON has them, or an array; a masked one, or one of objects with None, where values are missing."""


@dataclass(frozen=True)
class Table:
    """The columns of a request, all of one length. `records` makes rows of them, as JSON would have brought them.

    `numbers` may stand for the columns of the numeric features: float64 [rows, features], NaN where one is missing.
    """

    columns: Mapping[str, Column]
    rows: int
    records: Callable[[], list[Any]]
    numbers: Array | None = None


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
    features = signature.features if given.numbers is None else signature.strings
    expected = {feature.name for feature in features} | ({terms.key_field} if terms.keyed else set())
    if expected != set(given.columns) or len(expected) < len(features) + terms.keyed:
        return None
    tensors: dict[str, Array] = {}
    for name, features in signature.inputs.items():
        if name == NUMBERS and given.numbers is not None:
            tensor = _matrix(signature, given.numbers)
        else:
            columns = [given.columns[feature.name] for feature in features]
            tensor = _numbers(signature, columns) if name == NUMBERS else _strings(features, columns)
        if tensor is None:
            return None
        tensors[name] = tensor
    return tensors


def _numbers(signature: Signature, given: Sequence[Column]) -> Array | None:
    """Columns as float64 [rows, features], NaN where missing; None if a value is not one that its feature takes."""
    block = np.empty((len(given), len(given[0])))  # by column, as they come and are checked; turned at the end
    missing = np.zeros(len(given), np.int64)
    for index, (feature, column) in enumerate(zip(signature.numbers, given, strict=True)):
        read = _floats(feature, column)
        if read is None:
            return None
        block[index], missing[index] = read
    return np.ascontiguousarray(block.T) if _fine(signature, block, missing) else None


def _matrix(signature: Signature, values: Array) -> Array | None:
    """The same of numbers that are one matrix already."""
    return values if _fine(signature, values.T, np.isnan(values).sum(axis=0)) else None


def _fine(signature: Signature, block: Array, missing: Array) -> bool:
    """Whether every number of a block [features, rows] is one that its feature takes."""
    if missing.any() and any(count and not one.nullable for count, one in zip(missing, signature.numbers, strict=True)):
        return False
    return _within(signature, block, missing) and all(_listed(one, block[index]) for index, one in signature.listed)


def _within(signature: Signature, block: Array, missing: Array) -> bool:
    """Whether every number is in its feature's range, and NaN where it is missing only."""
    holes = bool(missing.any())
    least, most = (np.fmin, np.fmax) if holes else (np.minimum, np.maximum)  # only the former look past NaN
    low, high = signature.ranges
    fine = (least.reduce(block, axis=1) >= low) & (most.reduce(block, axis=1) <= high) | (missing == block.shape[1])
    return bool(fine.all()) and not (holes and (np.isnan(block).sum(axis=1) != missing).any())


def _listed(feature: Feature, values: Array) -> bool:
    """Whether numbers are of the categories, where only those are valid, and whole, where they must be."""
    present = values[~np.isnan(values)]
    if feature.closed:
        return bool(np.isin(present, feature.categories).all())
    if feature.datatype is Datatype.BOOL:
        return bool(np.isin(present, (0, 1)).all())
    return bool((present == np.rint(present)).all())


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


def _strings(features: Sequence[Feature], given: Sequence[Column]) -> Array | None:
    """Columns as objects [rows, features], or None if a value is not one that its feature takes."""
    tensor = np.empty((len(given[0]), len(features)), np.object_)
    for index, (feature, column) in enumerate(zip(features, given, strict=True)):
        values = plain(column)
        if not _texts(feature, values):
            return None
        tensor[:, index] = values
    marked(tensor)
    return tensor


def _texts(feature: Feature, values: Sequence[Any]) -> bool:
    """Whether all are text that the feature takes; None, if it may be missing."""
    if not set(map(type, values)) <= ({str, type(None)} if feature.nullable else {str}):
        return False
    different = set(values)
    if feature.closed and not different <= {None, *feature.categories}:
        return False
    return all(map(faults.is_text, different - {None}))


def plain(column: Column) -> Sequence[Any]:
    """The values of a column as Python has them."""
    return column.tolist() if isinstance(column, np.ndarray) else column


def _records(columns: Mapping[str, Column]) -> list[Any]:
    values = [plain(column) for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
