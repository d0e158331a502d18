"""Fresh rows for a model whose bundle is published, made without a line of the exporter's own: in the sample's dtypes.

A row is asked of the original as it stands here, and of the server as JSON would bring it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from app.signature import Array, Datatype, Feature, Signature
from tests.matrix.splits import splits

FRESH = 400
PER_COLUMN = 60
STRANGE = ["", " ", "né", "北京!", "unseen", "NaN", "None"]


def frame_of(sample: Any) -> pd.DataFrame:
    """Any sample as a frame, under the names that the contract has for its columns."""
    if isinstance(sample, pd.DataFrame):
        return sample.reset_index(drop=True)
    if isinstance(sample, list):
        return pd.DataFrame({"text": sample})
    array = np.asarray(sample)
    return pd.DataFrame(array, columns=[f"x{index}" for index in range(array.shape[1])])


def native(rows: pd.DataFrame, sample: Any) -> Any:
    """Rows as the model was fitted on them."""
    if isinstance(sample, pd.DataFrame):
        return rows
    if isinstance(sample, list):
        return rows["text"].tolist()
    whole = np.asarray(sample).dtype
    array = rows.to_numpy()
    return array.astype(whole) if whole.kind == "f" or not pd.isna(array).any() else array.astype(np.float64)


def wire(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON would bring them."""
    columns = {name: [_plain(value) for value in rows[name].tolist()] for name in rows.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def trials(model: Any, sample: Any, signature: Signature) -> Iterator[tuple[str, pd.DataFrame]]:
    """Kinds of rows that the contract accepts, most of which the model has never met."""
    frame, random = frame_of(sample), np.random.default_rng(20)
    features = {feature.name: feature for feature in signature.features}
    yield "its own sample", frame
    yield "shuffled", _shuffled(frame, random)
    yield "between", _between(_shuffled(frame, random), features, random)
    for kind, found in (
        ("thresholds", _on_splits(model, frame, features)),
        ("single", {name: _neighbours(frame[name], feature) for name, feature in features.items()}),
        ("missing", {name: [None] for name, feature in features.items() if feature.nullable}),
        ("categories", {name: _categories(feature) for name, feature in features.items()}),
    ):
        rows = _changed(frame, found, random)
        if len(rows):
            yield kind, rows
    if several := [name for name, feature in features.items() if feature.nullable]:
        yield "all missing", _put(frame.head(20), {name: [None] * 20 for name in several})


def refused(sample: Any, signature: Signature) -> Iterator[tuple[str, pd.DataFrame]]:
    """One row per column with what the contract refuses there: the original may do what it likes."""
    frame = frame_of(sample)
    for feature in signature.features:
        if not feature.nullable:
            yield feature.name, _put(frame.head(1), {feature.name: [None]})


def _shuffled(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Each column in an order of its own."""
    taken = {name: frame[name].iloc[random.integers(0, len(frame), FRESH)].reset_index(drop=True) for name in frame}
    return pd.DataFrame(taken)


def _between(frame: pd.DataFrame, features: dict[str, Feature], random: np.random.Generator) -> pd.DataFrame:
    """Numbers anywhere between a column's smallest and largest."""
    found = frame.copy()
    for name, feature in features.items():
        if feature.datatype in (Datatype.FP64, Datatype.FP32) and not feature.categories:
            values = random.uniform(frame[name].astype(float).min(), frame[name].astype(float).max(), len(frame))
            found[name] = pd.Series(values).astype(frame[name].dtype).where(frame[name].notna(), frame[name])
    return found


def _on_splits(model: Any, frame: pd.DataFrame, features: dict[str, Feature]) -> dict[str, list[Any]]:
    """On the thresholds of the model's trees, and on the doubles and singles beside them."""
    found: dict[str, list[Any]] = {}
    for index, values in splits(model, list(frame.columns)).items():
        name = frame.columns[index]
        if features[name].datatype in (Datatype.BOOL, Datatype.BYTES) or features[name].closed:
            continue
        chosen = np.array(sorted(values))[:: max(1, len(values) // PER_COLUMN)]
        found[name] = _valid(features[name], np.concatenate([chosen, *_beside(chosen)]))
    return found


def _beside(values: Array) -> Iterator[Array]:
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
        for side in (-np.inf, np.inf):
            yield np.nextafter(values, side)
            yield np.nextafter(single, np.float32(side)).astype(np.float64)
    yield single.astype(np.float64)


def _neighbours(column: pd.Series[Any], feature: Feature) -> list[Any]:
    """The doubles beside values of the sample, and what a float32 would take for equal; tiny values, and none."""
    if feature.datatype in (Datatype.BOOL, Datatype.BYTES) or feature.closed:
        return []
    values = np.unique(column.dropna().to_numpy(dtype=np.float64))[:: max(1, len(column) // 12)]
    return _valid(feature, np.concatenate([*_beside(values), values * (1 + 1e-10), [0.0, 1e-35, -1e-36, 1e-20]]))


def _valid(feature: Feature, values: Array) -> list[Any]:
    low, high = feature.range
    kept = [value for value in values.tolist() if low <= value <= high]
    return [round(value) for value in kept] if feature.datatype is Datatype.INT64 else kept


def _categories(feature: Feature) -> list[Any]:
    strange = STRANGE if feature.datatype is Datatype.BYTES and not feature.closed else []
    return [*feature.categories, *strange]


def _changed(frame: pd.DataFrame, values: dict[str, list[Any]], random: np.random.Generator) -> pd.DataFrame:
    """A row per value: some row of the sample, with that value in its column."""
    parts = []
    for name, given in values.items():
        if given:
            rows = frame.iloc[random.integers(0, len(frame), len(given))].reset_index(drop=True)
            parts.append(_put(rows, {name: given}))
    return pd.concat(parts, ignore_index=True) if parts else frame.head(0)


def _put(frame: pd.DataFrame, values: dict[str, list[Any]]) -> pd.DataFrame:
    """The frame with other values in some columns, in the dtype that they have as far as it holds them."""
    found = frame.reset_index(drop=True).copy()
    for name, given in values.items():
        found[name] = _series(given, frame[name].dtype)
    return found


def _series(given: list[Any], dtype: Any) -> pd.Series[Any]:
    if isinstance(dtype, pd.CategoricalDtype):
        new = [value for value in dict.fromkeys(given) if value is not None and value not in dtype.categories]
        dtype = pd.CategoricalDtype([*dtype.categories, *new], dtype.ordered)
    elif isinstance(dtype, np.dtype) and None in given and dtype.kind in "iub":
        dtype = np.dtype(np.object_ if dtype.kind == "b" else np.float64)
    elif isinstance(dtype, np.dtype) and dtype.kind == "f":
        given = [np.nan if value is None else value for value in given]
    found: pd.Series[Any] = pd.Series(given, dtype=dtype)
    return found


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
