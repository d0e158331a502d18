"""What a caller has, as rows or as columns, cut into bodies that the native protocol takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from app.errors import Fault, InvalidRequest
from app.extras import pyarrow as pa

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"


class Body(NamedTuple):
    content: bytes
    media_type: str
    query: Mapping[str, str]


@dataclass(frozen=True)
class Rows:
    """Rows as mappings. They go as JSON, in which each keeps what is wrong with it."""

    rows: Sequence[Any]

    def __len__(self) -> int:
        return len(self.rows)

    def keys(self, field: str) -> list[Any]:
        return [_plain(row.get(field)) if isinstance(row, Mapping) else None for row in self.rows]

    def body(self, first: int, last: int, members: Mapping[str, Any], *, arrow: bool) -> Body:  # noqa: ARG002
        """The rows from `first` to before `last`, and the other members of the request."""
        return _json({**members, "instances": [_row(row) for row in self.rows[first:last]]})


@dataclass(frozen=True)
class Columns:
    """Columns of one length. They go as an Arrow stream where it holds them."""

    columns: Mapping[str, Any]

    def __len__(self) -> int:
        return max(map(len, self.columns.values()), default=0)

    def keys(self, field: str) -> list[Any]:
        return _values(self.columns.get(field, ()))

    def body(self, first: int, last: int, members: Mapping[str, Any], *, arrow: bool) -> Body:
        """As that of rows. Parameters have their place in JSON only, where a wrong name is refused."""
        part = {name: column[first:last] for name, column in self.columns.items()}
        stream = _stream(part) if arrow and "parameters" not in members else None
        if stream is None:
            return _json({**members, "columns": {name: _values(column) for name, column in part.items()}})
        return Body(stream, ARROW, members)


def batch(data: Any) -> Rows | Columns:
    """Rows of mappings, a mapping of columns, or a data frame. Raises InvalidRequest or TypeError."""
    if not (isinstance(data, Mapping) or hasattr(data, "columns")):
        return Rows(data if isinstance(data, Sequence) else list(data))
    columns = {str(name): _column(data[name]) for name in (data if isinstance(data, Mapping) else data.columns)}
    if len({len(column) for column in columns.values()}) > 1:
        raise InvalidRequest([Fault(code="wrong_shape", message="The columns differ in length.")])
    return Columns(columns)


def named(values: Any, names: Sequence[str]) -> Columns:
    """The columns of an array [rows, features]. Raises InvalidRequest."""
    if values.ndim != 2 or values.shape[1] != len(names):
        message = f"An array must have the shape (rows, {len(names)}), and has {values.shape}."
        raise InvalidRequest([Fault(code="wrong_shape", message=message)])
    return Columns(dict(zip(names, values.T, strict=True)))


def _column(values: Any) -> Any:
    """A column that can be cut, with nothing but None and NaN where a value is missing."""
    if isinstance(values, list | tuple):
        return values
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError("A mapping is of columns, each of them a list or an array; rows go as a list of mappings.")
    column = np.array(values)
    if column.dtype == object and hasattr(values, "isna"):
        column[np.asarray(values.isna())] = None
    return column


def _row(row: Any) -> Any:
    return {name: _plain(value) for name, value in row.items()} if isinstance(row, Mapping) else row


def _values(column: Any) -> list[Any]:
    return [_plain(value) for value in (column.tolist() if isinstance(column, np.ndarray) else column)]


def _plain(value: Any) -> Any:
    """A value as JSON has it. NaN is a missing value to whoever works with arrays; infinity is said, and refused."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and value != value else value


def _json(document: Mapping[str, Any]) -> Body:
    return Body(json.dumps(document, separators=(",", ":")).encode(), JSON, {})


def _stream(columns: Mapping[str, Any]) -> bytes | None:
    """An Arrow stream; None if it cannot hold a column, as of several types, of which the server says what is wrong."""
    try:
        table = pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()})
    except (pa.ArrowException, OverflowError, UnicodeError):
        return None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
