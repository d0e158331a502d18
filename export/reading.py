"""The sample as people hand it over, in whatever they trained with, read into columns with names and types."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from app.errors import similar
from app.signature import Array, Datatype
from export.errors import ExportError
from export.frameworks.native import NativeModel
from export.sample import Form, Sample, SampleColumn

_FRAME = Form("frame")


def read_sample(data: Any, model: Any, key: str | None) -> Sample:
    """The sample of a model, its columns held against those the model was fitted on. Raises ExportError."""
    frame, form = _frame(data)
    _check_names(frame)
    if key is not None:
        frame = frame.drop(columns=[_column_named(key, frame)])
    if not len(frame):
        raise ExportError("the sample has no rows; give some of the rows the model was trained on")
    columns = _fitted_columns(frame, model, form)
    if form == _FRAME and _names(model) is None and not _names_itself(frame):
        texts = len(columns) == 1 and columns[0].datatype is Datatype.BYTES
        form = Form("array") if hasattr(model, "n_features_in_") else Form("texts") if texts else form
    return Sample(columns, form)


def _frame(data: Any) -> tuple[pd.DataFrame, Form]:
    if hasattr(data, "to_pandas"):  # a table of pyarrow or polars
        data = _to_pandas(data)
    if isinstance(data, pd.DataFrame):
        return data.reset_index(drop=True), _FRAME
    if isinstance(data, pd.Series):
        return data.reset_index(drop=True).to_frame(str(data.name or "text")), Form("texts")
    if sparse.issparse(data):
        return _numbered(data.toarray()), Form("array", data.dtype, type(data))
    array = data if isinstance(data, np.ndarray) else _array(data)
    if array.ndim == 1 and len(array) and all(isinstance(one, str) for one in array):
        return pd.DataFrame({"text": array.tolist()}), Form("texts")
    if array.ndim != 2:
        raise ExportError(f"the sample has the shape {array.shape}; give a DataFrame, a 2-D array or a list of texts")
    dtype = np.dtype(np.str_) if array.dtype.kind == "U" else array.dtype  # of any length
    return _numbered(array), Form("array", dtype)


def _to_pandas(data: Any) -> Any:
    try:
        return data.to_pandas()
    except ImportError as error:
        raise ExportError(f"the sample cannot become a DataFrame of pandas ({error}); give it as one") from error


def _array(data: Any) -> Array:
    """Rows of lists as an array; numpy alone would make text of numbers that stand beside text."""
    try:
        array = np.asarray(data)
        mixed = array.dtype.kind == "U" and not all(isinstance(one, str) for one in np.asarray(data, object).ravel())
        return np.asarray(data, dtype=np.object_) if mixed else array
    except ValueError as error:
        raise ExportError("the rows of the sample differ in length; give each the same columns") from error


def _numbered(array: Array) -> pd.DataFrame:
    return pd.DataFrame(array, columns=[f"x{index}" for index in range(array.shape[1])])


def _check_names(frame: pd.DataFrame) -> None:
    labels = list(frame.columns)
    if strange := [label for label in labels if not isinstance(label, str | int | np.integer)]:
        raise ExportError(f"the sample's column {strange[0]!r} has no text as its name; rename the columns")
    names = [str(label) for label in labels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ExportError(f"the sample has several columns named {_listed(twice)}; columns need names of their own")
    if odd := [name for name in names if any(one < " " or one in '"\\' for one in name)]:
        raise ExportError(f"the sample's column {odd[0]!r} has a quote, a backslash or a control character in its name")
    if not names:
        raise ExportError("the sample has no columns")


def _column_named(key: str, frame: pd.DataFrame) -> Hashable:
    names = {str(label): label for label in frame.columns}
    if key not in names:
        raise ExportError(f"the sample has no column '{key}' to be the key.{_hint(key, list(names))}")
    return names[key]


def _names_itself(frame: pd.DataFrame) -> bool:
    """Whether columns are named by other things than text, of which scikit-learn's estimators remember nothing."""
    return not all(isinstance(label, str) for label in frame.columns)


def _fitted_columns(frame: pd.DataFrame, model: Any, form: Form) -> tuple[SampleColumn, ...]:
    """The columns in the order of the fit. Raises ExportError if they are not those."""
    names = _names(model)
    if names is not None and form != _FRAME:
        raise ExportError(f"the model was fitted on a DataFrame; give the sample as one, with {_listed(names)}")
    if names is not None:
        spaces = type(_taker(model)).__module__.partition(".")[0] != "lightgbm"
        return tuple(_column(str(label), name, frame[label]) for label, name in _matched(frame, names, spaces))
    width = getattr(model, "n_features_in_", None)
    if form.kind != "texts" and width is not None and width != len(frame.columns):
        raise ExportError(f"the sample has {len(frame.columns)} columns, and the model was fitted on {width}")
    return tuple(_column(str(label), label, frame[label]) for label in frame.columns)


def _names(model: Any) -> list[str] | None:
    """The names that the model was fitted on. CatBoost has them elsewhere, and numbers columns of none."""
    if hasattr(model, "feature_names_in_"):
        return list(model.feature_names_in_)
    taker = model.model if isinstance(model, NativeModel) else model
    if type(taker).__module__.partition(".")[0] != "catboost":
        return None
    names = list(taker.feature_names_)
    return None if names == [str(index) for index in range(len(names))] else names


def _taker(model: Any) -> Any:
    """The estimator that a search, a pipeline or a native model's adapter hands its rows to."""
    if hasattr(model, "best_estimator_"):
        return _taker(model.best_estimator_)
    if hasattr(model, "steps"):
        return _taker(model.steps[0][1])
    return model.model if isinstance(model, NativeModel) else model


def _matched(frame: pd.DataFrame, names: Sequence[str], spaces: bool) -> list[tuple[Hashable, Hashable]]:
    """The column of each name that the model knows, beside that name.

    Without `spaces` the model has an underscore for each in the names that it was given, as LightGBM does.
    """
    labels = {str(label) if spaces else str(label).replace(" ", "_"): label for label in frame.columns}
    extra = [name for name in labels if name not in names]
    missing = [name for name in names if name not in labels]
    if extra or missing:
        parts = [f"lacks {_listed(missing)}" if missing else "", f"has {_listed(extra)} too" if extra else ""]
        raise ExportError(
            f"the sample {' and '.join(part for part in parts if part)}; the model was fitted on {_listed(names)}. "
            "A column that identifies rows can be named as the key"
        )
    return [(labels[name], name) for name in names]


def _column(name: str, label: Hashable, values: pd.Series[Any]) -> SampleColumn:
    holes = values.isna()
    if holes.all():
        raise ExportError(f"column '{name}' has no value in the whole sample; give rows that have some, or drop it")
    missing = values[holes].iloc[0] if holes.any() else np.nan
    return SampleColumn(name, label, values, _datatype(name, values), missing)


def _datatype(name: str, values: pd.Series[Any]) -> Datatype:
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    if isinstance(dtype, pd.SparseDtype):
        dtype = dtype.subtype
    if pd.api.types.is_bool_dtype(dtype):
        return Datatype.BOOL
    if pd.api.types.is_integer_dtype(dtype):
        return Datatype.INT64
    if pd.api.types.is_float_dtype(dtype) and dtype.itemsize in (4, 8):
        return Datatype.FP32 if dtype.itemsize == 4 else Datatype.FP64
    if pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype):
        return _datatype_of_objects(name, {type(value) for value in values[values.notna()]})
    raise ExportError(f"column '{name}' is of dtype {dtype}, which has no JSON type; {_instead(str(dtype))}")


def _datatype_of_objects(name: str, kinds: set[type]) -> Datatype:
    for datatype, allowed in _OBJECTS.items():
        if all(issubclass(kind, allowed) for kind in kinds) and (datatype is Datatype.BOOL or bool not in kinds):
            return datatype
    if len(kinds) > 1:
        words = _listed(sorted(kind.__name__ for kind in kinds))
        raise ExportError(f"column '{name}' mixes {words}; make it of one type")
    kind = kinds.pop().__name__
    raise ExportError(f"column '{name}' holds values of type {kind}, which has no JSON type; {_instead(kind)}")


def _instead(kind: str) -> str:
    if kind.lower().startswith(("date", "time", "period")):
        return "train on its parts as numbers, such as the hour and the weekday, or on its seconds since 1970"
    if kind == "float16":
        return "train on float32"
    return "train on numbers or text"


_OBJECTS: dict[Datatype, tuple[type, ...]] = {
    Datatype.BOOL: (bool, np.bool_),
    Datatype.BYTES: (str,),
    Datatype.INT64: (int, np.integer),
    Datatype.FP64: (int, float, np.integer, np.floating),
}


def _listed(names: Sequence[Hashable], limit: int = 8) -> str:
    words = [f"'{name}'" for name in names[:limit]]
    return ", ".join(words) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _hint(name: str, known: Sequence[str]) -> str:
    guess = similar(name, known)
    return f" Did you mean '{guess}'?" if guess else ""
