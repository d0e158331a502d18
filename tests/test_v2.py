"""The Open Inference Protocol v2 over REST: the contract's tables, row by row."""

from __future__ import annotations

import gzip
import json
import shutil
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from app import traffic
from app.main import create_app
from app.settings import Settings
from app.traffic import Traffic
from tests.conftest import MODELS
from tests.test_auth import KEYS
from tests.test_decision import folder  # noqa: F401  # a fixture
from tests.waiting import until

IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3]]
FLAT = [value for row in ROWS for value in row]
INFER = "/v2/models/iris/infer"
LENGTH = "inference-header-content-length"

MATRIX = {"name": "X", "shape": [2, 4], "datatype": "FP64", "data": FLAT}
COLUMNS: list[dict[str, Any]] = [
    {"name": name, "shape": [2, 1], "datatype": "FP64", "data": [[row[index]] for row in ROWS]}
    for index, name in enumerate(IRIS)
]


def matrix(**changes: Any) -> dict[str, Any]:
    """A request of one input with both rows; None takes a member out."""
    return {"inputs": [{name: value for name, value in {**MATRIX, **changes}.items() if value is not None}]}


def native(client: TestClient, model: str, rows: list[Any], **more: Any) -> Any:
    """The predictions of the native protocol."""
    return client.post(f"/models/{model}/predict", json={"instances": rows, **more}).json()["predictions"]


def outputs(answer: Any) -> dict[str, Any]:
    """The data of an answer in JSON, by output."""
    assert answer.status_code == 200, answer.text
    return {each["name"]: each["data"] for each in answer.json()["outputs"]}


def binary(client: TestClient, document: Any, *contents: bytes, **headers: str) -> Any:
    """What a request with raw tensors is answered."""
    header = json.dumps(document).encode()
    return client.post(INFER, content=b"".join([header, *contents]), headers={LENGTH: str(len(header)), **headers})


def raw(answer: Any) -> tuple[dict[str, Any], bytes]:
    """The JSON of an answer, and what follows it."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers[LENGTH])
    document: dict[str, Any] = json.loads(answer.content[:length])
    return document, answer.content[length:]


@pytest.fixture
def expected(client: TestClient) -> Any:
    return native(client, "iris", [dict(zip(IRIS, row, strict=True)) for row in ROWS])


def test_the_server_and_its_health(client: TestClient) -> None:
    found = client.get("/v2").json()
    assert found["name"] == "servefn"
    assert {"binary_tensor_data", "classification", "model_repository", "statistics"} <= set(found["extensions"])
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models").json() == {"models": ["flights", "iris"]}


def test_without_models_the_server_lives_and_is_not_ready(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        assert client.get("/v2/health/live").status_code == 200
        answer = client.get("/v2/health/ready")
        assert (answer.status_code, list(answer.json())) == (503, ["error"])


def test_the_metadata_of_a_model(client: TestClient) -> None:
    found = client.get("/v2/models/iris").json()
    assert found["versions"] == ["1"]
    assert found["inputs"][0] == {"name": "sepal_length", "datatype": "FP64", "shape": [-1, 1]}
    assert found["outputs"][1] == {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]}
    assert found == client.get("/v2/models/iris/versions/1").json()
    assert client.get("/v2/models/iris/versions/1/ready").json() == {"name": "iris", "ready": True}
    config = client.get("/v2/models/flights/config").json()
    assert (config["name"], config["input"][0]["data_type"]) == ("flights", "TYPE_STRING")


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [MATRIX]},
        {"inputs": COLUMNS},
        matrix(data=ROWS),
        matrix(data=[FLAT[0], FLAT[1:3], [[FLAT[3]]], FLAT[4:]]),
        matrix(datatype="FP32"),
        {**matrix(), "parameters": {"priority": 1, "timeout": 5, "mine": "x"}, "model_name": "iris", "outputs": []},
        {**matrix(parameters={}), "id": None, "outputs": None, "parameters": None},
    ],
)
def test_data_flat_or_nested_in_columns_or_one_matrix(client: TestClient, expected: Any, document: Any) -> None:
    for path in (INFER, "/v2/models/iris/versions/1/infer"):
        answer = client.post(path, json=document)
        assert outputs(answer) == {
            "label": [row["label"] for row in expected],
            "probabilities": [value for row in expected for value in row["probabilities"].values()],
        }
        about = answer.json()
        assert (about["model_name"], about["model_version"], "id" in about) == ("iris", "1", False)


def test_what_is_said_is_in_the_body_only(client: TestClient) -> None:
    answer = client.post(INFER, json={**matrix(), "id": "üñ", "outputs": [{"name": "label"}]})
    assert (answer.json()["id"], list(outputs(answer))) == ("üñ", ["label"])
    assert "id" not in answer.headers
    assert client.post(INFER, json={**matrix(), "id": ""}).json()["id"] == ""


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/json"}])
def test_the_content_type_does_not_matter(client: TestClient, headers: Mapping[str, str]) -> None:
    assert client.post(INFER, content=json.dumps(matrix()).encode(), headers=headers).status_code == 200


@pytest.mark.parametrize("rows", [2, 200])
def test_raw_tensors_in_and_out(client: TestClient, rows: int) -> None:
    values = np.resize(np.array(ROWS), (rows, 4))
    wanted = outputs(client.post(INFER, json=matrix(shape=[rows, 4], data=values.tolist())))
    document = matrix(shape=[rows, 4], data=None, parameters={"binary_data_size": rows * 32})
    answer = binary(client, {**document, "parameters": {"binary_data_output": True}}, values.tobytes())
    about, content = raw(answer)
    label, probabilities = about["outputs"]
    texts = content[: label["parameters"]["binary_data_size"]]
    assert texts[:10] == pack("<I", 6) + b"setosa"
    assert probabilities["shape"] == [rows, 3]
    assert np.frombuffer(content[len(texts) :]).tolist() == wanted["probabilities"]


def test_some_inputs_raw_and_some_not(client: TestClient, expected: Any) -> None:
    contents = [np.array(ROWS)[:, index].astype("<f8").tobytes() for index in range(4)]
    size = {"binary_data_size": 16}
    inputs = [
        {"name": one["name"], "shape": [2], "datatype": "FP64", "parameters": size} if index % 2 else one
        for index, one in enumerate(COLUMNS)
    ]
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    about, content = raw(binary(client, {"inputs": inputs, "outputs": wanted}, contents[1], contents[3]))
    assert about["outputs"][1]["data"] == [row["label"] for row in expected]
    assert np.frombuffer(content).tolist() == [value for row in expected for value in row["probabilities"].values()]
    listed = [{"name": "label", "parameters": {"binary_data": False}}]
    answer = binary(
        client,
        {"inputs": inputs, "outputs": listed, "parameters": {"binary_data_output": True}},
        contents[1],
        contents[3],
    )
    assert (answer.headers["content-type"], LENGTH in answer.headers) == ("application/json", False)


def test_a_body_that_is_nothing_but_the_tensor(client: TestClient, expected: Any) -> None:
    answer = client.post(INFER, content=pack("<4d", *ROWS[0]), headers={LENGTH: "0"})
    about, content = raw(answer)
    assert np.frombuffer(content[-24:]).tolist() == list(expected[0]["probabilities"].values())
    assert [each["shape"] for each in about["outputs"]] == [[1], [1, 3]]
    answer = client.post("/v2/models/flights/infer", content=b"\0" * 8, headers={LENGTH: "0"})
    assert (answer.status_code, "several inputs" in answer.text) == (400, True)


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_both_ways(client: TestClient, coding: str, pack: Any) -> None:
    rows = 2000
    document = matrix(shape=[rows, 4], data=None, parameters={"binary_data_size": rows * 32})
    header = json.dumps({**document, "parameters": {"binary_data_output": True}}).encode()
    content = pack(header + np.resize(np.array(ROWS), (rows, 4)).tobytes())
    answer = client.post(
        INFER,
        content=content,
        headers={LENGTH: str(len(header)), "content-encoding": coding, "accept-encoding": coding},
    )
    assert answer.headers["content-encoding"] == coding
    assert raw(answer)[0]["outputs"][1]["shape"] == [rows, 3]


REFUSED: list[Any] = [
    (b"", "The body is empty"),
    (b"[", "is not JSON"),
    (b"[]", "no inference request"),
    (b'"x"', "no inference request"),
    (b"{}", "missing required field `inputs`"),
    (b"\xff", "not UTF-8"),
    (b"[" * 100_000, "nested too deep"),
    (b'{"inputs":[' + b"[" * 900 + b"]" * 900 + b"]}", "no inference request"),
    (b'{"inputs":[{"name":"\\ud800","shape":[1,4],"datatype":"FP64","data":[1,2,3,4]}]}', "is no text"),
    ({"inputs": {}}, "no inference request"),
    ({"inputs": []}, "is missing"),
    ({**matrix(), "id": 5}, "`$.id`"),
    ({**matrix(), "parameters": []}, "`$.parameters`"),
    ({**matrix(), "parameters": {"binary_data_output": "yes"}}, "must be true or false"),
    (matrix(name=None), "missing required field `name`"),
    (matrix(shape=None), "missing required field `shape`"),
    (matrix(datatype=None), "missing required field `datatype`"),
    (matrix(data=None), "either data or"),
    (matrix(parameters={"binary_data_size": 8}), "either data or"),
    (matrix(data=None, parameters={"binary_data_size": 64}), "no number of bytes"),
    (matrix(data=None, parameters={"shared_memory_region": "x"}), "shared memory"),
    (matrix(data=5), "must have a list"),
    (matrix(data={}), "must have a list"),
    (matrix(data=[]), "has 0 values"),
    (matrix(data=FLAT[1:]), "has 7 values"),
    (matrix(data=[*FLAT, 1]), "has 9 values"),
    (matrix(data=[None, *FLAT[1:]]), "'sepal_length' must be a number"),
    (matrix(data=["5.1", *FLAT[1:]]), "which text is not"),
    (matrix(data=[True, *FLAT[1:]]), "which a boolean is not"),
    (matrix(data=[{}, *FLAT[1:]]), "which an object is not"),
    (matrix(data=[-5.1, *FLAT[1:]]), "row 0: 'sepal_length' must be a number"),
    (matrix(datatype="INT64"), "which a number is not"),
    (matrix(datatype="FLOAT32"), "and there is: BOOL"),
    (matrix(datatype="FP16"), "can only come raw"),
    (matrix(datatype="BF16"), "and there is: BOOL"),
    (matrix(datatype=1), "`$.inputs[0].datatype`"),
    (matrix(shape=[-1, 4]), "whole numbers from 0 on"),
    (matrix(shape=[8]), "must have the shape [rows, 4]"),
    (matrix(shape=[4, 2]), "must have the shape [rows, 4]"),
    (matrix(shape=[2.0, 4]), "`$.inputs[0].shape[0]`"),
    (matrix(shape="2"), "`$.inputs[0].shape`"),
    (matrix(shape=[2**60, 2**60], data=[]), "has 0 values"),
    (matrix(shape=[0, 4], data=[]), "There are no rows"),
    ({"inputs": [MATRIX, MATRIX]}, "there more than once"),
    ({"inputs": COLUMNS[1:]}, "'sepal_length' is missing"),
    ({**matrix(), "outputs": [{"name": "lable"}]}, "Did you mean 'label'?"),
    ({**matrix(), "outputs": [{"name": "label"}, {"name": "label"}]}, "more than once"),
    ({**matrix(), "outputs": [{"name": "label", "parameters": {"classification": 1}}]}, "only numbers have"),
    ({**matrix(), "outputs": [{"name": "probabilities", "parameters": {"classification": 0}}]}, "from 1 on"),
    ({**matrix(), "outputs": [{"name": "probabilities", "parameters": {"classification": True}}]}, "from 1 on"),
    ({**matrix(), "outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}, "must be true or false"),
    ({**matrix(), "outputs": {}}, "`$.outputs`"),
]


@pytest.mark.parametrize(("document", "said"), REFUSED)
def test_what_is_refused(client: TestClient, document: Any, said: str) -> None:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = client.post(INFER, content=content)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("length", "size", "said"),
    [
        ("x", 64, "must be a number of bytes"),
        ("-1", 64, "must be a number of bytes"),
        ("²", 64, "must be a number of bytes"),
        ("9" * 5000, 64, "must be a number of bytes"),
        ("999999", 64, "is said to have 999999"),
        ("5", 64, "is not JSON"),
        (None, 63, "has 63 bytes"),
        (None, 65, "no number of bytes"),
        (None, -1, "no number of bytes"),
        (None, 64.0, "no number of bytes"),
        (None, True, "no number of bytes"),
        (None, 0, "has 0 bytes"),
    ],
)
def test_raw_tensors_that_do_not_fit(client: TestClient, length: str | None, size: Any, said: str) -> None:
    document = matrix(data=None, parameters={"binary_data_size": size})
    header = json.dumps(document).encode()
    headers = {LENGTH.encode(): (length or str(len(header))).encode("latin-1")}
    answer = client.post(INFER, content=header + np.array(FLAT).tobytes(), headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize("name", ["\\ud800", "data\\udfff"])
def test_a_name_that_is_no_text(client: TestClient, name: str) -> None:
    content = json.dumps(matrix()).replace('"name"', f'"{name}": NaN, "name"', 1)
    answer = client.post(INFER, content=content)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "The body has a name with a lone surrogate, which is no text.",
    )


def test_bytes_that_nobody_asked_for(client: TestClient) -> None:
    answer = binary(client, matrix(), b"12")
    assert (answer.status_code, answer.json()["error"]) == (400, "2 bytes follow the last input.")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/irsi/infer", 404),
        ("POST", "/v2/models/iris/versions/9/infer", 404),
        ("POST", "/v2/models/iris/versions/x/infer", 404),
        ("GET", "/v2/models/irsi", 404),
        ("GET", "/v2/models/irsi/ready", 404),
        ("GET", "/v2/models/iris/versions/9/stats", 404),
        ("GET", INFER, 405),
        ("POST", "/v2", 405),
        ("GET", "/v2/repository/index", 405),
        ("GET", "/v2/nothing", 404),
        ("POST", "/v2/repository/models/irsi/load", 404),
        ("POST", "/v2/repository/models/irsi/unload", 404),
    ],
)
def test_what_there_is_not(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, json=matrix() if path.endswith("infer") else None)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_too_much(client: TestClient) -> None:
    answer = client.post(INFER, json=matrix(shape=[10_001, 4], data=[1] * 40_004))
    assert (answer.status_code, "limit is 10000" in answer.json()["error"]) == (413, True)
    answer = client.post(INFER, content=b"{}", headers={"content-encoding": "br"})
    assert (answer.status_code, list(answer.json())) == (415, ["error"])


FLIGHTS = json.loads((MODELS / "flights/1/replay.json").read_bytes())["instances"][:3]
FEATURES = json.loads((MODELS / "flights/1/model.json").read_bytes())["signature"]["features"]


def test_texts_too_many_to_part_take_no_memory(client: TestClient) -> None:
    size = {"binary_data_size": 4_000_000}
    about = {"name": "carrier", "datatype": "BYTES", "shape": [1_000_000], "parameters": size}
    header = json.dumps({"inputs": [about]}).encode()
    headers = {LENGTH: str(len(header))}
    tracemalloc.start()
    try:
        answer = client.post("/v2/models/flights/infer", content=header + bytes(4_000_000), headers=headers)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413


def test_inputs_too_many_to_guess_at_are_only_counted(client: TestClient) -> None:
    inputs = [{"name": f"x{number}", "datatype": "FP64", "shape": [1], "data": [1]} for number in range(60)]
    answer = client.post("/v2/models/iris/infer", json={"inputs": inputs})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "The request has 60 inputs, far more than the model."},
    )


def flights(**changes: Any) -> list[dict[str, Any]]:
    """The inputs of a few flights."""
    return [
        {"name": name, "shape": [3], "datatype": one["datatype"], "data": [row[name] for row in FLIGHTS]}
        | changes.get(name, {})
        for one in FEATURES
        if (name := one["name"])
    ]


def test_texts_and_what_is_missing(client: TestClient) -> None:
    rows = [{**row, "temp": temp} for row, temp in zip(FLIGHTS, (None, None, 60), strict=True)]
    expected = native(client, "flights", rows)
    given = flights(temp={"data": [None, float("nan"), 60]})
    answer = client.post("/v2/models/flights/infer", content=json.dumps({"inputs": given}).encode())
    assert outputs(answer)["label"] == [row["label"] for row in expected]
    assert outputs(answer)["probabilities"] == [value for row in expected for value in row["probabilities"].values()]


@pytest.mark.parametrize("datatype", ["BYTES", "INT64"])
def test_keys_come_back_in_their_order(client: TestClient, datatype: str) -> None:
    keys = ["c", "a", "b"] if datatype == "BYTES" else [3, 1, 2]
    key = {"name": "flight_id", "shape": [3, 1], "datatype": datatype, "data": keys}
    found = client.post("/v2/models/flights/infer", json={"inputs": [*flights(), key]})
    assert found.json()["outputs"][0] == {"name": "flight_id", "datatype": datatype, "shape": [3], "data": keys}
    named = {"inputs": [*flights(), {**key, "name": "mine"}], "parameters": {"key_field": "mine"}}
    assert list(outputs(client.post("/v2/models/flights/infer", json=named))) == ["mine", "label", "probabilities"]


def test_one_bad_row_of_keyed_ones_is_told_by_its_key(client: TestClient) -> None:
    key = {"name": "flight_id", "shape": [3], "datatype": "BYTES", "data": ["c", "a", "b"]}
    answer = client.post("/v2/models/flights/infer", json={"inputs": [*flights(hour={"data": [1, 99, 3]}), key]})
    assert answer.status_code == 400
    assert "row 1: 'hour' must be" in answer.json()["error"]


def test_a_classification(client: TestClient, expected: Any) -> None:
    wanted = [{"name": "probabilities", "parameters": {"classification": 9}}]
    (found,) = client.post(INFER, json={**matrix(), "outputs": wanted}).json()["outputs"]
    assert (found["datatype"], found["shape"]) == ("BYTES", [2, 3])
    likely = expected[0]["probabilities"]
    assert found["data"][:2] == [f"{likely['setosa']:f}:0:setosa", f"{likely['versicolor']:f}:1:versicolor"]


def test_the_index_load_and_unload(models: Path) -> None:
    shutil.copytree(models / "iris" / "1", models / "iris" / "2")
    (models / "iris" / "2" / "model.onnx").write_bytes(b"")
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/v2/health/ready").status_code == 200)
        index = client.post("/v2/repository/index").json()
        assert [(one["name"], one["version"], one["state"]) for one in index] == [
            ("flights", "1", "READY"),
            ("iris", "1", "READY"),
            ("iris", "2", "UNAVAILABLE"),
        ]
        assert "model.onnx" in index[2]["reason"]
        assert len(client.post("/v2/repository/index", json={"ready": True}).json()) == 2
        for body in (b'{"ready": 1}', b"[]", b"{"):
            assert client.post("/v2/repository/index", content=body).status_code == 400
        answer = client.post("/v2/repository/models/iris/unload", json={"parameters": {"unload_dependents": False}})
        assert (answer.status_code, answer.content) == (200, b"")
        assert client.post(INFER, json=matrix()).status_code == 503
        assert client.get("/v2/models/iris/ready").status_code == 503
        unloaded = {"name": "iris", "version": "", "state": "UNAVAILABLE", "reason": "unloaded"}
        assert unloaded in client.post("/v2/repository/index", json={}).json()
        answer = client.post("/v2/repository/models/iris/load", json={"parameters": {"config": "{}"}})
        assert (answer.status_code, "parameters cannot change it" in answer.text) == (400, True)
        answer = client.post("/v2/repository/models/iris/load")
        assert (answer.status_code, answer.content) == (200, b"")
        assert client.post(INFER, json=matrix()).status_code == 200


def test_statistics(models: Path) -> None:
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/v2/health/ready").status_code == 200)
        client.post(INFER, json=matrix())
        client.post(INFER, json=matrix(shape=[100, 4], data=FLAT * 50))
        client.post(INFER, json=matrix(data=[]))
        (found,) = client.get("/v2/models/iris/versions/1/stats").json()["model_stats"]
        assert (found["inference_count"], found["execution_count"]) == (102, 2)
        success, fail = found["inference_stats"]["success"], found["inference_stats"]["fail"]
        assert (success["count"], fail["count"]) == (2, 1)
        assert success["ns"] > found["inference_stats"]["compute_infer"]["ns"] > 0
        assert found["last_inference"] > 1.7e12
        every = client.get("/v2/models/stats").json()["model_stats"]
        assert [one["name"] for one in every] == ["flights", "iris"]


def test_callers(models: Path) -> None:
    with TestClient(create_app(Settings(models=models, api_keys=KEYS))) as client:
        until(lambda: client.get("/v2/health/ready").status_code == 200)
        assert client.post(INFER, json=matrix()).status_code == 401
        assert list(client.get("/v2/models/iris").json()) == ["error"]
        key = {"x-api-key": "iris-iris"}
        assert client.post(INFER, json=matrix(), headers=key).status_code == 200
        assert client.post("/v2/models/flights/infer", json=matrix(), headers=key).status_code == 403
        assert client.post("/v2/repository/models/flights/unload", headers=key).status_code == 403
        assert client.post("/v2/repository/models/iris/unload", headers={"x-api-key": "all-all"}).status_code == 200
        assert client.get("/v2/models/stats", headers=key).status_code == 403


@pytest.fixture(scope="module")
def deciding(folder: Path) -> Iterator[TestClient]:  # noqa: F811
    with TestClient(create_app(Settings(models=folder))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def test_a_decision_and_its_parameters(deciding: TestClient) -> None:
    answer = deciding.post("/v2/models/late/infer", json={"inputs": flights(), "parameters": {"threshold": 0.1}})
    assert answer.json()["parameters"]["threshold"] == 0.1
    expected = native(deciding, "late", FLIGHTS, parameters={"threshold": 0.1})
    assert outputs(answer)["decision"] == [row["decision"] for row in expected]
    answer = deciding.post("/v2/models/late/infer", json={"inputs": flights(), "parameters": {"threshold": 5}})
    assert (answer.status_code, "'threshold' must be" in answer.text) == (400, True)


def test_the_likeliest_are_two_tensors(deciding: TestClient) -> None:
    answer = deciding.post("/v2/models/top/infer", json=matrix())
    found = outputs(answer)
    assert found["decision.label"][:2] == ["setosa", "versicolor"]
    assert found["decision.probability"][:2] == sorted(found["probabilities"][:3])[:0:-1]
    named = {one["name"]: one["shape"] for one in deciding.get("/v2/models/top").json()["outputs"]}
    assert named["decision.label"] == named["decision.probability"] == [-1, -1]


def test_a_split_says_who_answered(rivals: Path) -> None:
    traffic.save(rivals / "iris", Traffic(split={"challenger": 0.5}))
    with TestClient(create_app(Settings(models=rivals))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        key = {"name": "key", "shape": [2], "datatype": "BYTES", "data": ["0", "3"]}
        for more in ({}, {"outputs": [{"name": "version"}]}):
            answer = client.post(INFER, json={"inputs": [MATRIX, key], **more})
            assert set(outputs(answer)["version"]) <= {"1", "2"}
            assert "share=0.5" in answer.json()["parameters"]["split"]
        assert "version" not in outputs(client.post("/v2/models/iris/versions/1/infer", json=matrix()))


def test_the_document_has_requests_that_work(client: TestClient) -> None:
    document = client.get("/openapi.json").json()["paths"]
    posted = {path: item["post"] for path, item in document.items() if path.endswith("/infer")}
    assert {INFER, "/v2/models/flights/versions/1/infer"} <= posted.keys()
    for path, operation in posted.items():
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        for example in body["examples"]:
            Draft202012Validator(body).validate(example)
            answer = client.post(path, json=example)
            assert answer.status_code == 200, answer.text
            described = operation["responses"]["200"]["content"]["application/json"]["schema"]
            Draft202012Validator(described).validate(answer.json())


def test_the_document_describes_what_is_told(client: TestClient) -> None:
    document = client.get("/openapi.json").json()["paths"]
    told = {path: item["get"] for path, item in document.items() if path.startswith("/v2") and "get" in item}
    assert len(told) == 5 + 2 * 2 * 4
    for path, operation in told.items():
        described = operation["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator(described).validate(client.get(path).json())
    index = document["/v2/repository/index"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator(index).validate(client.post("/v2/repository/index").json())
