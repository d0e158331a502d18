"""The native protocol over HTTP: what is answered, and every way to be refused."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import bundle
from app.main import create_app
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_predictor import rewritten
from tests.waiting import until

IRIS = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def flight(client: TestClient) -> dict[str, Any]:
    """A flight that works, from its contract's examples."""
    return {feature["name"]: feature["example"] for feature in client.get("/models/flights").json()["features"]}


def test_online(client: TestClient) -> None:
    answer = client.post("/models/iris/predict", json={"instances": [IRIS, IRIS]})
    assert answer.status_code == 200
    document = answer.json()
    assert (document["model"], document["version"], len(document["predictions"])) == ("iris", "1", 2)
    first = document["predictions"][0]
    assert first["label"] == "setosa"
    assert list(first["probabilities"]) == ["setosa", "versicolor", "virginica"]
    assert sum(first["probabilities"].values()) == pytest.approx(1.0)


def test_keyed(client: TestClient, flight: dict[str, Any]) -> None:
    rows = [{"flight_id": f"UA{number}", **flight} for number in (1, 2, 3)]
    document = client.post("/models/flights/predict/keyed", json={"instances": rows}).json()
    assert [row["flight_id"] for row in document["predictions"]] == ["UA1", "UA2", "UA3"]
    assert document["errors"] == []
    assert document["predictions"][0]["label"] in ("late", "on_time")


def test_a_row_s_answer_depends_on_nothing_but_the_row(client: TestClient, flight: dict[str, Any]) -> None:
    def answer(*instances: dict[str, Any]) -> Any:
        return client.post("/models/flights/predict", json={"instances": instances}).json()["predictions"]

    other = {**flight, "hour": 22}
    assert answer(flight, other, flight) == [*answer(flight), *answer(other), *answer(flight)]


def test_a_version_can_be_named(client: TestClient) -> None:
    one, other = (
        client.post(f"/models/iris{path}/predict", json={"instances": [IRIS]}) for path in ("", "/versions/1")
    )
    assert one.content == other.content


def test_a_bad_row_does_not_sink_its_neighbours(client: TestClient, flight: dict[str, Any]) -> None:
    rows = [{"flight_id": "good", **flight}, {"flight_id": "bad", **flight, "origin": "BOS", "distance": "far"}]
    document = client.post("/models/flights/predict/keyed", json={"instances": rows}).json()
    assert [row["flight_id"] for row in document["predictions"]] == ["good"]
    (error,) = document["errors"]
    assert (error["flight_id"], error["error"]) == ("bad", "invalid_request")
    assert [(fault["field"], fault["code"]) for fault in error["faults"]] == [
        ("origin", "unknown_category"),
        ("distance", "wrong_type"),
    ]


def test_the_contract_can_be_read(client: TestClient) -> None:
    document = client.get("/models/flights").json()
    assert document["key"] == "flight_id"
    assert document["certificate"]["flips"] == 0
    assert len(document["digest"]) == 64
    by_name = {feature["name"]: feature for feature in document["features"]}
    assert by_name["origin"]["categories"] == ["EWR", "JFK", "LGA"]
    assert client.get("/models/flights/versions/1").json() == document
    listed = client.get("/models").json()
    assert [model["name"] for model in listed["models"]] == ["flights", "iris"]
    assert listed["rejected"] == []


def body(*rows: Any) -> bytes:
    return json.dumps({"instances": rows}).encode()


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "error"),
    [
        ("iris/predict", body({**IRIS, "petal_width": "wide"}), JSON, 422, "invalid_request"),
        ("iris/predict", body(IRIS).replace(b"0.2", b"NaN"), JSON, 422, "invalid_request"),
        ("iris/predict", body(IRIS).replace(b"0.2", b"1e999"), JSON, 422, "invalid_request"),
        ("iris/predict", b"[]", JSON, 422, "invalid_request"),
        ("iris/predict", b"", JSON, 400, "malformed_body"),
        ("iris/predict", b"{", JSON, 400, "malformed_body"),
        ("iris/predict", b"\xff", JSON, 400, "malformed_body"),
        ("iris/predict", b"[" * 100_000, JSON, 400, "malformed_body"),
        ("iris/predict", body(IRIS), {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ("iris/predict", body(IRIS), {**JSON, "content-encoding": "br"}, 415, "unsupported_media_type"),
        ("iris/predict", body(IRIS), {**JSON, "content-encoding": "gzip"}, 400, "malformed_body"),
        ("iris/predict", gzip.compress(body(IRIS))[:-9], {**JSON, "content-encoding": "gzip"}, 400, "malformed_body"),
        ("iris/predict/keyed", body({"key": 1, **IRIS}, {"key": 1, **IRIS}), JSON, 422, "invalid_request"),
        ("iris/predict/keyed", body(IRIS), JSON, 422, "invalid_request"),
        ("irsi/predict", body(IRIS), JSON, 404, "model_not_found"),
        ("iris/versions/2/predict", body(IRIS), JSON, 404, "version_not_found"),
        ("iris/versions/one/predict", body(IRIS), JSON, 404, "version_not_found"),
        ("iris/predictt", body(IRIS), JSON, 404, "not_found"),
        ("iris/predict/", body(IRIS), JSON, 404, "not_found"),
        ("iris", body(IRIS), JSON, 405, "method_not_allowed"),
    ],
)
def test_refusals(
    client: TestClient, path: str, content: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    answer = client.post(f"/models/{path}", content=content, headers=headers)
    document = answer.json()
    assert (answer.status_code, document["error"]) == (status, error), document
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == status
    assert {"type", "title", "detail"} <= set(document)
    assert "Traceback" not in answer.text


def test_a_wrong_method_names_the_right_one(client: TestClient) -> None:
    answer = client.get("/models/iris/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "use POST" in answer.json()["detail"]


def test_every_fault_is_listed_with_its_place(client: TestClient) -> None:
    rows = [{**IRIS, "petal_widht": 1}, {**IRIS, "sepal_length": -1}, {**IRIS, "sepal_width": None}]
    document = client.post("/models/iris/predict", json={"instances": rows}).json()
    assert [(fault["row"], fault["field"], fault["code"]) for fault in document["faults"]] == [
        (0, "petal_widht", "unknown_field"),
        (1, "sepal_length", "out_of_range"),
        (2, "sepal_width", "null_not_allowed"),
    ]
    assert document["faults_total"] == 3


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies(client: TestClient, encoding: str, pack: Any) -> None:
    headers = {**JSON, "content-encoding": encoding}
    answer = client.post("/models/iris/predict", content=pack(body(IRIS)), headers=headers)
    assert answer.json()["predictions"][0]["label"] == "setosa"


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", ""]
)
def test_content_types_that_mean_json(client: TestClient, content_type: str) -> None:
    answer = client.post("/models/iris/predict", content=body(IRIS), headers={"content-type": content_type})
    assert answer.status_code == 200


@pytest.fixture(scope="module")
def narrow() -> Iterator[TestClient]:
    """A service with tight limits."""
    with TestClient(create_app(Settings(models=MODELS, max_body_bytes=2000, max_rows=3))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def chunks(content: bytes) -> Iterator[bytes]:
    """A body without a declared length."""
    for start in range(0, len(content), 100):
        yield content[start : start + 100]


@pytest.mark.parametrize("path", ["iris/predict", "iris/predict/keyed"])
def test_limits(narrow: TestClient, path: str) -> None:
    keyed = [{"key": number, **IRIS} if "keyed" in path else IRIS for number in range(4)]
    url, blank = f"/models/{path}", b" " * 1000
    assert narrow.post(url, json={"instances": keyed[:3]}).status_code == 200
    refused = [
        narrow.post(url, json={"instances": keyed}),
        narrow.post(url, content=body(IRIS) + 2 * blank, headers=JSON),
        narrow.post(url, content=chunks(body(IRIS) + 2 * blank), headers=JSON),
        narrow.post(url, content=gzip.compress(10_000 * blank), headers={**JSON, "content-encoding": "gzip"}),
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in refused] == [(413, "too_large")] * 4
    assert "3" in refused[0].json()["detail"]


def test_until_the_models_are_loaded_nothing_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(Settings(models=MODELS))
    monkeypatch.setattr("app.repository.Repository.load", lambda _: None)
    with TestClient(app) as client:
        answers = [client.get("/health/ready"), client.post("/models/iris/predict", json={"instances": [IRIS]})]
        assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(503, "not_ready")] * 2
        assert all(answer.headers["retry-after"] == "1" for answer in answers)
        assert client.get("/health/live").status_code == 200


def test_a_bundle_that_fails_is_reported_and_the_others_are_served(
    models: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (models / "iris" / "1" / "model.onnx").write_bytes(b"")
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        document = client.get("/models").json()
    assert [model["name"] for model in document["models"]] == ["flights"]
    (rejected,) = document["rejected"]
    assert (rejected["name"], rejected["version"]) == ("iris", "1")
    assert "sha256" in rejected["reason"]
    assert "not served: iris version 1: model.onnx is not the file" in caplog.text


def test_a_bundle_that_nobody_foresaw_does_not_stop_the_others(models: Any, caplog: pytest.LogCaptureFixture) -> None:
    replay = bundle.read(models / "iris" / "1").replay
    ragged = [[0.5] * (row % 3) for row in range(len(replay.instances))]
    rewritten(models, replay=replace(replay, outputs={**replay.outputs, "probabilities": ragged}))
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        document = client.get("/models").json()
    assert [(model["name"], model["versions"]) for model in document["models"]] == [("flights", ["1"]), ("iris", ["1"])]
    assert document["rejected"] == [{"name": "iris", "version": "2", "reason": "it cannot be loaded (ValueError)"}]
    assert "not served: iris version 2" in caplog.text


def test_a_directory_that_cannot_be_read_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(_: object) -> list[int]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("app.repository.versions", forbidden)
    with TestClient(create_app(Settings(models=MODELS))) as client:
        until(lambda: "no model" in caplog.text)
        assert client.get("/health/ready").json()["detail"] == "No model can be served."
    assert "Permission denied" in caplog.text


def test_without_a_model_the_service_is_never_ready(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(create_app(Settings(models=tmp_path / "nowhere"))) as client:
        until(lambda: "no model" in caplog.text)
        assert client.get("/health/ready").status_code == 503


def test_a_failure_in_the_graph_is_a_500_without_a_trace(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.codec.Codec.tensors", lambda *_: {"numbers": None})
    answer = client.post("/models/iris/predict", json={"instances": [IRIS]})
    assert (answer.status_code, answer.json()["error"]) == (500, "prediction_failed")
    assert "Traceback" not in answer.text
    assert "Model 'iris' version 1 failed to run" in caplog.text


def test_an_unforeseen_failure_is_a_problem_document_too(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(Settings(models=MODELS))
    monkeypatch.setattr("app.repository.Repository.get", lambda *_: 1 / 0)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.post("/models/iris/predict", json={"instances": [IRIS]})
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_error")
    assert "ZeroDivisionError" not in answer.text
