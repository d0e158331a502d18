"""Rows as the model was trained on them, and the same rows as a client sends them: read from a sample, built back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd

from app.bundle import sha256
from app.signature import Array, Datatype, Feature, Scalar

Row = dict[str, Scalar | None]

BASE_ROWS = 16
"""Rows of the sample that hostile ones are made from."""


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, eq=False)
class SampleColumn:
    """One column of the sample: its values, what they are on the wire, and what stands for a missing one.

    `name` is what the contract calls it, `label` what the model does.
    """

    name: str
    label: Hashable
    values: pd.Series[Any]
    datatype: Datatype
    missing: Any

    def wire(self, positions: Array | None = None) -> list[Scalar | None]:
        """The values as JSON has them, None where they are missing."""
        taken = self.values if positions is None else self.values.iloc[positions]
        plain = _PLAIN[self.datatype]
        return [None if pd.isna(value) else plain(value) for value in taken.tolist()]

    def build(self, values: Sequence[Scalar | None]) -> pd.Series[Any]:
        """Values from the wire as a column of the sample's own dtype."""
        dtype = self.values.dtype
        typed = np.float32 if self.datatype is Datatype.FP32 else _as_it_is
        given = [self.missing if value is None else typed(value) for value in values]
        if isinstance(dtype, pd.CategoricalDtype) and not pd.Index(given).dropna().isin(dtype.categories).all():
            dtype = np.dtype(np.object_)  # as in pandas, where a column loses its categories to a value that is none
        elif isinstance(dtype, np.dtype) and dtype.kind in "iub" and None in values:
            dtype = np.dtype(np.object_ if dtype.kind == "b" else np.float64)
        return pd.Series(given, dtype=dtype, name=self.label)

    @property
    def categorical(self) -> bool:
        """Whether a model may take the values for categories."""
        return self.datatype not in (Datatype.FP32, Datatype.FP64)

    def distinct(self) -> tuple[Scalar, ...]:
        """The values that are there, as the wire has them, each once."""
        plain = _PLAIN[self.datatype]
        return tuple(plain(value) for value in self.values.dropna().unique())

    @property
    def holes(self) -> Array:
        found: Array = self.values.isna().to_numpy(dtype=bool)
        return found

    def numbers(self) -> Array:
        """The values that are there, as doubles."""
        found: Array = self.values[~self.holes].to_numpy(dtype=np.float64)
        return found


@dataclass(frozen=True)
class Form:
    """What a model takes its rows as: a DataFrame, a list of texts, or a 2-D array, a sparse one where `sparse` makes
    it, of `dtype` if that is known.
    """

    kind: Literal["frame", "array", "texts"]
    dtype: Any = None
    sparse: Callable[[Array], Any] = _as_it_is

    def of(self, frame: pd.DataFrame) -> Any:
        """These rows in this form. Integers become doubles where one is missing."""
        if self.kind == "frame":
            return frame
        if self.kind == "texts":
            return frame.iloc[:, 0].tolist()
        array = frame.to_numpy()
        holes = array.dtype.kind == "f" and bool(np.isnan(array).any())
        kept = self.dtype is None or (holes and self.dtype.kind in "iub")
        return self.sparse(array if kept else array.astype(self.dtype))


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of training data, in the form in which the model was fitted on them."""

    columns: tuple[SampleColumn, ...]
    form: Form

    def __len__(self) -> int:
        return len(self.columns[0].values)

    def rows(self, positions: Array) -> list[Row]:
        """The rows at these positions, as a client sends them."""
        names = [column.name for column in self.columns]
        values = (column.wire(positions) for column in self.columns)
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    def spread(self, count: int) -> list[Row]:
        """Up to that many rows, evenly spread over the sample, as a client sends them."""
        return self.rows(spread(len(self), count))

    def build(self, rows: Sequence[Row]) -> Any:
        """Rows from the wire as the model takes them."""
        frame = pd.DataFrame({c.label: c.build([row[c.name] for row in rows]) for c in self.columns})
        return self.form.of(frame)

    def features(self) -> tuple[Feature, ...]:
        """Names and datatypes; the rest of the contract is found by asking the model."""
        return tuple(Feature(name=column.name, datatype=column.datatype, nullable=True) for column in self.columns)

    def fingerprint(self) -> str:
        """The sha256 of all the values, by column."""
        return sha256(msgspec.json.encode({column.name: column.wire() for column in self.columns}))


def spread(count: int, wanted: int) -> Array:
    """Positions of up to `wanted` of `count` things, evenly spread."""
    found: Array = np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(int)) if count else np.arange(0)
    return found


_PLAIN: dict[Datatype, Any] = {
    Datatype.BOOL: bool,
    Datatype.BYTES: str,
    Datatype.INT64: int,
    Datatype.FP32: lambda value: float(str(np.float32(value))),
    Datatype.FP64: float,
}
