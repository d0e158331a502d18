"""Rows as the model was trained on them, and the same rows as a client sends them: read from a sample, built back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from app.bundle import sha256
from app.errors import similar
from app.signature import Array, Datatype, Feature, Scalar
from export.errors import ExportError

Row = dict[str, Scalar | None]

BASE_ROWS = 16
"""Rows of the sample that hostile ones are made from."""


@dataclass(frozen=True, eq=False)
class SampleColumn:
    """One column of the sample: its values, what they are on the wire, and what stands for a missing one."""

    name: str
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
        given = [self.missing if value is None else value for value in values]
        if isinstance(dtype, pd.CategoricalDtype):
            new = [value for value in dict.fromkeys(values) if value is not None and value not in dtype.categories]
            dtype = pd.CategoricalDtype([*dtype.categories, *new], dtype.ordered)
        elif isinstance(dtype, np.dtype) and dtype.kind in "iub" and None in values:
            dtype = np.dtype(np.object_ if dtype.kind == "b" else np.float64)
        return pd.Series(given, dtype=dtype, name=self.name)

    @property
    def holes(self) -> Array:
        found: Array = self.values.isna().to_numpy()
        return found

    def numbers(self) -> Array:
        """The values that are there, as doubles."""
        found: Array = self.values[~self.holes].to_numpy(dtype=np.float64)
        return found


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of training data. `form` is what the model takes them as: a DataFrame, a 2-D array, or a list of texts."""

    columns: tuple[SampleColumn, ...]
    form: str
    dtype: Any = None

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
        frame = pd.DataFrame({c.name: c.build([row[c.name] for row in rows]) for c in self.columns})
        if self.form == "texts":
            return frame.iloc[:, 0].tolist()
        if self.form == "frame":
            return frame
        array = frame.to_numpy()
        holes = array.dtype.kind == "f" and bool(np.isnan(array).any())
        return array if self.dtype is None or (holes and self.dtype.kind in "iub") else array.astype(self.dtype)

    def features(self) -> tuple[Feature, ...]:
        """Names and datatypes; the rest of the contract is found by asking the model."""
        return tuple(Feature(name=column.name, datatype=column.datatype, nullable=True) for column in self.columns)

    def fingerprint(self) -> str:
        """The sha256 of all the values, by column."""
        return sha256(msgspec.json.encode({column.name: column.wire() for column in self.columns}))


def read_sample(data: Any, model: Any, key: str | None) -> Sample:
    """The sample of a model, its columns held against those the model was fitted on. Raises ExportError."""
    frame, form, dtype = _frame(data)
    _check_names(frame)
    if key is not None:
        if key not in frame.columns:
            raise ExportError(f"the sample has no column '{key}' to be the key.{_hint(key, list(frame.columns))}")
        frame = frame.drop(columns=[key])
    if not len(frame):
        raise ExportError("the sample has no rows; give some of the rows the model was trained on")
    frame = _fitted_columns(frame, model, form)
    columns = tuple(_column(str(name), frame[name]) for name in frame.columns)
    if form == "frame" and not hasattr(model, "feature_names_in_"):
        texts = len(columns) == 1 and columns[0].datatype is Datatype.BYTES
        form = "array" if hasattr(model, "n_features_in_") else "texts" if texts else form
    return Sample(columns, form, dtype)


def spread(count: int, wanted: int) -> Array:
    """Positions of up to `wanted` of `count` things, evenly spread."""
    found: Array = np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(int)) if count else np.arange(0)
    return found


def _frame(data: Any) -> tuple[pd.DataFrame, str, Any]:
    if isinstance(data, pd.DataFrame):
        return data.reset_index(drop=True), "frame", None
    if isinstance(data, pd.Series):
        return data.reset_index(drop=True).to_frame(str(data.name or "text")), "texts", None
    if isinstance(data, list) and data and all(isinstance(one, str) for one in data):
        return pd.DataFrame({"text": data}), "texts", None
    array = np.asarray(data)
    if array.ndim == 1 and (array.dtype.kind == "U" or all(isinstance(one, str) for one in array)):
        return pd.DataFrame({"text": array.tolist()}), "texts", None
    if array.ndim != 2:
        raise ExportError(f"the sample has the shape {array.shape}; give a DataFrame, a 2-D array or a list of texts")
    return pd.DataFrame(array, columns=[f"x{index}" for index in range(array.shape[1])]), "array", array.dtype


def _check_names(frame: pd.DataFrame) -> None:
    names = list(frame.columns)
    if strange := [name for name in names if not isinstance(name, str)]:
        raise ExportError(f"the sample's column {strange[0]!r} has no text as its name; rename the columns")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ExportError(f"the sample has several columns named {_listed(twice)}; columns need names of their own")
    if not names:
        raise ExportError("the sample has no columns")


def _fitted_columns(frame: pd.DataFrame, model: Any, form: str) -> pd.DataFrame:
    """The columns in the order of the fit. Raises ExportError if they are not those."""
    names: list[str] | None = list(model.feature_names_in_) if hasattr(model, "feature_names_in_") else None
    if names is not None and form == "frame":
        extra = [name for name in frame.columns if name not in names]
        missing = [name for name in names if name not in frame.columns]
        if extra or missing:
            parts = [f"lacks {_listed(missing)}" if missing else "", f"has {_listed(extra)} too" if extra else ""]
            raise ExportError(
                f"the sample {' and '.join(part for part in parts if part)}; the model was fitted on {_listed(names)}. "
                "A column that identifies rows can be named as the key"
            )
        return frame[names]
    if names is not None:
        raise ExportError(f"the model was fitted on a DataFrame; give the sample as one, with {_listed(names)}")
    width = getattr(model, "n_features_in_", None)
    if form != "texts" and width is not None and width != len(frame.columns):
        raise ExportError(f"the sample has {len(frame.columns)} columns, and the model was fitted on {width}")
    return frame


def _column(name: str, values: pd.Series[Any]) -> SampleColumn:
    holes = values.isna()
    if holes.all():
        raise ExportError(f"column '{name}' has no value in the whole sample; give rows that have some, or drop it")
    missing = values[holes].iloc[0] if holes.any() else np.nan
    return SampleColumn(name, values, _datatype(name, values), missing)


def _datatype(name: str, values: pd.Series[Any]) -> Datatype:
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return Datatype.BOOL
    if pd.api.types.is_integer_dtype(dtype):
        return Datatype.INT64
    if pd.api.types.is_float_dtype(dtype) and dtype.itemsize in (4, 8):
        return Datatype.FP32 if dtype.itemsize == 4 else Datatype.FP64
    if pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype):
        kinds = {type(value) for value in values[values.notna()]}
        for datatype, allowed in _OBJECTS.items():
            if all(issubclass(kind, allowed) for kind in kinds) and (datatype is Datatype.BOOL or bool not in kinds):
                return datatype
        raise ExportError(
            f"column '{name}' mixes {_listed(sorted(kind.__name__ for kind in kinds))}; make it of one type"
        )
    raise ExportError(f"column '{name}' is of dtype {dtype}, which has no JSON type; convert it to numbers or text")


_OBJECTS: dict[Datatype, tuple[type, ...]] = {
    Datatype.BOOL: (bool, np.bool_),
    Datatype.BYTES: (str,),
    Datatype.INT64: (int, np.integer),
    Datatype.FP64: (int, float, np.integer, np.floating),
}

_PLAIN: dict[Datatype, Any] = {
    Datatype.BOOL: bool,
    Datatype.BYTES: str,
    Datatype.INT64: int,
    Datatype.FP32: lambda value: float(str(np.float32(value))),
    Datatype.FP64: float,
}


def _listed(names: Sequence[Hashable], limit: int = 8) -> str:
    words = [f"'{name}'" for name in names[:limit]]
    return ", ".join(words) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _hint(name: str, known: Sequence[str]) -> str:
    guess = similar(name, known)
    return f" Did you mean '{guess}'?" if guess else ""
