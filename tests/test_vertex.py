"""Vertex AI's custom container: the routes that the platform names, and a batch job's configuration as parameters."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from app import bundle
from app.main import create_app
from app.protocols.vertex import _told
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_auth import KEYS
from tests.test_cli import serving
from tests.test_decision import THRESHOLD
from tests.test_native import IRIS
from tests.waiting import until

BASE = "/v1/endpoints/17/deployedModels/4"
ROUTES = {"AIP_HEALTH_ROUTE": BASE, "AIP_PREDICT_ROUTE": f"{BASE}:predict"}
VALUES = list(IRIS.values())
ROW = {"id": "r1", "note": "x", **IRIS}
FEATURES = list(IRIS)
FLIGHT: dict[str, Any] = json.loads((MODELS / "flights/1/replay.json").read_bytes())["instances"][0]

Start = Callable[..., TestClient]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """A way to start the service where Vertex AI says these routes."""
    with ExitStack() as stack:

        def started(routes: dict[str, str] = ROUTES, **settings: Any) -> TestClient:
            with pytest.MonkeyPatch.context() as environment:
                for name, route in routes.items():
                    environment.setenv(name, route)
                app = create_app(Settings(**{"models": MODELS, "default_model": "iris", **settings}))
            client = stack.enter_context(TestClient(app))
            until(lambda: client.get("/health/ready").status_code == 200)
            return client

        yield started


@pytest.fixture(scope="module")
def vertex(start: Start) -> TestClient:
    return start()


def predict(client: TestClient, rows: list[Any], **parameters: Any) -> list[Any]:
    answer = client.post(f"{BASE}:predict", json={"instances": rows, "parameters": parameters})
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["predictions"]
    found: list[Any] = answer.json()["predictions"]
    return found


def native(client: TestClient, rows: list[Any], name: str = "iris") -> list[Any]:
    found: list[Any] = client.post(f"/models/{name}/predict", json={"instances": rows}).json()["predictions"]
    return found


def test_it_is_healthy_when_it_can_answer(vertex: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vertex.get(BASE).json() == {"ready": True}
    for name, route in ROUTES.items():
        monkeypatch.setenv(name, route)
    monkeypatch.setattr("app.repository.Repository.load", lambda _: None)
    with TestClient(create_app(Settings(models=MODELS, default_model="iris"))) as client:
        for answer in (client.get(BASE), client.post(f"{BASE}:predict", json={"instances": [IRIS]})):
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


@pytest.mark.parametrize("count", [1, 3, 60])
@pytest.mark.parametrize("instance", [IRIS, VALUES])
def test_one_prediction_for_each_instance_in_order(vertex: TestClient, instance: Any, count: int) -> None:
    other = [6.3, 3.3, 6.0, 2.5]
    others = dict(zip(IRIS, other, strict=True)) if isinstance(instance, dict) else other
    told = predict(vertex, [instance] * count + [others])
    assert told == native(vertex, [IRIS] * count + [dict(zip(IRIS, other, strict=True))])


def test_neither_parameters_nor_a_content_type_is_needed(vertex: TestClient) -> None:
    given: list[dict[str, Any]] = [{}, {"parameters": None}, {"parameters": {}}, {"parameters": {"anything": 1}}]
    for parameters in given:
        answer = vertex.post(f"{BASE}:predict", content=json.dumps({"instances": [IRIS], **parameters}))
        assert answer.json() == {"predictions": native(vertex, [IRIS])}


def test_text_may_be_in_base64_and_whole_numbers_are_integers(start: Start) -> None:
    client = start(default_model="flights")
    given = {
        name: {"b64": b64encode(value.encode()).decode()} if isinstance(value, str) else value
        for name, value in FLIGHT.items()
    }
    assert predict(client, [given]) == native(client, [FLIGHT], "flights")
    csv = [float(value) if isinstance(value, int) else value for value in FLIGHT.values()]
    assert predict(client, [csv]) == native(client, [FLIGHT], "flights")


SELECTED = [
    ({}, {**IRIS, "key": "r1"}, lambda told: {"key": "r1", **told}),
    ({"keyField": "id"}, {"id": "r1", **IRIS}, lambda told: {"key": "r1", "prediction": told}),
    ({"keyField": "id"}, {"id": 7, **IRIS}, lambda told: {"key": 7, "prediction": told}),
    ({"includedFields": FEATURES}, ROW, lambda told: {"instance": IRIS, "prediction": told}),
    ({"excludedFields": ["id", "note"]}, ROW, lambda told: {"instance": IRIS, "prediction": told}),
    ({"excludedFields": ["note"], "keyField": "id"}, ROW, lambda told: {"key": "r1", "prediction": told}),
    ({"includedFields": FEATURES, "keyField": "id"}, ROW, lambda told: {"key": "r1", "prediction": told}),
    ({"includedFields": [], "excludedFields": [], "keyField": ""}, IRIS, lambda told: told),
]
"""Parameters, an instance, and what becomes of its prediction."""


@pytest.mark.parametrize(("parameters", "instance", "told"), SELECTED)
def test_a_batch_job_s_configuration(
    vertex: TestClient, parameters: dict[str, Any], instance: Any, told: Callable[[Any], Any]
) -> None:
    (prediction,) = native(vertex, [IRIS])
    assert predict(vertex, [instance], **parameters) == [told(prediction)]


def test_an_instance_comes_back_as_it_was_sent(start: Start) -> None:
    client = start(default_model="flights")
    content = json.dumps({**FLIGHT, "wind_gust": float("nan"), "distance": 1074, "id": 10**30})
    parameters = json.dumps({"excludedFields": ["id"]})
    answer = client.post(
        f"{BASE}:predict", content=f'{{"instances": [{content}], "parameters": {parameters}}}'.encode()
    )
    (told,) = answer.json()["predictions"]
    assert told["instance"] == {**FLIGHT, "wind_gust": None}


def test_integers_that_the_writer_has_not_come_back_as_numbers() -> None:
    assert _told({"a": [2**70], "b": 2**62, "c": "x"}) == {"a": [float(2**70)], "b": 2**62, "c": "x"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is empty"),
        (b"[1]", "The body must be an object"),
        (b'{"instances": [1]} and more', "The body is not JSON"),
        ({}, "'instances' must be a list of at least one row, and is null."),
        ({"instances": []}, "and is an empty list"),
        ({"instances": [1]}, "row 0 must be an object"),
        ({"instances": [[1, 2]]}, "row 0: there are 2 values, and 4 features."),
        ({"instances": [{**IRIS, "id": 1}]}, "there is no field 'id'"),
        ({"instances": [IRIS], "parameters": []}, "'parameters' must be an object, and is a list."),
        ({"instances": [IRIS], "parameters": {"keyField": 1}}, "'keyField' must be the name of a field"),
        ({"instances": [IRIS], "parameters": {"keyField": "id"}}, "row 0: the key field 'id' is missing"),
        (
            {"instances": [IRIS] * 60, "parameters": {"keyField": "id"}},
            "60 faults: row 0: the key field 'id' is missing",
        ),
        ({"instances": [VALUES], "parameters": {"keyField": "id"}}, "need instances that are objects"),
        ({"instances": [ROW, ROW], "parameters": {"keyField": "id", "excludedFields": ["note"]}}, "keys must differ"),
        ({"instances": [IRIS], "parameters": {"keyField": "sepal_width"}}, "is a feature or an output"),
        ({"instances": [ROW], "parameters": {"includedFields": "id"}}, "'includedFields' must be a list of names"),
        ({"instances": [ROW], "parameters": {"excludedFields": [1]}}, "'excludedFields' must be a list of names"),
        (
            {"instances": [ROW], "parameters": {"includedFields": ["id"], "excludedFields": ["id"]}},
            "exclude each other",
        ),
        ({"instances": [ROW], "parameters": {"includedFields": ["id"]}}, "5 faults: row 0: there is no field 'id'"),
        ({"instances": 1, "parameters": {"includedFields": ["id"]}}, "need instances that are objects"),
    ],
)
def test_what_is_wrong_is_refused_by_400(vertex: TestClient, body: Any, said: str) -> None:
    answer = vertex.post(f"{BASE}:predict", content=body if isinstance(body, bytes) else json.dumps(body))
    assert (answer.status_code, list(answer.json())) == (400, ["error", "code"]), answer.text
    assert said in answer.json()["error"]


def test_several_models_need_one_that_is_meant(start: Start) -> None:
    client = start(default_model=None)
    answer = client.post(f"{BASE}:predict", json={"instances": [IRIS]})
    assert (answer.status_code, answer.json()["code"]) == (400, "no_default_model")
    assert "SERVEFN_DEFAULT_MODEL" in answer.json()["error"]


@pytest.mark.parametrize(
    "shared", ["/v1/models/flights:predict", "/invocations", "/v2/models/flights/infer", "/", "/p:q/r"]
)
def test_the_routes_are_before_those_of_other_protocols(start: Start, shared: str) -> None:
    client = start({"AIP_HEALTH_ROUTE": "/health", "AIP_PREDICT_ROUTE": shared})
    assert client.get("/health").json() == {"ready": True}
    answer = client.post(shared, json={"instances": [{"id": "a", **IRIS}], "parameters": {"keyField": "id"}})
    assert answer.json() == {"predictions": [{"key": "a", "prediction": native(client, [IRIS])[0]}]}
    assert client.get("/v1/models").json() == {"models": ["flights", "iris"]}


def test_the_usual_routes_are_those_of_the_endpoint(start: Start) -> None:
    client = start({"AIP_ENDPOINT_ID": "17", "AIP_DEPLOYED_MODEL_ID": "4"})
    assert client.get(BASE).json() == {"ready": True}
    assert predict(client, [IRIS]) == native(client, [IRIS])
    assert start({"AIP_ENDPOINT_ID": "17"}).get(BASE).status_code == 404


def test_both_may_be_one_path(start: Start) -> None:
    client = start({"AIP_HEALTH_ROUTE": "/one", "AIP_PREDICT_ROUTE": "/one"})
    assert client.get("/one").json() == {"ready": True}
    assert client.post("/one", json={"instances": [IRIS]}).json() == {"predictions": native(client, [IRIS])}


def test_the_native_paths_stay_native(start: Start) -> None:
    client = start({"AIP_HEALTH_ROUTE": "/health/ready", "AIP_PREDICT_ROUTE": "/models/flights/predict"})
    assert client.get("/health/ready").json() == {"ready": True}
    answer = client.post("/models/flights/predict", json={"instances": [FLIGHT]}).json()
    assert (answer["model"], list(answer)[-1]) == ("flights", "predictions")


def test_without_the_variables_there_is_nothing(client: TestClient) -> None:
    assert client.get(BASE).json()["error"] == "not_found"
    assert client.post(f"{BASE}:predict", json={"instances": [IRIS]}).json()["error"] == "not_found"


def test_callers_need_the_scope_for_the_model_that_answers(start: Start) -> None:
    client = start(api_keys=KEYS)
    assert client.get(BASE).status_code == 200
    for caller, status in (("iris", 200), ("predicts", 200), ("reads", 403), ("flights", 403)):
        answer = client.post(f"{BASE}:predict", json={"instances": [IRIS]}, headers={"x-api-key": f"{caller}-{caller}"})
        assert answer.status_code == status, caller
    assert client.post(f"{BASE}:predict", json={"instances": [IRIS]}).json()["code"] == "unauthorized"


def test_parameters_decide(start: Start, tmp_path: Path) -> None:
    read = bundle.read(MODELS / "flights" / "1")
    manifest = replace(read.manifest, signature=replace(read.manifest.signature, policy=THRESHOLD))
    with bundle.staged(tmp_path, "late") as directory:
        bundle.write(directory, manifest, read.graph, read.replay)
        bundle.publish(directory)
    client = start(models=tmp_path, default_model=None)
    decisions = [predict(client, [FLIGHT], threshold=value)[0]["decision"] for value in (0.1, 0.9)]
    assert decisions == ["late", "on_time"]
    answer = client.post(f"{BASE}:predict", json={"instances": [FLIGHT], "parameters": {"treshold": 0.5}})
    assert "did you mean 'threshold'" in answer.json()["error"]


def test_the_document_has_a_request_that_works(vertex: TestClient) -> None:
    operation = vertex.get("/openapi.json").json()["paths"][f"{BASE}:predict"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    for example in [*body["examples"], {"instances": [{"id": 1, **IRIS}], "parameters": {"keyField": "id"}}]:
        answer = vertex.post(f"{BASE}:predict", json=example)
        assert answer.status_code == 200, answer.text
        Draft202012Validator(described).validate(answer.json())


def test_a_real_server_listens_where_the_platform_says() -> None:
    with serving(**ROUTES, SERVEFN_DEFAULT_MODEL="iris") as (_, address):
        assert httpx.get(f"{address}{BASE}").status_code == 200
        answer = httpx.post(f"{address}{BASE}:predict", json={"instances": [IRIS]})
        assert answer.json()["predictions"][0]["label"] == "setosa"
