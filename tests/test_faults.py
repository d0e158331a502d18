from __future__ import annotations

import json
from typing import Any

import pytest

from app.codec import Codec
from app.errors import Fault, InvalidRequest
from tests.contracts import GOOD, SIGNATURE

CODEC = Codec(SIGNATURE)


def faults_of(row: Any, **changes: str) -> list[Fault]:
    """What is wrong with a row; changes are put in as JSON text, so that NaN and 1e999 can be."""
    document = json.dumps({"instances": [row]})
    for name, value in changes.items():
        document = document.replace(f'"{name}": {json.dumps(row[name])}', f'"{name}": {value}')
    with pytest.raises(InvalidRequest) as error:
        CODEC.decode(document.encode(), 10)
    return list(error.value.faults)


@pytest.mark.parametrize(
    ("field", "value", "code", "expected", "got"),
    [
        ("length (cm)", "11", "out_of_range", "a number from 0 to 10", "an integer"),
        ("length (cm)", "-0.5", "out_of_range", "a number from 0 to 10", "a number"),
        ("length (cm)", "null", "null_not_allowed", "a number from 0 to 10", "null"),
        ("length (cm)", "true", "wrong_type", "a number from 0 to 10", "a boolean"),
        ("length (cm)", '"1"', "wrong_type", "a number from 0 to 10", "text"),
        ("weight", "NaN", "not_finite", "a number or null", "NaN"),
        ("weight", "-Infinity", "not_finite", "a number or null", "an infinite or too large number"),
        ("weight", "1e999", "not_finite", "a number or null", "an infinite or too large number"),
        ("weight", "1" + "0" * 5000, "not_finite", "a number or null", "an infinite or too large number"),
        ("weight", "[1]", "wrong_type", "a number or null", "a list"),
        ("ratio", "1e39", "out_of_range", "a number", "a number"),
        ("count", "2.5", "wrong_type", "an integer from 0", "a number"),
        ("count", "9007199254740993", "out_of_range", "an integer from 0", "an integer"),
        ("count", "-1", "out_of_range", "an integer from 0", "an integer"),
        ("code", "3", "unknown_category", "one of 1, 2, 7", "an integer"),
        ("origin", '"JFX"', "unknown_category", "one of 'EWR', 'JFK', 'LGA'", "text"),
        ("origin", "1", "wrong_type", "one of 'EWR', 'JFK', 'LGA'", "an integer"),
        ("note", '{"a": 1}', "wrong_type", "text or null", "an object"),
        ("note", r'"\ud800"', "wrong_type", "text or null", "text"),
        ("direct", "1", "wrong_type", "true or false or null", "an integer"),
    ],
)
def test_a_bad_value_is_named_by_row_field_expectation_and_type(
    field: str, value: str, code: str, expected: str, got: str
) -> None:
    (fault,) = faults_of(GOOD, **{field: value})
    assert (fault.row, fault.field, fault.code, fault.expected, fault.got) == (0, field, code, expected, got)
    assert field in fault.message


def test_every_fault_of_the_request_is_listed() -> None:
    second = {**GOOD, "length (cm)": -1, "origin": "BOS"}
    del second["note"]
    document = json.dumps({"instances": [{**GOOD, "extra": 1}, second, 5], "instance": []})
    with pytest.raises(InvalidRequest) as error:
        CODEC.decode(document.encode(), 10)
    found = [(fault.code, fault.row, fault.field) for fault in error.value.faults]
    assert found == [
        ("unknown_field", None, "instance"),
        ("unknown_field", 0, "extra"),
        ("out_of_range", 1, "length (cm)"),
        ("unknown_category", 1, "origin"),
        ("missing_field", 1, "note"),
        ("wrong_type", 2, None),
    ]
    assert error.value.message.startswith("6 faults; the first: the request: there is no field 'instance'")


def test_a_misspelt_field_is_met_with_the_one_that_was_meant() -> None:
    row = {"legnth (cm)" if name == "length (cm)" else name: value for name, value in GOOD.items()}
    unknown, missing = faults_of(row)
    assert (unknown.code, unknown.suggestion) == ("unknown_field", "length (cm)")
    assert "did you mean 'length (cm)'?" in unknown.message
    assert (missing.code, missing.field) == ("missing_field", "length (cm)")


def test_a_misspelt_category_too() -> None:
    (fault,) = faults_of({**GOOD, "origin": "jfk"})
    assert fault.suggestion == "JFK"


def test_no_message_repeats_a_value() -> None:
    value = "hunter2-7391"
    row = {**dict.fromkeys(GOOD, value), "note": [value]}
    said = json.dumps([vars(fault) for fault in faults_of(row)])
    assert value not in said


def test_a_hostile_field_name_is_shown_short_and_printable() -> None:
    (fault,) = faults_of({**GOOD, "x\n\u202e\x00" * 200: 1})
    assert fault.field is not None
    assert fault.field.isprintable()
    assert len(fault.field) <= 80


@pytest.mark.parametrize(
    ("keys", "codes"),
    [
        (["a", "a"], ["duplicate_key", "duplicate_key"]),
        (["a", None], ["invalid_key"]),
        (["a", ""], ["invalid_key"]),
        (["a", "k" * 257], ["invalid_key"]),
        (["a", 1.5], ["invalid_key"]),
        (["a", True], ["invalid_key"]),
        (["a", 2**53], ["invalid_key"]),
        (["a", ...], ["missing_key"]),
    ],
)
def test_bad_keys_sink_the_request(keys: list[Any], codes: list[str]) -> None:
    instances = [{**GOOD, **({} if key is ... else {"id": key})} for key in keys]
    with pytest.raises(InvalidRequest) as error:
        CODEC.decode_keyed(json.dumps({"instances": instances}).encode(), 10)
    assert [fault.code for fault in error.value.faults] == codes
    assert error.value.faults[-1].row == 1


def test_without_a_good_row_the_request_is_refused_with_keys_named() -> None:
    instances = [{**GOOD, "id": "a", "count": -1}, {**GOOD, "id": "b", "direct": 1}]
    with pytest.raises(InvalidRequest) as error:
        CODEC.decode_keyed(json.dumps({"instances": instances}).encode(), 10)
    assert [(fault.key, fault.field) for fault in error.value.faults] == [("a", "count"), ("b", "direct")]
