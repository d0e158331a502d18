"""Tables of Arrow: their columns as arrays, without a copy where there need be none, and answers as such a table."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Any

import numpy as np

from app import columns
from app.codec import bounded
from app.columns import Column, Table, Terms
from app.errors import Fault, InvalidRequest, MalformedBody, ServingError, TooLarge, quoted
from app.extras import pyarrow as pa
from app.media import Answer
from app.predictor import Model
from app.signature import Array
from app.words import expectation


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Where hostile bytes are taken apart: whatever that raises becomes MalformedBody."""
    try:
        yield
    except ServingError:
        raise
    except (Exception, MemoryError) as error:  # pyarrow raises of its own, and of Python's nearly all
        raise MalformedBody(f"The body is not {what}, or is damaged or cut short.") from error


def collected(batches: Any, schema: Any, terms: Terms) -> Any:
    """The record batches of a reader as one valid table. Raises TooLarge before the limit is passed."""
    read, rows = [], 0
    for batch in batches:
        rows += batch.num_rows
        bounded(rows, terms.max_rows)
        batch.validate(full=True)
        read.append(batch)
    return pa.Table.from_batches(read, schema)


def taken(model: Model, table: Any, terms: Terms) -> Table:
    """The columns of a table of Arrow. Raises TooLarge or InvalidRequest."""
    columns.unique(table.column_names)
    unreadable = {kind for kind in set(table.schema.types) if not _readable(kind)}
    if unreadable:
        table = _without(model, table, unreadable, terms)
    read = dict(zip(table.column_names, (_column(column, terms.max_bytes) for column in table.columns), strict=True))
    return Table(read, table.num_rows, table.to_pylist)


def _without(model: Model, table: Any, unreadable: Set[Any], terms: Terms) -> Any:
    """The table with nothing in its unreadable columns: none is a field of the model, so their values do not matter.

    Raises InvalidRequest if one is.
    """
    expected = {feature.name: expectation(feature) for feature in model.signature.features}
    if terms.keyed:
        expected[terms.key_field] = "text or integers"
    found = [(index, field) for index, field in enumerate(table.schema) if field.type in unreadable]
    if wrong := [field for _, field in found if field.name in expected]:
        raise InvalidRequest([_wrong_type(field, expected[field.name]) for field in wrong])
    for index, field in found:
        table = table.set_column(index, field.name, pa.nulls(table.num_rows))
    return table


def answered(answer: Answer) -> Any:
    """An answer as a table of Arrow. The metadata of its schema say which model made it."""
    flat = {name: _array(column) for name, column in answer.columns().items()}
    split = {"split": answer.split.said} if answer.split else {}
    return pa.table(flat).replace_schema_metadata({**answer.model.identity, **split})


def _readable(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    types = pa.types
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return text or _numeric(kind) or types.is_boolean(kind) or types.is_null(kind)


def _numeric(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _column(column: Any, max_bytes: int) -> Column:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _looked_up(column, max_bytes)
    if not _numeric(kind):
        return _values(column, max_bytes)
    whole = column.chunk(0) if column.num_chunks == 1 else column
    values: Array = whole.to_numpy(zero_copy_only=False)
    if not column.null_count:
        return values
    return np.ma.MaskedArray(values, column.is_null().to_numpy())


def _looked_up(column: Any, max_bytes: int) -> list[Any]:
    """The values of a dictionary-encoded column, each of them made once, however often it stands there."""
    values: list[Any] = []
    size = 0
    for chunk in column.chunks:
        words = np.array([*_values(chunk.dictionary, max_bytes), None], dtype=np.object_)
        found = words[chunk.indices.fill_null(len(words) - 1).to_numpy()].tolist()
        size += sum(len(value) for value in found if isinstance(value, str))
        _small(size, max_bytes)
        values += found
    return values


def _values(column: Any, max_bytes: int) -> list[Any]:
    """Values as Python has them. Views may show the same text many times over, which is then made as often."""
    if pa.types.is_string_view(column.type):
        _small(sum(len(value.as_buffer() or b"") for value in column if value.is_valid), max_bytes)
    values: list[Any] = column.to_pylist()
    return values


def _small(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise TooLarge(f"The text of a column is larger than {max_bytes} bytes; send the rows in parts.")


def _wrong_type(field: Any, expected: str) -> Fault:
    message = f"the column {quoted(field.name)} must be {expected}, and is {field.type}."
    return Fault(
        code="wrong_type",
        message=message,
        field=quoted(field.name)[1:-1],
        expected=expected,
        got=quoted(str(field.type))[1:-1],
    )


def _array(column: Column) -> Any:
    """A column of an answer. Keys or labels of several types, such as 1 and "a", are text everywhere."""
    if isinstance(column, np.ndarray) and column.dtype != np.object_:
        return pa.array(column)
    values = columns.plain(column)
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        values = [value if value is None else str(value) for value in values]
    return pa.array(values)
