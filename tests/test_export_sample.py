"""Samples in every form and type that people train with: the model is asked as it was fitted, the server as by JSON."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from app import load
from app.signature import Datatype
from export import ExportError, export_model
from export.reading import read_sample

_RANDOM = np.random.default_rng(0)
ROWS = 60
COUNTS = _RANDOM.integers(0, 5, ROWS)
AMOUNT = COUNTS * 2.0 + _RANDOM.random(ROWS)
HOLES = _RANDOM.random(ROWS) < 0.2
WORDS = np.array(["red", "green", "blå"], dtype=object)[COUNTS % 3]
TREES = HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=5)
HOT = OneHotEncoder(handle_unknown="ignore")


def holed(values: Any) -> list[Any]:
    return [None if hole else value for hole, value in zip(HOLES, values, strict=True)]


NUMBERS: dict[str, tuple[Any, Datatype, bool]] = {
    **{name: (COUNTS.astype(name), Datatype.INT64, False) for name in ("int8", "int16", "int32", "int64")},
    **{name: (COUNTS.astype(name), Datatype.INT64, False) for name in ("uint8", "uint16", "uint32", "uint64")},
    "float64": (np.where(HOLES, np.nan, AMOUNT), Datatype.FP64, True),
    "float32": (np.where(HOLES, np.nan, AMOUNT).astype(np.float32), Datatype.FP32, True),
    "bool": (COUNTS > 2, Datatype.BOOL, False),
    "Int64": (pd.array(holed(COUNTS), dtype="Int64"), Datatype.INT64, True),
    "UInt8": (pd.array(COUNTS, dtype="UInt8"), Datatype.INT64, False),
    "Float64": (pd.array(holed(AMOUNT), dtype="Float64"), Datatype.FP64, True),
    "Float32": (pd.array(holed(AMOUNT), dtype="Float32"), Datatype.FP32, True),
    "boolean": (pd.array(COUNTS > 2, dtype="boolean"), Datatype.BOOL, False),
    "object_of_integers": (pd.Series(COUNTS.tolist(), dtype=object), Datatype.INT64, False),
    "object_of_numbers": (pd.Series([1, 2.5, *COUNTS[2:].tolist()], dtype=object), Datatype.FP64, False),
    "integer_categories": (pd.Categorical(COUNTS), Datatype.INT64, False),
    "fractional_categories": (pd.Categorical(COUNTS / 10, ordered=True), Datatype.FP64, False),
}

CATEGORIES: dict[str, tuple[Any, Datatype, bool]] = {
    "object_of_text": (pd.Series(holed(WORDS), dtype=object), Datatype.BYTES, True),
    "str": (pd.Series(holed(WORDS), dtype="str"), Datatype.BYTES, True),
    "string": (pd.Series(WORDS, dtype="string"), Datatype.BYTES, False),
    "text_categories": (pd.Categorical(holed(WORDS)), Datatype.BYTES, True),
    "object_of_booleans": (pd.Series((COUNTS > 2).tolist(), dtype=object), Datatype.BOOL, False),
    "boolean_categories": (pd.Categorical(COUNTS > 2), Datatype.BOOL, False),
    "integers": (COUNTS, Datatype.INT64, False),
    "fractions": (COUNTS / 10, Datatype.FP64, False),
    "singles": ((COUNTS / 10).astype(np.float32), Datatype.FP32, False),
}


def check(model: Any, sample: Any, models: Path, wire: list[dict[str, Any]]) -> Any:
    """Export, and ask the bundle for the sample's rows as JSON has them: they are the model's own answers."""
    report = export_model(model, sample, models, "model")
    np.testing.assert_allclose(load(report.path).predict(wire)["value"], model.predict(sample), rtol=1e-12, atol=1e-12)
    return report.signature.features[0]


def as_json(values: Any) -> list[Any]:
    return [None if pd.isna(value) else value for value in pd.Series(values).tolist()]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers(dtype: str, tmp_path: Path) -> None:
    values, datatype, nullable = NUMBERS[dtype]
    frame = pd.DataFrame({"n": values})
    feature = check(TREES.fit(frame, AMOUNT), frame, tmp_path, [{"n": value} for value in as_json(values)])
    assert (feature.datatype, feature.nullable) == (datatype, nullable)


@pytest.mark.parametrize("dtype", CATEGORIES)
def test_categories(dtype: str, tmp_path: Path) -> None:
    values, datatype, nullable = CATEGORIES[dtype]
    frame = pd.DataFrame({"c": values})
    model = make_pipeline(HOT, Ridge()).fit(frame, AMOUNT)
    wire = [{"c": round(value, 1) if isinstance(value, float) else value} for value in as_json(values)]
    feature = check(model, frame, tmp_path, wire)
    assert (feature.datatype, feature.nullable) == (datatype, nullable)


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: rows,
        lambda rows: rows.astype(np.float32),
        lambda rows: rows.astype(np.int16),
        lambda rows: rows.astype(object),
        lambda rows: rows > 2,
        lambda rows: rows.tolist(),
        lambda rows: pd.DataFrame(rows),
        lambda rows: pd.DataFrame(rows, columns=[7, 3]),
        sparse.csr_matrix,
        sparse.csc_array,
        lambda rows: pd.DataFrame({name: pd.arrays.SparseArray(rows[:, at]) for at, name in enumerate("ab")}),
    ],
)
def test_forms_of_numbers(form: Any, tmp_path: Path) -> None:
    sample = form(np.c_[COUNTS, COUNTS % 3])
    model = Ridge().fit(sample, AMOUNT)
    report = export_model(model, sample, tmp_path, "model")
    names = [feature.name for feature in report.signature.features]
    assert names == [str(name) for name in getattr(sample, "columns", ["x0", "x1"])]
    kind = bool if report.signature.features[0].datatype is Datatype.BOOL else int
    dense = sample.toarray() if sparse.issparse(sample) else np.asarray(sample)
    rows = [dict(zip(names, map(kind, row), strict=True)) for row in dense.tolist()]
    np.testing.assert_allclose(load(report.path).predict(rows)["value"], model.predict(sample), rtol=1e-6)


@pytest.mark.parametrize(
    "sample",
    [
        np.c_[WORDS, WORDS[::-1]].astype(str),
        np.c_[WORDS, WORDS[::-1]],
        np.c_[WORDS, np.array(COUNTS, dtype=object)],
        [[word, int(count)] for word, count in zip(WORDS, COUNTS, strict=True)],
    ],
)
def test_forms_of_text(sample: Any, tmp_path: Path) -> None:
    model = make_pipeline(make_column_transformer((HOT, [0, 1])), Ridge()).fit(sample, AMOUNT)
    rows = [dict(zip(["x0", "x1"], row, strict=True)) for row in (list(row) for row in sample)]
    plain = [{name: one.item() if isinstance(one, np.generic) else one for name, one in row.items()} for row in rows]
    check(model, sample, tmp_path, plain)


@pytest.mark.parametrize("form", [list, np.array, pd.Series])
def test_forms_of_texts(form: Any, tmp_path: Path) -> None:
    texts = form([f"a {word} shop" for word in WORDS])
    model = make_pipeline(CountVectorizer(), Ridge()).fit(texts, AMOUNT)
    check(model, texts, tmp_path, [{"text": text} for text in texts])


def test_a_table_of_arrow_becomes_a_frame() -> None:
    table = pa.table({"n": COUNTS, "c": pa.array(WORDS).dictionary_encode()})
    sample = read_sample(table, LogisticRegression(), None)
    assert [(one.name, one.datatype) for one in sample.columns] == [("n", Datatype.INT64), ("c", Datatype.BYTES)]
    assert sample.build(sample.rows(np.arange(3)))["c"].tolist() == WORDS[:3].tolist()


def test_a_sample_in_another_order_is_put_in_that_of_the_fit(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": AMOUNT, "b": COUNTS})
    report = export_model(TREES.fit(frame, AMOUNT), frame[["b", "a"]], tmp_path, "model")
    assert [feature.name for feature in report.signature.features] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.date_range("2026-01-01", periods=ROWS), "datetime64.*the hour and the weekday"),
        (pd.Series([dt.date(2026, 1, 1)] * ROWS), "type date.*the hour and the weekday"),
        (pd.to_timedelta(COUNTS, unit="s"), "timedelta64.*seconds"),
        (pd.Categorical(pd.date_range("2026-01-01", periods=ROWS)), "datetime64"),
        (pd.cut(AMOUNT, 3), "interval.*numbers or text"),
        (COUNTS.astype(np.float16), "float16.*float32"),
        (pd.Series([b"x"] * ROWS), "type bytes"),
        (pd.Series(["a", 1] * (ROWS // 2), dtype=object), "mixes 'int', 'str'"),
        (pd.Series([True, 1] * (ROWS // 2), dtype=object), "mixes 'bool', 'int'"),
        (COUNTS * 1j, "complex128"),
    ],
)
def test_what_json_cannot_say_is_refused(values: Any, message: str) -> None:
    with pytest.raises(ExportError, match=f"column 'c' .*{message}"):
        read_sample(pd.DataFrame({"c": values}), LogisticRegression(), None)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ([[1, 2], [3]], "differ in length"),
        (np.zeros((2, 2, 2)), r"the shape \(2, 2, 2\)"),
        (pd.DataFrame({("a", "b"): [1.0]}), "has no text as its name"),
        (pd.DataFrame([[1.0, 2.0]], columns=[1, "1"]), "several columns named '1'"),
    ],
)
def test_what_is_no_table_is_refused(sample: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        read_sample(sample, LogisticRegression(), None)
