"""What SageMaker's and MLflow's clients send to /invocations, and what they are answered."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from sklearn.linear_model import LinearRegression
from starlette.testclient import TestClient

from app import aliases, traffic
from app.formats import FORMATS, parquet
from app.main import create_app
from app.protocols.native import Predictions
from app.settings import Settings
from export import export_model
from tests.conftest import MODELS
from tests.test_auth import KEYS
from tests.test_openapi import fuzz
from tests.waiting import until

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.9, 3.0, 4.2, 1.5]]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
COLUMNS = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
SPLIT = {"columns": NAMES, "data": ROWS}
LINES = "\n".join(",".join(map(str, row)) for row in ROWS)
HEADER = ",".join(NAMES)
JSON, CSV = "application/json", "text/csv"


@pytest.fixture(scope="module")
def iris() -> Iterator[TestClient]:
    """A client where a request that names no model means iris."""
    with TestClient(create_app(Settings(models=MODELS, default_model="iris"))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        yield client


@pytest.fixture(scope="module")
def flights() -> Iterator[TestClient]:
    """The same for flights, a model of text and of values that may be missing."""
    with TestClient(create_app(Settings(models=MODELS, default_model="flights"))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        yield client


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The only model is one of one feature, which answers with one number."""
    rows = pd.DataFrame({"x": np.arange(60.0)})
    directory = tmp_path_factory.mktemp("line")
    export_model(LinearRegression().fit(rows, 2 * rows["x"] + 1), rows, directory, "line")
    with TestClient(create_app(Settings(models=directory))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        yield client


def sent(
    client: TestClient,
    content: Any,
    content_type: str | None = JSON,
    accept: str = "*/*",
    path: str = "/invocations",
    **more: str,
) -> Any:
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
    headers = {"accept": accept, **({"content-type": content_type} if content_type else {}), **more}
    return client.post(path, content=content, headers=headers)


def native(client: TestClient, rows: Any = RECORDS, model: str = "iris") -> list[Any]:
    found: list[Any] = client.post(f"/models/{model}/predict", json={"instances": rows}).json()["predictions"]
    return found


def npy(values: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, **how)
    return buffer.getvalue()


def file_of(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def stream_of(frame: pd.DataFrame) -> bytes:
    table, sink = pa.Table.from_pandas(frame), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


FRAME = pd.DataFrame(RECORDS)

BODIES = {
    "split": (SPLIT, JSON),
    "split with an index": ({"dataframe_split": {**SPLIT, "index": [7, 8, 9]}}, JSON),
    "split in another order": ({"dataframe_split": FRAME[NAMES[::-1]].to_dict("split")}, JSON),
    "split with more columns": ({"dataframe_split": FRAME.assign(x="y").to_dict("split")}, JSON),
    "records": ({"dataframe_records": RECORDS}, JSON),
    "records with more": ({"dataframe_records": [{**row, "x": [None, {}]} for row in RECORDS]}, JSON),
    "records that differ": ({"dataframe_records": [{**RECORDS[0], "x": 1}, *RECORDS[1:]]}, JSON),
    "instances": ({"instances": RECORDS}, JSON),
    "inputs": ({"inputs": COLUMNS}, JSON),
    "columns": ({"columns": COLUMNS}, JSON),
    "params": ({"inputs": COLUMNS, "params": {"unknown": 1}}, JSON),
    "no params": ({"inputs": COLUMNS, "params": None}, JSON),
    "lists": (ROWS, JSON),
    "charset": ({"inputs": COLUMNS}, 'Application/JSON; charset="UTF-8"'),
    "a space": ({"inputs": COLUMNS}, "application/json ;charset=utf-8;"),
    "headless": (LINES, CSV),
    "headless with an end": (LINES + "\r\n", CSV),
    "header": (f"{HEADER}\n{LINES}\n", CSV),
    "mark": (f"\ufeff{HEADER}\n{LINES}\n", CSV),
    "of pandas": (FRAME.to_csv(), "text/csv; charset=utf-8"),
    "header said": (f"{HEADER}\n{LINES}", "text/csv; header=present"),
    "no header said": (LINES, "text/csv;header=absent"),
    "lines of objects": ("\n".join(map(json.dumps, RECORDS)), "application/jsonlines"),
    "lines of lists": ("\n".join(map(json.dumps, ROWS)) + "\n", "application/x-ndjson"),
    "parquet": (file_of(FRAME), "application/x-parquet"),
    "parquet of mlflow": (file_of(FRAME.assign(when=pd.Timestamp("2026-01-01"))), "application/vnd.apache.parquet"),
    "arrow": (stream_of(FRAME), "application/vnd.apache.arrow.stream"),
    "array": (npy(np.array(ROWS)), "application/x-npy"),
    "array by column": (npy(np.asfortranarray(np.array(ROWS, ">f8"))), "application/x-npy"),
}
BODIES["split"] = ({"dataframe_split": SPLIT}, JSON)


@pytest.mark.parametrize("name", BODIES)
def test_whatever_a_frame_is_written_in_it_gets_the_native_answer(iris: TestClient, name: str) -> None:
    answer = sent(iris, *BODIES[name])
    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON), answer.text
    assert answer.json() == {"predictions": native(iris)}
    assert answer.headers["servefn-model"] == "iris"


@pytest.mark.parametrize("name", BODIES)
def test_many_rows_too(iris: TestClient, name: str) -> None:
    frame = pd.concat([FRAME] * 20, ignore_index=True)
    content: Any = {
        "inputs": {"inputs": frame.to_dict("list")},
        "instances": {"instances": frame.to_dict("records")},
        "records that differ": {"instances": [{**RECORDS[0], "x": 1}, *frame[1:].to_dict("records")]},
        "split": {"dataframe_split": frame.to_dict("split")},
        "headless": frame.to_csv(index=False, header=False),
        "array": npy(frame.to_numpy()),
        "parquet": file_of(frame),
    }.get(name)
    if content is None:
        return
    assert sent(iris, content, BODIES[name][1]).json()["predictions"] == native(iris) * 20


WRONG: dict[str, tuple[Any, str | None, int, str]] = {
    "no type": ({"instances": RECORDS}, None, 415, "The content type '' is not read here"),
    "a form": ("a=b", "application/x-www-form-urlencoded", 415, "Send one of"),
    "libsvm": ("1 1:2", "text/libsvm", 415, "Send one of"),
    "latin": (LINES, "text/csv; charset=latin-1", 415, "bodies are UTF-8"),
    "a parameter": ({"instances": RECORDS}, "application/json; format=pandas-records", 415, "not understood"),
    "a header in JSON": ({"instances": RECORDS}, "application/json; header=present", 415, "not understood"),
    "no header or one": (LINES, "text/csv; header=maybe", 415, "not understood"),
    "empty": ("", JSON, 400, "empty"),
    "blank": (" ", JSON, 400, "empty"),
    "empty CSV": ("\n\n", CSV, 400, "empty"),
    "empty lines": ("\n", "application/jsonlines", 400, "empty"),
    "cut short": ('{"instances": [', JSON, 400, "not JSON"),
    "deep": ("[" * 100_000, JSON, 400, ""),
    "no UTF-8": (b"\xff", JSON, 400, "not UTF-8"),
    "text": ('"a"', JSON, 400, "must be an object"),
    "a list": ([1, 2], JSON, 400, "must be an object"),
    "a list of objects": (RECORDS, JSON, 400, "must be an object"),
    "an empty list": ([], JSON, 400, "must be an object"),
    "nothing of it": ({}, JSON, 400, "exactly one"),
    "two of it": ({"instances": RECORDS, "inputs": COLUMNS}, JSON, 400, "instances and inputs"),
    "a signature": ({"instances": RECORDS, "signature_name": "x"}, JSON, 400, "'signature_name'"),
    "a misspelling": ({"instance": RECORDS}, JSON, 400, "Did you mean 'instances'?"),
    "instances of lists": ({"instances": ROWS}, JSON, 400, "by name"),
    "instances of one": ({"instances": RECORDS[0]}, JSON, 400, "by name"),
    "inputs of lists": ({"inputs": ROWS}, JSON, 400, "by name"),
    "inputs of values": ({"inputs": RECORDS[0]}, JSON, 400, "by name"),
    "columns that differ": ({"inputs": {**COLUMNS, "sepal_width": [1]}}, JSON, 400, "differ in length"),
    "no columns": ({"dataframe_split": {"data": ROWS}}, JSON, 400, "name its columns"),
    "columns of numbers": ({"dataframe_split": {"columns": [0, 1, 2, 3], "data": ROWS}}, JSON, 400, "name its columns"),
    "no data": ({"dataframe_split": {"columns": NAMES}}, JSON, 400, "lists 'columns' and 'data'"),
    "a list of split": ({"dataframe_split": ROWS}, JSON, 400, "lists 'columns' and 'data'"),
    "more in split": ({"dataframe_split": {**SPLIT, "dtypes": []}}, JSON, 400, "'dtypes'"),
    "a column twice": (
        {"dataframe_split": {"columns": [*NAMES, NAMES[0]], "data": [[*ROWS[0], 1]]}},
        JSON,
        400,
        "more than once",
    ),
    "a short row": ({"dataframe_split": {"columns": NAMES, "data": [[1, 2]]}}, JSON, 400, "row 0 must be a list of 4"),
    "a row that is none": ({"dataframe_split": {"columns": NAMES, "data": [7]}}, JSON, 400, "row 0"),
    "a column less": ({"inputs": {NAMES[0]: [1.0]}}, JSON, 400, "missing"),
    "a column less, and no rows": ({"inputs": {NAMES[0]: []}}, JSON, 400, "'sepal_width', 'petal_length'"),
    "a value less": ({"instances": [RECORDS[0], {"sepal_width": 3.0}]}, JSON, 400, "row 1"),
    "text for a number": ({"instances": [{**RECORDS[0], "sepal_width": "3"}]}, JSON, 400, "row 0: 'sepal_width'"),
    "a list for a number": ({"instances": [{**RECORDS[0], "sepal_width": [3]}]}, JSON, 400, "row 0: 'sepal_width'"),
    "NaN": ({"inputs": {**COLUMNS, "sepal_width": [3, 3, float("nan")]}}, JSON, 400, "row 2"),
    "infinity": ({"inputs": {**COLUMNS, "sepal_width": [3, 3, float("inf")]}}, JSON, 400, "row 2"),
    "huge": ({"instances": [{**RECORDS[0], "sepal_width": 10**400}]}, JSON, 400, "row 0"),
    "params of a list": ({"instances": RECORDS, "params": [1]}, JSON, 400, "parameters must be an object"),
    "a cell less": ("1,2,3", CSV, 400, "row 0 has 3 cells"),
    "a word for a number": ("1,2,3,four", CSV, 400, "row 0: 'petal_width'"),
    "other names": ("a,b,c,d\n1,2,3,4", CSV, 400, "row 0: 'sepal_length'"),
    "other names, said": ("a,b,c,d\n1,2,3,4", "text/csv; header=present", 400, "missing"),
    "a column twice in CSV": (f"{HEADER},sepal_width\n1,2,3,4,5", CSV, 400, "more than once"),
    "quotes": ('"1,2', CSV, 400, "not CSV"),
    "two in a line": (f"{json.dumps(RECORDS[0])},{json.dumps(RECORDS[1])}", "application/jsonlines", 400, "one row"),
    "lines of both": (f"{json.dumps(RECORDS[0])}\n[1,2,3,4]", "application/jsonlines", 400, "list of objects"),
    "no Parquet": ("PAR1", "application/x-parquet", 400, "not a Parquet file"),
    "no array": (b"\x93NUMPY", "application/x-npy", 400, "not an array"),
    "pickled": (npy(np.array([[None] * 4])), "application/x-npy", 400, "must be numbers"),
    "another shape": (npy(np.ones(4)), "application/x-npy", 400, "(rows, 4)"),
    "an array cut short": (npy(np.array(ROWS))[:-1], "application/x-npy", 400, "more or fewer bytes"),
    "a huge array": (
        npy(np.array(ROWS)).replace(b"(3, 4)", b"(%d, 4)" % 2**60, 1)[:200],
        "application/x-npy",
        413,
        "limit",
    ),
    "too many": ({"inputs": {name: [1.0] * 10_001 for name in NAMES}}, JSON, 413, "10001 rows"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_as_mlflow_says_it(iris: TestClient, name: str) -> None:
    content, content_type, status, said = WRONG[name]
    answer = sent(iris, content, content_type)
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert set(document) == {"error", "error_code", "message"}
    assert document["error"] == document["message"]
    assert said in document["message"]
    assert document["error_code"] in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")


EMPTY: dict[str, tuple[Any, str]] = {
    "records": ({"dataframe_records": []}, JSON),
    "instances": ({"instances": []}, JSON),
    "split": ({"dataframe_split": {"columns": NAMES, "data": []}}, JSON),
    "inputs": ({"inputs": {name: [] for name in NAMES}}, JSON),
    "CSV": (HEADER, CSV),
    "parquet": (file_of(FRAME[:0]), "application/x-parquet"),
    "array": (npy(np.zeros((0, 4))), "application/x-npy"),
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("accept", [JSON, CSV, "application/jsonlines", "application/x-parquet"])
def test_of_nothing_there_is_nothing_to_predict(iris: TestClient, name: str, accept: str) -> None:
    answer = sent(iris, *EMPTY[name], accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, accept)
    if accept == JSON:
        assert answer.json() == {"predictions": []}
    elif accept == "application/x-parquet":
        assert pa.parquet.read_table(io.BytesIO(answer.content)).num_rows == 0
    else:
        assert answer.content == b""


def test_an_answer_in_lines_has_one_for_each_record(iris: TestClient) -> None:
    answer = sent(iris, LINES, CSV, CSV)
    assert answer.headers["content-type"] == CSV
    lines = [line.split(",") for line in answer.text.splitlines()]
    expected = native(iris)
    assert [line[0] for line in lines] == [one["label"] for one in expected]
    assert [list(map(float, line[1:])) for line in lines] == [list(one["probabilities"].values()) for one in expected]
    objects = sent(iris, LINES, CSV, "application/jsonlines")
    assert list(map(json.loads, objects.text.splitlines())) == expected
    table = pa.parquet.read_table(io.BytesIO(sent(iris, LINES, CSV, "application/x-parquet").content))
    assert table["label"].to_pylist() == [one["label"] for one in expected]


@pytest.mark.parametrize(
    ("accept", "written"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/csv, application/json", JSON),
        ("application/json;q=0.5, text/csv", CSV),
        ("Text/CSV; header=absent", CSV),
        ("text/plain, */*;q=0.1", JSON),
        ("application/x-ndjson", "application/x-ndjson"),
    ],
)
def test_accept_says_how_to_answer(iris: TestClient, accept: str, written: str) -> None:
    assert sent(iris, LINES, CSV, accept).headers["content-type"] == written


def test_what_nobody_writes_is_not_acceptable(iris: TestClient) -> None:
    answer = sent(iris, LINES, CSV, "application/x-recordio-protobuf")
    assert (answer.status_code, answer.json()["error_code"]) == (406, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("attributes", "echoed"),
    [("trace_id=a-1; b", True), ("x" * 1024, True), ("x" * 1025, False), ("\x01", False), ("caf\xe9", False)],
)
def test_attributes_come_back_if_they_are_what_they_may_be(iris: TestClient, attributes: str, echoed: bool) -> None:
    name = "X-Amzn-SageMaker-Custom-Attributes"
    headers = {name.encode(): attributes.encode("latin-1"), b"content-type": CSV.encode(), b"accept": CSV.encode()}
    more = {b"X-Amzn-SageMaker-Inference-Id": b"7", b"X-Amzn-SageMaker-Target-Model": b"other"}
    answer = iris.post("/invocations", content=LINES, headers=list({**headers, **more}.items()))
    assert answer.status_code == 200
    assert answer.headers.get(name) == (attributes if echoed else None)


@pytest.mark.parametrize("rows", [1, 20])
def test_keys_are_taken_off_and_put_back(iris: TestClient, rows: int) -> None:
    records = [{"key": f"k{number}", **one} for number, one in enumerate(RECORDS * rows)]
    expected = [{"key": one["key"], **answer} for one, answer in zip(records, native(iris) * rows, strict=True)]
    assert sent(iris, {"instances": records}).json()["predictions"] == expected
    frame = pd.DataFrame(records)
    assert sent(iris, frame.to_csv(index=False), CSV).json()["predictions"] == expected
    lines = sent(iris, frame.to_csv(index=False), CSV, CSV).text.splitlines()
    assert [line.split(",")[:2] for line in lines] == [[one["key"], one["label"]] for one in expected]
    assert {line.count(",") for line in lines} == {4}


@pytest.mark.parametrize(
    ("keys", "said"),
    [(["a", "a"], "keys must differ"), (["a", None], "not usable"), (["a", "\ud800"], "not usable")],
)
def test_a_bad_key_or_row_is_a_bad_request(iris: TestClient, keys: list[Any], said: str) -> None:
    records = [{"key": key, **one} for key, one in zip(keys, RECORDS[:2], strict=True)]
    answer = sent(iris, {"instances": records})
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    records = [{"key": "a", **RECORDS[0]}, {"key": "b", **RECORDS[1], "sepal_width": -1}]
    assert "'sepal_width'" in sent(iris, {"instances": records}).json()["message"]
    assert sent(iris, {"instances": [records[0], RECORDS[1]]}).status_code == 400


def test_a_missing_value_is_one_however_it_is_written(flights: TestClient) -> None:
    contract = flights.get("/models/flights").json()
    row = {feature["name"]: feature["example"] for feature in contract["features"]}
    nullable = [feature for feature in contract["features"] if feature["nullable"]]
    number = next(feature["name"] for feature in nullable if feature["datatype"] != "BYTES")
    expected = native(flights, [row | {number: None}], "flights")
    assert expected != native(flights, [row], "flights")
    for missing in (None, float("nan"), "NaT"):
        for rows in (1, 40):
            body = {"dataframe_records": [row | {number: missing}] * rows}
            assert sent(flights, body).json()["predictions"] == expected * rows
    frame = pd.DataFrame([row | {number: None}])
    assert sent(flights, frame.to_csv(index=False), CSV).json()["predictions"] == expected
    assert sent(flights, frame.to_csv(index=False, header=False), CSV).json()["predictions"] == expected
    for rows in (1, 40):
        table = pa.table({name: [float("nan") if name == number else row[name]] * rows for name in row})
        assert not table[number].null_count
        buffer = io.BytesIO()
        pa.parquet.write_table(table, buffer)
        assert sent(flights, buffer.getvalue(), "application/x-parquet").json()["predictions"] == expected * rows


def test_the_only_answer_of_a_row_is_bare(line: TestClient) -> None:
    answer = sent(line, {"instances": [{"x": 1.0}, {"x": 2.0}]})
    assert answer.json() == {"predictions": pytest.approx([3.0, 5.0])}
    assert [one["value"] for one in native(line, [{"x": 1.0}, {"x": 2.0}], "line")] == answer.json()["predictions"]
    assert sent(line, "1\n2\n", CSV, CSV).text.splitlines() == list(map(str, answer.json()["predictions"]))
    keyed = sent(line, {"instances": [{"x": 1.0, "key": 7}]}).json()["predictions"]
    assert keyed == [{"key": 7, "value": answer.json()["predictions"][0]}]


def test_a_blank_line_is_a_missing_value_of_the_only_feature(line: TestClient) -> None:
    answer = sent(line, "1\n\n2\n", CSV, CSV)
    assert answer.status_code == 400
    assert "row 1: 'x'" in answer.json()["message"]


def test_where_nothing_says_which_model_is_meant(client: TestClient) -> None:
    answer = sent(client, {"instances": RECORDS})
    assert answer.status_code == 400
    assert "SERVEFN_DEFAULT_MODEL" in answer.json()["message"]


def test_a_split_says_who_answered(rivals: Path) -> None:
    (rivals / "iris" / traffic.FILE).write_text('{"split": {"challenger": 0.5}}')
    aliases.write(rivals / "iris" / aliases.FILE, {"champion": "1", "challenger": "2"})
    with TestClient(create_app(Settings(models=rivals, default_model="iris"))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        records = [{"key": number, **RECORDS[0]} for number in range(40)]
        answers = sent(client, {"instances": records}).json()["predictions"]
        assert {answer["version"] for answer in answers} == {"1", "2"}
        assert [answer["key"] for answer in answers] == list(range(40))


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_health_waits_for_the_models(tmp_path: Path, iris: TestClient, path: str) -> None:
    assert (iris.get(path).status_code, iris.get(path).text.strip()) == (200, "")
    assert iris.head(path).status_code == 200
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        assert sent(client, {"instances": RECORDS}).status_code == 503


def test_the_version_is_bare(iris: TestClient) -> None:
    answer = iris.get("/version")
    assert answer.text == iris.get("/openapi.json").json()["info"]["version"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/invocations", 405, "BAD_REQUEST"),
        ("POST", "/ping", 405, "BAD_REQUEST"),
        ("PUT", "/version", 405, "BAD_REQUEST"),
    ],
)
def test_other_methods(iris: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = iris.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


def test_callers_are_known_and_health_is_open() -> None:
    with TestClient(create_app(Settings(models=MODELS, default_model="iris", api_keys=KEYS))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        assert client.get("/health").status_code == 200
        answer = sent(client, {"instances": RECORDS})
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
        assert sent(client, {"instances": RECORDS}, **{"x-api-key": "iris-iris"}).status_code == 200
        refused = client.get("/openapi.json").json()["paths"]["/invocations"]["post"]["responses"]["401"]
        assert "application/problem+json" not in refused.get("content", {})


def test_what_the_document_says_is_what_is_done(iris: TestClient) -> None:
    document = iris.get("/openapi.json").json()
    for path in ("/invocations", "/models/iris/invoke", "/models/flights/invoke"):
        operation = document["paths"][path]["post"]
        answers = operation["responses"]["200"]["content"]
        for content_type, body in operation["requestBody"]["content"].items():
            if "example" in body:
                Draft202012Validator(body["schema"]).validate(body["example"])
                answer = sent(iris, body["example"], content_type, path=path)
                assert answer.status_code == 200, answer.text
                Draft202012Validator(answers[JSON]["schema"]).validate(answer.json())
        assert set(answers) == set(operation["requestBody"]["content"])
    assert set(document["paths"]["/models"]) == {"get", "post"}


def test_a_bare_answer_is_documented_too(line: TestClient) -> None:
    answers = line.get("/openapi.json").json()["paths"]["/invocations"]["post"]["responses"]["200"]["content"]
    for row in ({"x": 1.0}, {"x": 1.0, "key": "a"}):
        Draft202012Validator(answers[JSON]["schema"]).validate(sent(line, {"instances": [row]}).json())


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_body_made_from_the_document_breaks_it(iris: TestClient, mode: GenerationMode) -> None:
    api = schemathesis.openapi.from_asgi("/openapi.json", iris.app)
    fuzz(api["/invocations"]["POST"], mode)


def test_without_its_extra_a_type_is_not_read(iris: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "application/x-parquet", replace(parquet.FORMAT, available=False))
    answer = sent(iris, *BODIES["parquet"])
    assert answer.status_code == 415
    assert "servefn[arrow]" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_a_container_that_is_overloaded_is_in_good_health(path: str) -> None:
    with TestClient(create_app(Settings(models=MODELS, in_flight_rows=1))) as client:
        until(lambda: client.get(path).status_code == 200)
        app = client.app
        assert isinstance(app, Predictions)
        app._admission.rows = 1
        assert client.get("/health/ready").status_code == 503
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("name", ["mlflow", "sagemaker"])
def test_either_is_enough(name: str) -> None:
    with TestClient(create_app(Settings(models=MODELS, default_model="iris", protocols=name))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        assert sent(client, {"instances": RECORDS}).status_code == 200
        assert (client.get("/version").status_code == 200) == (name == "mlflow")
