from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_native import IRIS
from tests.waiting import until


@pytest.fixture
def fresh() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(models=MODELS))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_requests_rows_seconds_and_errors_are_counted_by_model(fresh: TestClient) -> None:
    fresh.post("/models/iris/predict", json={"instances": [IRIS, IRIS]})
    fresh.post("/models/iris/predict", json={"instances": [IRIS, {}]})
    fresh.post("/models/nope/predict", json={"instances": [IRIS]})
    found = samples(fresh)
    assert found["servefn_requests_total", "iris", "1"] == 1
    assert found["servefn_rows_total", "iris", "1"] == 2
    assert found["servefn_request_duration_seconds_count", "iris", "1"] == 1
    assert found["servefn_errors_total", "invalid_request", "iris", "1"] == 1
    assert found["servefn_errors_total", "model_not_found", "", ""] == 1
    assert found["servefn_requests_total", "flights", "1"] == 0


def test_the_models_are_shown_with_their_digests(fresh: TestClient) -> None:
    digest = fresh.get("/models/iris").json()["digest"]
    until(lambda: any(name == "servefn_model_info" and digest in labels for name, *labels in samples(fresh)))


def test_no_label_comes_from_a_request(fresh: TestClient) -> None:
    before = set(samples(fresh))
    for number in range(50):
        fresh.post(f"/models/iris{number}/versions/{number}/predict", json={})
    assert len(set(samples(fresh)) - before) == 1


def test_several_workers_add_up(tmp_path: object) -> None:
    code = (
        "from app import load; from app.metrics import Metrics; model = load('models/iris/1'); m = Metrics();"
        "m.serving([model]); m.answered(model, 3, 0.001); print(m.text().decode())"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert 'servefn_rows_total{model="iris",version="1"} 6.0' in text
    assert json.dumps("iris") in text
