"""What SageMaker asks of a container that holds several models."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_auth import KEYS
from tests.test_invocations import CSV, LINES, RECORDS, native
from tests.waiting import until


@pytest.fixture
def several(models: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        yield client


def test_a_model_is_invoked_by_its_name(client: TestClient) -> None:
    headers = {"content-type": CSV, "X-Amzn-SageMaker-Target-Model": "elsewhere.tar.gz"}
    answer = client.post("/models/iris/invoke", content=LINES, headers=headers)
    assert answer.json() == {"predictions": native(client)}
    answer = client.post("/models/irsi/invoke", content=LINES, headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_models_come_and_go(several: TestClient, models: Path) -> None:
    place = {"modelName": "iris", "modelUrl": str(models / "iris")}
    wished = {"model_name": "iris", "url": place["modelUrl"]}
    assert several.post("/models", json=wished).status_code == 409
    assert place.items() <= several.get("/models/iris").json().items()
    assert [one["modelName"] for one in several.get("/models?next_page_token=x").json()["models"]] == [
        "flights",
        "iris",
    ]

    assert several.delete("/models/iris").status_code == 200
    assert several.delete("/models/iris").status_code == 404
    assert [one["modelName"] for one in several.get("/models").json()["models"]] == ["flights"]
    assert several.get("/models/iris").status_code == 404
    assert several.post("/models/iris/invoke", json={"instances": RECORDS}).status_code == 404

    answer = several.post("/models", json=wished)
    assert (answer.status_code, answer.json()) == (200, place)
    assert several.post("/models/iris/invoke", json={"instances": RECORDS}).status_code == 200
    assert several.delete("/models/flights").status_code == 200
    assert several.post("/models", json={"model_name": "flights", "url": "flights"}).status_code == 200
    assert several.delete("/models/nobody").json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("iris", "/etc"),
        ("iris", "../models/../.."),
        ("iris", "flights"),
        ("iris", ""),
        ("iris", "s3://bucket/iris"),
        ("iris", "iris\0"),
        ("iris", "linked"),
        ("iris", "iris/" + "x" * 4000),
        ("..", ".."),
        ("../models", "../models"),
        ("iris/1", "iris/1"),
        ("", "."),
        ("\x00", "\x00"),
        ("linked", "linked"),
    ],
)
def test_a_place_that_leads_out_is_refused(several: TestClient, models: Path, name: str, url: str) -> None:
    (models / "linked").symlink_to("/etc")
    assert several.delete("/models/iris").status_code == 200
    answer = several.post("/models", json={"model_name": name, "url": url})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text


def test_what_is_not_there_or_cannot_be_served(several: TestClient, models: Path) -> None:
    answer = several.post("/models", json={"model_name": "other", "url": "other"})
    assert answer.status_code == 404
    assert several.delete("/models/iris").status_code == 200
    (models / "iris" / "1" / "model.json").write_text("{")
    answer = several.post("/models", json={"model_name": "iris", "url": "iris"})
    assert answer.status_code == 400
    assert "model.json" in answer.json()["message"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 10_000, 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"model_name": 1, "url": "iris"}', 400),
        (b'{"model_name": "iris"}', 400),
        (b" " * 70_000, 413),
    ],
)
def test_a_body_that_says_nothing_is_refused(client: TestClient, content: bytes, status: int) -> None:
    answer = client.post("/models", content=content)
    assert (answer.status_code, set(answer.json())) == (status, {"error", "error_code", "message"})


def test_changes_are_for_admins(models: Path) -> None:
    with TestClient(create_app(Settings(models=models, host="0.0.0.0"))) as client:  # noqa: S104
        until(lambda: client.get("/ping").status_code == 200)
        for answer in (
            client.delete("/models/iris"),
            client.post("/models", json={"model_name": "iris", "url": "iris"}),
        ):
            assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
        assert client.post("/models/iris/invoke", json={"instances": RECORDS}).status_code == 200
    with TestClient(create_app(Settings(models=models, api_keys=KEYS))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        headers = {"x-api-key": "iris-iris"}
        assert client.post("/models/iris/invoke", json={"instances": RECORDS}).status_code == 401
        assert client.post("/models/iris/invoke", json={"instances": RECORDS}, headers=headers).status_code == 200
        assert client.post("/models", json={"model_name": "x", "url": "x"}, headers=headers).status_code == 403
        assert client.delete("/models/flights", headers=headers).status_code == 403
        assert client.delete("/models/iris", headers={"x-api-key": "predicts-predicts"}).status_code == 403
        assert client.delete("/models/iris", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("SINGLE_RECORD", 6)),
        ({"max_rows": 10**7}, ("MULTI_RECORD", 6)),
        ({"max_rows": 600_000, "max_body_bytes": 2**20}, ("MULTI_RECORD", 1)),
        ({"max_body_bytes": 1000}, ("SINGLE_RECORD", 1)),
    ],
)
def test_a_transform_is_told_what_is_taken(settings: dict[str, Any], expected: tuple[str, int]) -> None:
    with TestClient(create_app(Settings(models=MODELS, **settings))) as client:
        found = client.get("/execution-parameters").json()
    assert (found["BatchStrategy"], found["MaxPayloadInMB"]) == expected
    assert found["MaxConcurrentTransforms"] >= 1


def test_where_models_are_brought_later_there_is_none_to_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SAGEMAKER_MULTI_MODEL", "true")
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        until(lambda: client.get("/ping").status_code == 200)
        assert json.loads(client.get("/models").content)["models"] == []
