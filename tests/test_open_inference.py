"""What the Open Inference Protocol has of a model, under any transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from app import open_inference, tensors
from app.codec import Codec
from app.columns import asked, question
from app.errors import InvalidRequest, MalformedBody, ServingError, TooLarge
from app.media import Answer
from app.open_inference import Described, Wanted
from app.predictor import Model, load
from app.tensors import NUMPY, Tensor, from_bytes, from_values, to_bytes
from tests.conftest import MODELS
from tests.contracts import GOOD, SIGNATURE

IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [7.7, 3.8, 6.7, 2.2]]
FLIGHT = load(MODELS / "flights" / "1")


@pytest.fixture(scope="module")
def iris() -> Model:
    return load(MODELS / "iris" / "1")


def columns(datatype: str = "FP64", rows: Sequence[Sequence[float]] = ROWS) -> list[Tensor]:
    """An input per feature of iris."""
    return [
        from_values(name, datatype, [len(rows), 1], list(column))
        for name, column in zip(IRIS, zip(*rows, strict=True), strict=True)
    ]


def answer(
    model: Model, given: Sequence[Tensor], parameters: Mapping[str, Any] | None = None, wanted: Sequence[Wanted] = ()
) -> dict[str, Any]:
    """The outputs by name: their shapes and values."""
    table, terms = open_inference.table(model.signature, given, parameters or {}, 1000)
    read = question(model.codec, table, terms)
    open_inference.complete(read)
    open_inference.check(model.signature, terms.key_field, wanted)
    found = open_inference.answered(Answer(model, read, model.run(read.tensors, terms.parameters)), wanted)
    return {tensor.name: np.reshape(np.asarray(tensor.values), tensor.shape).tolist() for tensor in found}


def flights(**changes: Any) -> list[Tensor]:
    """One flight, an input per feature."""
    row = {feature.name: feature.example for feature in FLIGHT.signature.features} | changes
    kinds = {feature.name: feature.datatype for feature in FLIGHT.signature.features}
    return [from_values(name, kinds[name], [1], [value]) for name, value in row.items()]


def test_what_a_model_takes_and_gives(iris: Model) -> None:
    assert open_inference.inputs(iris.signature) == [Described(name, "FP64", (-1, 1)) for name in IRIS]
    assert open_inference.outputs(iris.signature) == [
        Described("label", "BYTES", (-1,)),
        Described("probabilities", "FP64", (-1, 3)),
    ]
    found = open_inference.properties(iris)
    assert found["digest"] == iris.digest
    assert found["probabilities.columns"] == '["setosa","versicolor","virginica"]'


def test_a_column_or_a_matrix_or_a_row_of_json_it_is_the_same_answer(iris: Model) -> None:
    native = iris.codec.predictions(iris.predict(np.array(ROWS)))
    matrix = from_bytes("X", "FP64", [3, 4], np.array(ROWS).tobytes())
    listed = from_values("X", "FP32", [3, 4], [value for row in ROWS for value in row])
    for given in (columns(), columns("FP32"), [matrix], [listed]):
        found = answer(iris, given)
        assert found["label"] == [row["label"] for row in native]
        assert found["probabilities"] == [list(row["probabilities"].values()) for row in native]


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "INT8", "INT64", "UINT8", "UINT64"])
def test_any_datatype_of_numbers_is_taken(iris: Model, datatype: str) -> None:
    whole = [[5, 3, 1, 2], [6, 2, 4, 1]]
    given = [from_bytes("X", datatype, [2, 4], np.array(whole).astype(NUMPY[datatype]).tobytes())]
    assert answer(iris, given) == answer(iris, columns(rows=whole))


def test_what_is_missing() -> None:
    nullable = next(one.name for one in FLIGHT.signature.numbers if one.nullable)
    assert answer(FLIGHT, flights(**{nullable: None}))["label"]
    without = [tensor for tensor in flights() if tensor.name != nullable]
    raw = from_bytes(nullable, "FP32", [1, 1], np.array([np.nan], "<f4").tobytes())
    assert answer(FLIGHT, [*without, raw]) == answer(FLIGHT, flights(**{nullable: None}))


def test_keys_ride_along(iris: Model) -> None:
    key = from_values("id", "BYTES", [3], ["c", "a", "b"])
    found = answer(iris, [*columns(), key], {"key_field": "id"})
    assert list(found) == ["id", "label", "probabilities"]
    assert found["id"] == ["c", "a", "b"]
    number = from_bytes(iris.signature.key, "INT32", [3, 1], np.array([7, 9, 8], "<i4").tobytes())
    assert answer(iris, [number, *columns()])[iris.signature.key] == [7, 9, 8]
    assert list(answer(iris, [*columns(), key], {"key_field": "id"}, [Wanted("label"), Wanted("id")])) == [
        "label",
        "id",
    ]


def test_outputs_are_those_that_are_wanted(iris: Model) -> None:
    found = answer(iris, columns(rows=ROWS[:1]), {}, [Wanted("probabilities", 2), Wanted("version")])
    first, second = answer(iris, columns(rows=ROWS[:1]))["probabilities"][0][:2]
    assert found == {"probabilities": [[f"{first:f}:0:setosa", f"{second:f}:1:versicolor"]], "version": ["1"]}


@pytest.mark.parametrize(
    ("given", "parameters", "said"),
    [
        (columns()[1:], {}, "The input 'sepal_length' is missing; expected a number"),
        ([*columns(), from_values("sepal_lenght", "FP64", [3], [1, 2, 3])], {}, "There is no input 'sepal_lenght'."),
        ([*columns(), columns()[0]], {}, "there more than once"),
        (columns(rows=[[-1, 2, 3, 4]]), {}, "'sepal_length' must be a number from"),
        ([from_values("X", "FP64", [1, 3], [1, 2, 3])], {}, "must have the shape [rows, 4], and has [1, 3]"),
        ([from_values("X", "FP64", [], [1])], {}, "must have the shape [rows, 4], and has []"),
        ([from_values("X", "FP64", [0, 4], [])], {}, "There are no rows"),
        ([from_values("X", "BYTES", [1, 4], ["1"] * 4)], {}, "must be of FP64, and is of BYTES"),
        ([from_values("X", "BOOL", [1, 4], [True] * 4)], {}, "must be of FP64, and is of BOOL"),
        ([from_values("X", "FP64", [1, 4], [1, 2, 3, None])], {}, "and is NaN"),
        ([from_values("sepal_length", "FP64", [1, 4], [1, 2, 3, 4])], {}, "must have the shape [rows] or [rows, 1]"),
        (
            [*columns()[:3], from_values("petal_width", "FP64", [1], [1])],
            {},
            "The inputs differ in their number",
        ),
        (columns(), {"key_field": "id"}, "must name the input with the keys"),
        (columns(), {"key_field": 1}, "must name the input with the keys"),
        (columns(), {"key_field": "petal_width"}, "is a feature or an output"),
        ([*columns(), from_values("key", "BYTES", [3], ["a", "a", "b"])], {}, "stands in 2 rows"),
        ([*columns(), from_values("key", "BYTES", [3], ["a", None, "b"])], {}, "is not usable"),
        ([*columns(), from_values("key", "FP64", [3], [1, 2, 3])], {}, "is not usable"),
        ([*columns(rows=[*ROWS[:2], [-1] * 4]), from_values("key", "INT8", [3], [4, 5, 6])], {}, "sepal_length"),
        ([], {}, "4 faults"),
    ],
)
def test_what_is_refused(iris: Model, given: Sequence[Tensor], parameters: Mapping[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        answer(iris, given, parameters)
    assert said in " ".join([str(caught.value), *(fault.message for fault in caught.value.faults)])


def test_rows_are_bounded(iris: Model) -> None:
    given = [from_values("X", "FP64", [3, 4], [1.0] * 12)]
    with pytest.raises(TooLarge):
        open_inference.table(iris.signature, given, {}, 2)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([Wanted("labels")], "There is no output 'labels'. Did you mean 'label'?"),
        ([Wanted("label"), Wanted("label")], "more than once"),
        ([Wanted("label", 1)], "only numbers have a classification"),
        ([Wanted("key")], "There is no output 'key'."),
    ],
)
def test_what_is_no_output(iris: Model, wanted: Sequence[Wanted], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        open_inference.check(iris.signature, "", wanted)


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("BOOL", [True, False]),
        *((name, [1, 0]) for name in NUMPY if "INT" in name),
        *((name, [1.5, -2.0]) for name in NUMPY if name.startswith("FP")),
        ("BYTES", ["", "žluť"]),
    ],
)
def test_raw_values_come_back(datatype: str, values: list[Any]) -> None:
    dtype = NUMPY.get(datatype, np.dtype(object))
    content = to_bytes(Tensor("x", datatype, (2,), np.array(values, dtype)))
    assert list(from_bytes("x", datatype, [2], content).values) == values
    if datatype != "FP16":
        assert list(from_values("x", datatype, [2], values).values) == values


@pytest.mark.parametrize(
    ("datatype", "shape", "content"),
    [
        ("FP64", [2], b"\0" * 8),
        ("FP64", [2**60, 2**60], b"\0" * 8),
        ("FLOAT64", [1], b"\0" * 8),
        (None, [1], b"\0" * 8),
        ("FP64", [-1], b"\0" * 8),
        ("FP64", [1.0], b"\0" * 8),
        ("FP64", [True], b"\0" * 8),
        ("BOOL", [1], b"\2"),
        ("BYTES", [1], b"\1\0\0\0\xff"),
        ("BYTES", [1], b"\5\0\0\0a"),
        ("BYTES", [1], b"\1\0\0"),
        ("BYTES", [2], b"\1\0\0\0a\1\0\0"),
        ("BYTES", [1], b"\0\0\0\0\0\0\0\0"),
        ("BYTES", [2**40], b"\0\0\0\0"),
    ],
)
def test_raw_values_that_are_none(datatype: Any, shape: list[Any], content: bytes) -> None:
    with pytest.raises(InvalidRequest):
        from_bytes("x", datatype, shape, content)


@pytest.mark.parametrize(
    ("datatype", "values", "said"),
    [
        ("FP64", ["1"], "is of FP64, which text is not"),
        ("FP64", [True], "which a boolean is not"),
        ("FP64", [{}], "which an object is not"),
        ("INT64", [1.5], "which a number is not"),
        ("UINT8", [256], "which goes from 0 to 255"),
        ("INT64", [2**63], "which goes from"),
        ("BOOL", [1], "which an integer is not"),
        ("BYTES", [1], "which an integer is not"),
        ("FP16", [1.0], "can only come raw"),
        ("FP64", [1.0, 2.0], "has 2 values"),
    ],
)
def test_values_that_are_not_of_their_datatype(datatype: str, values: list[Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        from_values("x", datatype, [1], values)


def test_nested_data() -> None:
    assert tensors.flat("x", [[1, [2, 3]], 4, []]) == [1, 2, 3, 4]
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(MalformedBody, match="nested deeper"):
        tensors.flat("x", deep)
    with pytest.raises(ServingError, match="must have a list"):
        tensors.flat("x", {})


def test_a_text_stands_for_a_missing_one() -> None:
    notes = ["", "naïve"]
    rows = [{**GOOD, "note": None}, {**GOOD, "note": "naïve"}]
    given = [
        from_values(name, feature.datatype, [2], [row[name] for row in rows])
        for feature in SIGNATURE.features
        if (name := feature.name) != "note"
    ]
    content = to_bytes(Tensor("note", "BYTES", (2,), notes))
    read = [*given, from_bytes("note", "BYTES", [2], content)]
    codec = Codec(SIGNATURE)
    expected = codec.tensors(codec.rows(rows))
    found = question(codec, *open_inference.table(SIGNATURE, read, {"missing_text": ""}, 9)).tensors
    assert found["strings"].tolist() == expected["strings"].tolist()
    assert np.array_equal(found["numbers"], expected["numbers"], equal_nan=True)
    found = question(codec, *open_inference.table(SIGNATURE, read, {}, 9)).tensors
    assert found["strings"].tolist() != expected["strings"].tolist()


@pytest.mark.parametrize(
    ("name", "datatype", "value", "fits"),
    [
        ("direct", "FP64", 1.0, True),
        ("direct", "FP64", 0.5, False),
        ("direct", "UINT8", 1, True),
        ("direct", "INT8", 2, False),
        ("direct", "BOOL", None, True),
        ("count", "FP32", 3.0, True),
        ("count", "FP32", 3.5, False),
        ("count", "INT64", 2**53, False),
        ("count", "INT64", None, False),
        ("code", "UINT8", 7, True),
        ("code", "UINT8", 3, False),
        ("weight", "FP64", float("inf"), False),
        ("weight", "INT64", None, True),
        ("length (cm)", "FP64", float("nan"), False),
    ],
)
@pytest.mark.parametrize("rows", [1, 100])
def test_a_value_is_taken_if_it_is_one_of_its_feature_s(
    name: str, datatype: str, value: Any, fits: bool, rows: int
) -> None:
    kinds = {feature.name: feature.datatype for feature in SIGNATURE.features}
    row = {**GOOD, name: value}
    tensors = [from_values(one, {**kinds, name: datatype}[one], [rows], [row[one]] * rows) for one in row]
    table, terms = open_inference.table(SIGNATURE, tensors, {}, 1000)
    if fits:
        codec = Codec(SIGNATURE)
        expected = codec.tensors(
            codec.rows([{**row, "direct": None if row["direct"] is None else bool(row["direct"])}])
        )
        for found in (asked(codec, codec.sifted(table.records(), None)), question(codec, table, terms)):
            assert np.array_equal(found.tensors["numbers"][0], expected["numbers"][0], equal_nan=True)
        return
    with pytest.raises(InvalidRequest, match="must be"):
        question(Codec(SIGNATURE), table, terms)
