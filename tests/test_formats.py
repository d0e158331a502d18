"""The same rows are answered the same, and refused the same, whatever format they come in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.codec import Codec
from app.columns import Question, Terms
from app.errors import InvalidRequest, ServingError
from app.formats import FORMATS
from app.signature import Datatype, Feature
from tests.contracts import SIGNATURE, valid

Row = Mapping[str, Any]


class Stub:
    """As much of a model as formats read questions by."""

    signature = SIGNATURE
    codec = Codec(SIGNATURE)


MODEL: Any = Stub()


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


WRITERS: dict[str, tuple[str, Callable[[Sequence[Row]], bytes]]] = {
    "columns": ("application/json", as_columns),
    "csv": ("text/csv", as_csv),
}

number = st.floats() | st.integers(-(2**70), 2**70)
text = st.text(min_size=1, max_size=4) | st.sampled_from(
    ["jfk", 'a "quoted", one\nand more', "1_0", "١", "nan", "1e5 "]
)


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
