"""TensorFlow Serving's REST protocol and KServe's V1, as their clients use it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from starlette.testclient import TestClient

from app import traffic
from app.main import create_app
from app.protocols.tfserving import _values
from app.settings import Settings
from app.tensors import BYTES, Tensor
from export import export_model
from tests.conftest import MODELS
from tests.test_auth import KEYS
from tests.test_cli import serving
from tests.test_native import IRIS
from tests.waiting import until

PREDICT = "/v1/models/iris:predict"
VALUES = list(IRIS.values())
FLIGHTS: list[dict[str, Any]] = json.loads((MODELS / "flights/1/replay.json").read_bytes())["instances"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A regressor of an integer, one of nothing but its gaps, and a classifier of a single text."""
    models = tmp_path_factory.mktemp("small")
    hours = pd.DataFrame({"hour": range(24)})
    export_model(LinearRegression().fit(hours, hours["hour"] * 0.5), hours, models, "line", 1)
    cities = pd.DataFrame({"city": ["Oslo", "Pau", "Rom", "Oslo"] * 8})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(cities, [1, 2, 3, 1] * 8)
    export_model(model, cities, models, "city", 1)
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def native(client: TestClient, name: str, rows: list[Any], **around: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.post(f"/models/{name}/predict", json={"instances": rows, **around}).json()[
        "predictions"
    ]
    return found


def expected(client: TestClient, name: str, rows: list[Any]) -> list[dict[str, Any]]:
    """The native protocol's answers, with probabilities as arrays."""
    return [{**one, "probabilities": list(one["probabilities"].values())} for one in native(client, name, rows)]


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def boxed(row: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [value] for name, value in row.items()}


def test_it_is_alive_and_lists_its_models(client: TestClient) -> None:
    assert client.get("/").json() == {"status": "alive"}
    assert client.get("/v1/models").json() == {"models": ["flights", "iris"]}


@pytest.mark.parametrize("path", ["iris", "iris/versions/1", "IRIS/../iris", "ir%69s"])
def test_the_status_is_both_servers(client: TestClient, path: str) -> None:
    answer = client.get(f"/v1/models/{path}")
    assert answer.json() == {
        "name": "iris",
        "ready": True,
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ],
    }


def test_a_bundle_that_is_not_served_says_why(models: Path) -> None:
    (models / "iris" / "7").mkdir()
    (models / "iris" / "7" / "model.json").write_text("{}")
    with TestClient(create_app(Settings(models=models, load_seconds=0))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        good, bad = client.get("/v1/models/iris").json()["model_version_status"]
        assert (good["state"], bad["version"], bad["state"]) == ("AVAILABLE", "7", "END")
        assert bad["status"]["error_code"] == "UNKNOWN"
        assert bad["status"]["error_message"]


@pytest.mark.parametrize("path", ["iris/metadata", "iris/versions/1/metadata"])
def test_the_metadata_have_the_signature(client: TestClient, path: str) -> None:
    document = client.get(f"/v1/models/{path}").json()
    assert document["model_spec"] == {"name": "iris", "signature_name": "", "version": "1"}
    signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert list(signature["inputs"]) == list(IRIS)
    assert signature["inputs"]["sepal_width"] == {
        "dtype": "DT_DOUBLE",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}], "unknown_rank": False},
        "name": "sepal_width:0",
    }
    assert {name: found["dtype"] for name, found in signature["outputs"].items()} == {
        "label": "DT_STRING",
        "probabilities": "DT_DOUBLE",
    }


@pytest.mark.parametrize("instance", [IRIS, boxed(IRIS), VALUES, {"key": "a-1", **IRIS}])
@pytest.mark.parametrize("count", [1, 3, 60])
def test_rows_are_answered_as_the_native_protocol_does(client: TestClient, instance: Any, count: int) -> None:
    keyed = isinstance(instance, dict) and "key" in instance
    rows = [{**instance, "key": number} if keyed else instance for number in range(count)]
    answer = client.post(PREDICT, json={"instances": rows})
    keys = [{"key": number} if keyed else {} for number in range(count)]
    told = [{**key, **one} for key, one in zip(keys, expected(client, "iris", [IRIS] * count), strict=True)]
    assert answer.json() == {"predictions": told}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["servefn-version"] == "1"


@pytest.mark.parametrize("count", [2, 60])
def test_columns_are_answered_by_columns_and_others_are_ignored(client: TestClient, count: int) -> None:
    rows = (FLIGHTS * 60)[:count]
    told = columns(expected(client, "flights", rows))
    given = columns(rows)
    assert client.post("/v1/models/flights:predict", json={"inputs": given}).json() == {"outputs": told}
    nested = {name: [[value] for value in values] for name, values in given.items()}
    answer = client.post("/v1/models/flights:predict", json={"inputs": {**nested, "other": 1}})
    assert answer.json() == {"outputs": told}
    keys = [f"k{number}" for number in range(count)]
    answer = client.post("/v1/models/flights:predict", json={"inputs": {**given, "flight_id": keys}})
    assert answer.json() == {"outputs": {"flight_id": keys, **told}}


def test_text_may_be_in_base64(client: TestClient, small: TestClient) -> None:
    row = FLIGHTS[0]
    given = {
        name: {"b64": b64encode(value.encode()).decode()} if isinstance(value, str) else value
        for name, value in row.items()
    }
    for instance in (given, boxed(given)):
        answer = client.post("/v1/models/flights:predict", json={"instances": [instance]})
        assert answer.json() == {"predictions": expected(client, "flights", [row])}
    oslo = {"b64": b64encode(b"Oslo").decode()}
    told = expected(small, "city", [{"city": "Oslo"}] * 2)
    answer = small.post("/v1/models/city:predict", json={"instances": ["Oslo", oslo]})
    assert answer.json() == {"predictions": told}


def test_outputs_that_are_called_bytes_are_in_base64() -> None:
    assert _values(Tensor("word_bytes", BYTES, (2,), ["a", "å"])) == [{"b64": "YQ=="}, {"b64": "w6U="}]
    assert _values(Tensor("word", BYTES, (2,), ["a", "å"])) == ["a", "å"]


@pytest.mark.parametrize("rows", [[4, 6], [[4], [6]], [{"hour": 4}, {"hour": 6}], [{"hour": [4]}, {"hour": [6]}]])
def test_a_single_input_and_a_single_output_are_bare(small: TestClient, rows: list[Any]) -> None:
    told = small.post("/v1/models/line:predict", json={"instances": rows}).json()["predictions"]
    assert told == [one["value"] for one in native(small, "line", [{"hour": 4}, {"hour": 6}])]
    assert np.allclose(told, [2.0, 3.0])


@pytest.mark.parametrize("given", [[4, 6], [[4], [6]], {"hour": [4, 6]}])
def test_a_single_column_too(small: TestClient, given: Any) -> None:
    told = small.post("/v1/models/line:predict", json={"inputs": given}).json()["outputs"]
    assert told == small.post("/v1/models/line:predict", json={"instances": [4, 6]}).json()["predictions"]


def test_with_a_key_a_single_output_has_its_name(small: TestClient) -> None:
    (told,) = small.post("/v1/models/line:predict", json={"instances": [{"hour": 4, "key": "a"}]}).json()["predictions"]
    assert told == {"key": "a", **native(small, "line", [{"hour": 4}])[0]}


def test_nan_is_a_missing_number(client: TestClient) -> None:
    row = {**FLIGHTS[0], "wind_gust": float("nan")}
    answer = client.post("/v1/models/flights:predict", content=json.dumps({"instances": [row]}))
    assert answer.json() == {"predictions": expected(client, "flights", [{**row, "wind_gust": None}])}


@pytest.mark.parametrize(
    ("path", "content_type", "end"),
    [
        (PREDICT, "application/x-www-form-urlencoded", ""),
        ("/V1/Models/iris:PREDICT", "text/plain", " and more"),
        ("/v1/models/ir%69s%3Apredict", "", "}"),
        ("/v1/models/iris/versions/1:predict", "application/json", "\n{}"),
    ],
)
def test_neither_case_nor_type_nor_what_follows_matters(
    client: TestClient, path: str, content_type: str, end: str
) -> None:
    content = json.dumps({"instances": [IRIS], "signature_name": "serving_default", "more": 1}) + end
    answer = client.post(path, content=content, headers={"content-type": content_type} if content_type else {})
    assert answer.json() == {"predictions": expected(client, "iris", [IRIS])}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is empty"),
        (b"{", "The body is not JSON"),
        (b"\xff{}", "The body is not UTF-8"),
        (b"[]", "The body must be an object, and is a list."),
        (b"[" * 100_000, "nested too deep"),
        (b'{"instances": ' + b"[" * 900 + b"]" * 900 + b"}", "there are 1 values, and 4 features"),
        ({}, 'Rows go into "instances", or columns into "inputs"'),
        ({"instances": [IRIS], "inputs": columns([IRIS])}, "not both"),
        ({"instances": [IRIS], "signature_name": "other"}, "There is no signature 'other'."),
        ({"instances": [IRIS], "signature_name": None}, "There is no signature 'None'."),
        ({"instances": []}, "'instances' must be a list of at least one row, and is an empty list."),
        ({"instances": None}, "'instances' must be a list of at least one row, and is null."),
        ({"instances": {"a": IRIS}}, "and is an object."),
        ({"instances": [1, 2]}, "2 faults: row 0 must be an object with the features as fields, and is an integer."),
        ({"instances": [{"b64": "AA=="}]}, "there is no field 'b64'"),
        ({"instances": [{}]}, "4 faults: row 0: 'sepal_length' is missing"),
        ({"instances": [IRIS, {**IRIS, "colour": 1}]}, "row 1: there is no field 'colour'"),
        ({"instances": [IRIS, {"sepal_width": 1}]}, "3 faults: row 1: 'sepal_length' is missing"),
        ({"instances": [{**IRIS, "key": 1}, IRIS]}, "row 1: the key field 'key' is missing"),
        ({"instances": [{**IRIS, "key": 1}, {**IRIS, "key": 1}]}, "keys must differ"),
        ({"instances": [{**IRIS, "key": "a"}, {**IRIS, "key": "b", "sepal_width": -1}]}, "row 1: 'sepal_width'"),
        ({"instances": [IRIS, boxed(IRIS)]}, "all of them bare or all in a list of their own"),
        ({"instances": [{**IRIS, "sepal_width": [[1]]}]}, "'sepal_width' must be a number"),
        ({"instances": [{**IRIS, "sepal_width": [1, 2]}]}, "all of them bare or all in a list"),
        ({"instances": [{**IRIS, "sepal_width": []}]}, "all of them bare or all in a list"),
        ({"instances": [IRIS, VALUES]}, "The rows are not all of one kind."),
        ({"instances": [[1, 2, 3]]}, "row 0: there are 3 values, and 4 features."),
        ({"instances": [{**IRIS, "sepal_width": True}]}, "'sepal_width' must be a number"),
        ({"instances": [{**IRIS, "sepal_width": {"b64": "MQ=="}}]}, "'sepal_width' must be a number"),
        ({"instances": [{**IRIS, "sepal_width": {"b64": "?"}}]}, "holds a b64 that is not"),
        ({"instances": [{**IRIS, "sepal_width": {"b64": "/w=="}}]}, "holds a b64 that is not"),
        ({"instances": [{**IRIS, "sepal_width": 10**400}]}, "'sepal_width' must be a number"),
        ({"instances": [{**IRIS, "sepal_width": float("inf")}]}, "infinite"),
        ({"instances": [{**IRIS, "sepal_width": float("nan")}]}, "and is NaN"),
        ({"instances": [{**IRIS, "\ud800": 1}]}, "there is no field"),
        ({"inputs": 1}, "'inputs' must be an object of columns, and is an integer."),
        ({"inputs": [VALUES]}, "'inputs' must be an object of columns, and is a list."),
        ({"inputs": {**columns([IRIS]), "sepal_width": 1}}, "'sepal_width' must be a list with a value for each row"),
        ({"inputs": {"sepal_width": [1]}}, "3 faults: 'sepal_length' is missing"),
        ({"inputs": {**columns([IRIS]), "sepal_width": [1, 2]}}, "The columns differ in length."),
        ({"inputs": {name: [] for name in IRIS}}, "There are no rows to predict."),
        ({"inputs": {**columns([IRIS]), "key": "a"}}, "'key' must be a list with a value for each row"),
    ],
)
def test_what_is_wrong_is_refused_by_400(client: TestClient, body: Any, said: str) -> None:
    answer = client.post(PREDICT, content=body if isinstance(body, bytes) else json.dumps(body))
    assert (answer.status_code, list(answer.json())) == (400, ["error"]), answer.text
    assert said in answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("hour", "status"),
    [("4", 200), ("4.0", 400), ("4e0", 400), ("true", 400), ('"4"', 400), ("10000000000000000", 400)],
)
def test_integers_have_no_fraction_where_they_are_named(small: TestClient, hour: str, status: int) -> None:
    for content in (f'{{"instances": [{{"hour": {hour}}}]}}', f'{{"inputs": {{"hour": [{hour}]}}}}'):
        answer = small.post("/v1/models/line:predict", content=content)
        assert answer.status_code == status, answer.text
        assert status == 200 or "row 0: 'hour' must be an integer" in answer.json()["error"].replace('"', "'")


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "irsi", 404, "There is no model 'irsi'. Did you mean 'iris'?"),
        ("GET", "iris/versions/9", 404, "no version '9'"),
        ("GET", "iris/labels/best", 404, "no alias 'best'"),
        ("GET", "irsi/metadata", 404, "no model"),
        ("POST", "irsi:predict", 404, "no model"),
        ("POST", "iris/versions/9:predict", 404, "no version"),
        ("POST", "iris/labels/best:predict", 404, "no alias"),
        ("GET", "iris/versions/one", 404, "There is nothing at"),
        ("POST", "iris:guess", 404, "There is nothing at"),
        ("GET", "iris:predict", 405, "use POST"),
        ("POST", "iris", 405, "POST is not for"),
        ("POST", "iris:explain", 501, "has no explainer"),
        ("POST", "irsi:explain", 404, "no model"),
    ],
)
def test_what_is_not_there(client: TestClient, method: str, path: str, status: int, said: str) -> None:
    answer = client.request(method, f"/v1/models/{path}", content=json.dumps({"instances": [IRIS]}) * (method != "GET"))
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_a_classifier_classifies(client: TestClient) -> None:
    (told,) = native(client, "iris", [IRIS])
    context = {"sepal_length": IRIS["sepal_length"]}
    example = {name: [value] for name, value in IRIS.items() if name != "sepal_length"}
    for body in ({"examples": [IRIS]}, {"examples": [{**example, "sepal_length": [5.1]}]}):
        answer = client.post("/v1/models/iris:classify", json=body)
        assert answer.json() == {"results": [[list(pair) for pair in told["probabilities"].items()]]}
    given = {"context": context, "examples": [{name: value for name, value in IRIS.items() if name not in context}]}
    assert client.post("/v1/models/iris:classify", json=given).json() == answer.json()


def test_a_regressor_regresses(small: TestClient) -> None:
    answer = small.post("/v1/models/line:regress", json={"examples": [{"hour": 4}]})
    assert answer.json() == {"results": [native(small, "line", [{"hour": 4}])[0]["value"]]}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("line:classify", {"examples": [{"hour": 4}]}, "gives no probabilities of classes"),
        ("city:regress", {"examples": [{"city": "Rom"}]}, "does not answer one number for a row"),
        ("line:regress", {"instances": [{"hour": 4}]}, 'Rows go into "examples"'),
        ("line:regress", {"examples": [4]}, 'Rows go into "examples"'),
        ("line:regress", {"examples": []}, "'examples' must be a list of at least one row"),
        ("line:regress", {"examples": [{"hour": 4, "key": 1}]}, "no field 'key'"),
    ],
)
def test_what_cannot_be_said_of_a_model_is_refused(small: TestClient, path: str, body: Any, said: str) -> None:
    answer = small.post(f"/v1/models/{path}", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_label_is_an_alias_and_a_split_is_in_the_headers(rivals: Path) -> None:
    (rivals / "iris" / traffic.FILE).write_text('{"split": {"challenger": 1.0}}')
    with TestClient(create_app(Settings(models=rivals))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        assert client.get("/v1/models/iris/labels/challenger/metadata").json()["model_spec"]["version"] == "2"
        labelled = client.post("/v1/models/iris/labels/challenger:predict", json={"instances": [IRIS]})
        split = client.post(PREDICT, json={"instances": [{**IRIS, "key": "a"}]}, headers={"servefn-key": "a"})
        assert split.json()["predictions"] == [{"key": "a", **labelled.json()["predictions"][0]}]
        assert "share=1.0" in split.headers["servefn-split"]
        first = client.post("/v1/models/iris/versions/1:predict", json={"instances": [IRIS]})
        assert first.json() != labelled.json()


@pytest.mark.parametrize(("rows", "status"), [(2, 200), (3, 413)])
def test_rows_are_limited(rows: int, status: int) -> None:
    with TestClient(create_app(Settings(models=MODELS, max_rows=2))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        for body in ({"instances": [IRIS] * rows}, {"inputs": columns([IRIS] * rows)}):
            assert client.post(PREDICT, json=body).status_code == status


@pytest.fixture(scope="module")
def guarded() -> Iterator[TestClient]:
    """A client of the service where callers have to say who they are."""
    with TestClient(create_app(Settings(models=MODELS, api_keys=KEYS))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/", {"nobody", "iris", "predicts", "reads", "all"}),
        ("GET", "/v1/models", {"reads", "all"}),
        ("GET", "/V1/models/iris", {"iris", "reads", "all"}),
        ("GET", "/v1/MODELS/flights/metadata", {"reads", "all"}),
        ("POST", "/v1/models/iris:predict", {"iris", "predicts", "all"}),
        ("POST", "/V1/MODELS/flights:predict", {"predicts", "all"}),
        ("POST", "/v1/models/fl%69ghts/versions/1:predict", {"predicts", "all"}),
        ("POST", "/v1/models/flights:explain", {"predicts", "all"}),
    ],
)
def test_callers_need_what_the_path_says(guarded: TestClient, method: str, path: str, allowed: set[str]) -> None:
    for caller in ("nobody", "iris", "predicts", "reads", "all"):
        headers = {} if caller == "nobody" else {"x-api-key": f"{caller}-{caller}"}
        answer = guarded.request(method, path, headers=headers)
        refused = 401 if caller == "nobody" else 403
        assert (answer.status_code != refused) == (caller in allowed), (caller, answer.text)
        assert caller in allowed or list(answer.json()) == ["error"]


def test_letters_that_fold_to_others_are_no_way_around_a_scope(guarded: TestClient) -> None:
    """A long s is an s to a pattern that minds no case, and was not to what asks for the scope."""
    headers = {"x-api-key": "reads-reads"}
    answer = guarded.post("/v1/model\u017f/iris:predict", json={"instances": [IRIS]}, headers=headers)
    assert answer.status_code == 404


def test_until_the_models_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.repository.Repository.load", lambda _: None)
    with TestClient(create_app(Settings(models=MODELS))) as client:
        assert client.get("/").status_code == 200
        for answer in (client.get("/v1/models/iris"), client.post(PREDICT, json={"instances": [IRIS]})):
            assert (answer.status_code, list(answer.json())) == (503, ["error"])
            assert answer.headers["retry-after"] == "1"


def test_the_document_has_requests_that_work(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    posted = {path: item["post"] for path, item in document["paths"].items() if path.endswith(":predict")}
    assert {PREDICT, "/v1/models/flights/versions/1:predict"} <= posted.keys()
    for path, operation in posted.items():
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        for example in body["examples"]:
            Draft202012Validator(body).validate(example)
            answer = client.post(path, json=example)
            assert answer.status_code == 200, answer.text
            described = operation["responses"]["200"]["content"]["application/json"]["schema"]
            Draft202012Validator(described).validate(answer.json())


def test_a_real_server_answers_what_curl_sends() -> None:
    with serving() as (_, address):
        headers = {"content-type": "application/x-www-form-urlencoded", "expect": "100-continue"}
        answer = httpx.post(f"{address}{PREDICT}", content=json.dumps({"instances": [VALUES]}), headers=headers)
        assert answer.json()["predictions"][0]["label"] == "setosa"
        assert httpx.post(f"{address}/V1/models/iris:Predict", content=b"{}").status_code == 400
