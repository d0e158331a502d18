"""The same rows are answered the same, and refused the same, whatever format they come in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from app import arrow
from app.codec import Codec
from app.columns import Question, Terms
from app.errors import InvalidRequest, MalformedBody, RequestError, ServingError, TooLarge
from app.formats import FORMATS
from app.media import Answer
from app.signature import Datatype, Feature
from tests.contracts import GOOD, SIGNATURE, valid

Row = Mapping[str, Any]


class Stub:
    """As much of a model as formats read questions by."""

    name, version = "stub", "1"
    identity: Mapping[str, str] = {}
    signature = SIGNATURE
    codec = Codec(SIGNATURE)


MODEL: Any = Stub()
TYPES = {
    feature.name: {Datatype.BYTES: pa.string(), Datatype.BOOL: pa.bool_(), Datatype.INT64: pa.int64()}.get(
        feature.datatype, pa.float64()
    )
    for feature in SIGNATURE.features
}


def read(media_type: str, content: bytes, *, keyed: bool = False, max_rows: int = 100) -> Question | ServingError:
    terms = Terms(max_bytes=10**6, max_rows=max_rows, keyed=keyed, key_field="id" if keyed else "")
    try:
        return FORMATS[media_type].decode(MODEL, content, terms)
    except ServingError as error:
        return error


def as_rows(rows: Sequence[Row]) -> bytes:
    return json.dumps({"instances": rows}).encode()


def columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def as_columns(rows: Sequence[Row]) -> bytes:
    return json.dumps({"columns": columns(rows)}).encode()


def as_csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows([["" if row[name] is None else row[name] for name in rows[0]] for row in rows])
    return text.getvalue().encode()


def as_lines(rows: Sequence[Row]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def as_table(rows: Sequence[Row]) -> Any:
    return pa.table({name: pa.array(values, TYPES.get(name)) for name, values in columns(rows).items()})


def as_arrow(rows: Sequence[Row]) -> bytes:
    return stream(as_table(rows))


def stream(table: Any, rows: int = 2, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, rows)
    return bytes(sink.getvalue().to_pybytes())


def as_parquet(rows: Sequence[Row], **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(as_table(rows), sink, row_group_size=2, **options)
    return bytes(sink.getvalue().to_pybytes())


WRITERS: dict[str, tuple[str, Callable[[Sequence[Row]], bytes]]] = {
    "columns": ("application/json", as_columns),
    "csv": ("text/csv", as_csv),
    "lines": ("application/x-ndjson", as_lines),
    "parquet": ("application/vnd.apache.parquet", as_parquet),
    "arrow": ("application/vnd.apache.arrow.stream", as_arrow),
}

number = st.floats() | st.integers(-(2**70), 2**70)
text = st.text(min_size=1, max_size=4) | st.sampled_from(
    ["jfk", 'a "quoted", one\nand more', "1_0", "١", "nan", "1e5 "]
)


TYPED = {
    Datatype.BOOL: st.booleans(),
    Datatype.BYTES: text,
    Datatype.INT64: st.integers(-(2**63), 2**63 - 1),
    Datatype.FP32: st.floats(),
    Datatype.FP64: st.floats(),
}


def sayable(name: str, feature: Feature) -> st.SearchStrategy[Any]:
    """Values, most of them bad, of which the format can say what JSON says."""
    if name == "csv":  # where a cell is read as what is wanted there, and an empty one is a missing value
        words = text.filter(lambda word: not looks_like_a_value(word) or feature.datatype is Datatype.BYTES)
        kinds = {Datatype.BOOL: st.booleans(), Datatype.BYTES: st.just("EWR")}
        return st.one_of(
            st.none() if feature.nullable or feature.datatype is not Datatype.BYTES else st.just("JFK"),
            words,
            kinds.get(feature.datatype, number),
        )
    if name in ("arrow", "parquet"):  # where a column has a type, which is the feature's
        return st.none() | TYPED[feature.datatype]
    return st.one_of(st.none(), st.booleans(), number, text, st.just(""))


def looks_like_a_value(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return word.lower() in ("true", "false")
    return word.isascii() and "_" not in word


def columnar(name: str, *, good: bool) -> st.SearchStrategy[list[Row]]:
    def values(feature: Feature) -> st.SearchStrategy[Any]:
        valid_ones = valid(feature)
        if name == "csv" and feature.datatype is Datatype.BYTES:
            valid_ones = valid_ones.filter(lambda value: value != "")
        return valid_ones if good else valid_ones | sayable(name, feature)

    row = st.fixed_dictionaries({feature.name: values(feature) for feature in SIGNATURE.features})
    return st.lists(row, min_size=1, max_size=6)


def same(one: Question | ServingError, other: Question | ServingError) -> None:
    assert type(one) is type(other), (one, other)
    if isinstance(one, InvalidRequest) and isinstance(other, InvalidRequest):
        assert (one.faults, one.total) == (other.faults, other.total)
    if isinstance(one, Question) and isinstance(other, Question):
        assert (one.rows, one.key_field, list(one.keys)) == (other.rows, other.key_field, list(other.keys))
        assert one.errors == other.errors
        for tensor, values in one.tensors.items():
            np.testing.assert_array_equal(values, other.tensors[tensor])
            assert values.dtype == other.tensors[tensor].dtype


@pytest.mark.parametrize("name", WRITERS)
@given(data=st.data())
@settings(max_examples=150)
def test_good_rows_make_the_same_tensors(name: str, data: st.DataObject) -> None:
    rows = data.draw(columnar(name, good=True))
    media_type, write = WRITERS[name]
    same(read("application/json", as_rows(rows)), read(media_type, write(rows)))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("keyed", [False, True])
@given(data=st.data())
@settings(max_examples=150)
def test_bad_rows_have_the_same_faults(name: str, keyed: bool, data: st.DataObject) -> None:
    rows = data.draw(columnar(name, good=False))
    if keyed:
        keys = data.draw(st.lists(st.sampled_from("abcdefghij"), min_size=len(rows), max_size=len(rows)))
        rows = [{"id": key, **row} for key, row in zip(keys, rows, strict=True)]
    media_type, write = WRITERS[name]
    same(read("application/json", as_rows(rows), keyed=keyed), read(media_type, write(rows), keyed=keyed))


ARROW = "application/vnd.apache.arrow.stream"
ROW = {**GOOD, "weight": 2.5, "note": "naïve", "direct": True}


@pytest.mark.parametrize(
    "change",
    [
        {"length (cm)": pa.float32(), "ratio": pa.float16(), "count": pa.uint8(), "code": pa.int8()},
        {"count": pa.float64(), "weight": pa.int32(), "origin": pa.large_string(), "note": pa.string_view()},
        {"origin": pa.dictionary(pa.int8(), pa.string()), "note": pa.dictionary(pa.uint32(), pa.large_string())},
    ],
    ids=["narrow", "other", "dictionaries"],
)
def test_arrow_takes_every_width_and_every_encoding(change: dict[str, Any]) -> None:
    rows = [{**ROW, "weight": 2}] * 3
    table = as_table(rows)
    schema = pa.schema([field.with_type(change.get(field.name, field.type)) for field in table.schema])
    same(read("application/json", as_rows(rows)), read(ARROW, stream(table.cast(schema))))


def test_arrow_nulls_are_missing_and_nan_is_not() -> None:
    table = as_table([ROW, {**ROW, "weight": None}])
    question = read(ARROW, stream(table))
    assert isinstance(question, Question)
    assert np.isnan(question.tensors["numbers"][:, 1]).tolist() == [False, True]
    refused = read(ARROW, stream(as_table([ROW, {**ROW, "weight": float("nan")}])))
    assert isinstance(refused, InvalidRequest)
    assert [fault.code for fault in refused.faults] == ["not_finite"]


def test_labels_of_several_types_are_text_in_arrow() -> None:
    question = Question(tensors={}, rows=3, key_field="id", keys=[1, 2, 3])
    outputs = {"label": np.array([1, "a", 2.5], dtype=object), "probabilities": np.eye(3, 2)}
    rows = arrow.answered(Answer(MODEL, question, outputs)).to_pylist()
    assert [(row["id"], row["label"], row["probabilities.late"]) for row in rows] == [
        (1, "1", 1),
        (2, "a", 0),
        (3, "2.5", 0),
    ]


def test_arrow_columns_without_a_type_are_missing_throughout() -> None:
    nothing = dict.fromkeys(["weight", "note", "direct"])
    table = pa.table({name: [value] * 2 for name, value in {**ROW, **nothing}.items()})
    assert table.schema.field("note").type == pa.null()
    same(read("application/json", as_rows([{**ROW, **nothing}] * 2)), read(ARROW, stream(table)))


def test_arrow_columns_of_other_types_are_refused_by_name() -> None:
    table = as_table([ROW]).set_column(0, "length (cm)", pa.array([0], pa.timestamp("ns")))
    refused = read(ARROW, stream(table))
    assert isinstance(refused, InvalidRequest)
    assert refused.message == "the column 'length (cm)' must be a number from 0 to 10, and is timestamp[ns]."
    refused = read(ARROW, stream(as_table([ROW]).append_column("extra", pa.array([[1]]))))
    assert isinstance(refused, InvalidRequest)
    assert refused.message == "row 0: there is no field 'extra'; take it out."


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int8(), pa.string())])
def test_arrow_buffers_that_are_compressed_are_refused(compression: str, kind: Any) -> None:
    table = pa.table({"origin": pa.array(["JFK"] * 10, kind)})
    refused = read(ARROW, stream(table, rows=10, compression=compression))
    assert isinstance(refused, MalformedBody)
    assert "compress the whole body" in refused.message


@pytest.mark.parametrize("kind", [pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_a_text_that_stands_in_many_rows_counts_as_often(kind: Any) -> None:
    rows = [{**ROW, "note": "x" * 300_000} for _ in range(4)]
    table = as_table(rows)
    table = table.set_column(table.column_names.index("note"), "note", table.column("note").cast(kind))
    assert isinstance(read(ARROW, stream(table, rows=9)), TooLarge)


def test_arrow_rows_are_limited_before_they_are_read() -> None:
    assert isinstance(read(ARROW, stream(as_table([ROW] * 5)), max_rows=4), TooLarge)
    nothing = pa.RecordBatch.from_struct_array(pa.array([{}] * 1000, pa.struct([])))
    assert isinstance(read(ARROW, stream(pa.Table.from_batches([nothing]), rows=1000)), TooLarge)


@given(data=st.data())
@settings(max_examples=1500)
def test_a_damaged_arrow_stream_is_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(STREAMS)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    assert isinstance(read(ARROW, bytes(content)), Question | RequestError)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_arrow_stream_are_refused(content: bytes) -> None:
    assert isinstance(read(ARROW, content), MalformedBody | InvalidRequest)


PARQUET = "application/vnd.apache.parquet"


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_parquet_however_it_is_packed(compression: str, use_dictionary: bool) -> None:
    rows = [ROW, {**ROW, "weight": None, "note": None}, ROW]
    content = as_parquet(rows, compression=compression, use_dictionary=use_dictionary)
    same(read("application/json", as_rows(rows)), read(PARQUET, content))


def test_parquet_is_limited_by_what_it_unfolds_to() -> None:
    assert isinstance(read(PARQUET, as_parquet([ROW] * 5), max_rows=4), TooLarge)
    large = as_parquet([{**ROW, "note": f"{number}" * 300_000} for number in range(5)])
    assert len(large) < 400_000
    assert isinstance(read(PARQUET, large), TooLarge)
    repeated = as_parquet([{**ROW, "note": "x" * 300_000}] * 5)
    assert isinstance(read(PARQUET, repeated), TooLarge)


@given(data=st.data())
@settings(max_examples=800)
def test_a_damaged_parquet_file_is_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    assert isinstance(read(PARQUET, bytes(content)), Question | RequestError)


FILES = [
    as_parquet([ROW, {**ROW, "weight": None, "note": None}, {**ROW, "direct": None}], compression=compression)
    for compression in ("none", "snappy")
]
STREAMS = [
    stream(table, rows)
    for rows in (1, 9)
    for kind in (pa.string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()))
    for plain in [as_table([ROW, {**ROW, "weight": None, "note": None}, {**ROW, "direct": None}])]
    for table in [plain.set_column(plain.column_names.index("note"), "note", plain.column("note").cast(kind))]
]
