from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import faults
from app.codec import Batch, Codec
from app.errors import InvalidRequest, MalformedBody, ServingError, TooLarge
from app.signature import MISSING
from tests.contracts import GOOD, SIGNATURE, rows, valid_rows

CODEC = Codec(SIGNATURE)


def body(*instances: Any, **around: Any) -> bytes:
    return json.dumps({"instances": instances, **around}).encode()


def decode(content: bytes, *, keyed: bool = False) -> Batch | ServingError:
    try:
        return (CODEC.decode_keyed if keyed else CODEC.decode)(content, 100)
    except ServingError as error:
        return error


@given(st.lists(rows, max_size=4))
@settings(max_examples=400)
def test_the_fast_decoder_accepts_exactly_what_has_no_fault(instances: list[Any]) -> None:
    found = [fault for row in faults.in_rows(instances, SIGNATURE) for fault in row]
    decoded = decode(body(*instances))
    assert isinstance(decoded, Batch) == (bool(instances) and not found)
    if isinstance(decoded, InvalidRequest) and instances:
        assert list(decoded.faults) == found


@given(st.lists(rows, max_size=4))
@settings(max_examples=400)
def test_keyed_rows_are_answered_or_reported_under_their_key(instances: list[Any]) -> None:
    decoded = decode(body(*instances), keyed=True)
    keys = [row.get("id") if isinstance(row, dict) else None for row in instances]
    good = [not found for found in faults.in_rows(instances, SIGNATURE, "id")]
    usable = all(map(faults.is_key, keys)) and len(set(keys)) == len(keys)
    assert isinstance(decoded, Batch) == (usable and any(good))
    if isinstance(decoded, Batch):
        assert list(decoded.keys) == [key for key, fine in zip(keys, good, strict=True) if fine]
        assert list(decoded.errors) == [key for key, fine in zip(keys, good, strict=True) if not fine]
        assert len(decoded.rows) == sum(good)


@given(st.lists(valid_rows, min_size=1, max_size=4))
def test_values_reach_the_tensors_unchanged(instances: list[dict[str, Any]]) -> None:
    tensors = CODEC.tensors(CODEC.decode(body(*instances), 100).rows)
    for row, numbers, strings in zip(instances, tensors["numbers"], tensors["strings"], strict=True):
        expected = [row[feature.name] for feature in SIGNATURE.numbers]
        np.testing.assert_array_equal(numbers, np.array([np.nan if v is None else v for v in expected], float))
        assert list(strings) == [MISSING if row[f.name] is None else row[f.name] for f in SIGNATURE.strings]


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_answered_or_refused(content: bytes) -> None:
    for keyed in (False, True):
        assert isinstance(decode(content, keyed=keyed), MalformedBody | InvalidRequest)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  ",
        b"{",
        b'{"instances": [}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe",
        b'"\xff"',
        b"\xef\xbb\xbf{}",
    ],
    ids=["empty", "blank", "cut", "broken", "deep list", "deep object", "utf-16", "latin-1", "bom"],
)
@pytest.mark.parametrize("keyed", [False, True])
def test_what_is_not_json_is_malformed(content: bytes, keyed: bool) -> None:
    assert isinstance(decode(content, keyed=keyed), MalformedBody)


@pytest.mark.parametrize("document", [[], 1, None, "x", {}, {"instances": 1}, {"instances": []}, {"instances": None}])
def test_a_wrong_envelope_is_invalid(document: Any) -> None:
    refused = decode(json.dumps(document).encode())
    assert isinstance(refused, InvalidRequest)
    assert "instances" in refused.message


def test_a_row_limit_counts_rows_in_both_paths() -> None:
    for instances in ([GOOD] * 3, [GOOD, GOOD, {}]):
        with pytest.raises(TooLarge, match="3 rows, and the limit is 2"):
            CODEC.decode(body(*instances), 2)
    keyed = [{**GOOD, "id": number} for number in range(3)]
    with pytest.raises(TooLarge):
        CODEC.decode_keyed(body(*keyed), 2)


def test_a_key_may_ride_in_another_field() -> None:
    batch = CODEC.decode_keyed(body({**GOOD, "row": "a"}, {**GOOD, "row": 2}, key_field="row"), 10)
    assert (batch.key_field, list(batch.keys)) == ("row", ["a", 2])


@pytest.mark.parametrize("name", ["origin", 3, None, ""])
def test_a_key_field_must_be_a_name_that_is_free(name: Any) -> None:
    refused = decode(body({**GOOD, "id": "a"}, key_field=name), keyed=True)
    assert isinstance(refused, InvalidRequest)


def refusal(content: bytes, *, keyed: bool = False) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as error:
        (CODEC.decode_keyed if keyed else CODEC.decode)(content, 10_000)
    return error.value


def test_a_thousand_faults_are_listed_and_then_one_for_each_row_is_counted() -> None:
    complete = 1000 // len(SIGNATURE.features)
    assert refusal(body(*[{}] * complete)).total == 1000
    beyond = refusal(body(*[{}] * (complete + 50)))
    assert (len(beyond.faults), beyond.total) == (faults.MAX_FAULTS, 1050)


def test_a_flood_of_fields_that_do_not_exist_is_not_gone_through() -> None:
    strange = {f"field {number}": number for number in range(50_000)}
    assert refusal(body({**GOOD, **strange})).total == faults.MAX_FAULTS
    assert refusal(body(GOOD, **strange)).total == faults.MAX_FAULTS
    assert refusal(body(*[{**GOOD, "id": "a", **strange}] * 2), keyed=True).total == faults.MAX_FAULTS + 3


@pytest.mark.parametrize(
    "data",
    [
        [GOOD, GOOD],
        {name: [value, value] for name, value in GOOD.items()},
        {name: np.array([value, value], dtype=object) for name, value in GOOD.items()},
    ],
    ids=["rows", "columns", "arrays"],
)
def test_the_library_takes_rows_and_columns(data: Any) -> None:
    tensors = CODEC.tensors(CODEC.rows(data))
    assert tensors["numbers"].shape == (2, 6)
    assert tensors["strings"].tolist() == [["JFK", "naïve"]] * 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no rows"),
        (np.zeros((2, 3)), r"shape \(rows, 8\)"),
        ({"a": [1, 2], "b": [1]}, "differ in length"),
        ([1], "must be an object"),
        ([{**GOOD, "origin": "BOS"}], "one of 'EWR'"),
    ],
)
def test_the_library_refuses_what_the_service_refuses(data: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        CODEC.rows(data)


def test_answers_are_named_and_in_order() -> None:
    outputs = {"label": np.array(["late", "on_time"]), "probabilities": np.array([[0.9, 0.1], [0.2, 0.8]])}
    assert orjson.loads(orjson.dumps(CODEC.predictions(outputs))) == [
        {"label": "late", "probabilities": {"late": 0.9, "on_time": 0.1}},
        {"label": "on_time", "probabilities": {"late": 0.2, "on_time": 0.8}},
    ]


def test_a_text_that_looks_like_a_missing_value_is_none() -> None:
    tensors = CODEC.tensors(CODEC.rows([{**GOOD, "note": MISSING}, {**GOOD, "note": None}]))
    assert (tensors["strings"][:, 1] == MISSING).tolist() == [False, True]
