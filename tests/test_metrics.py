from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app import load
from app.main import create_app
from app.metrics import Metrics
from app.protocols.native import Predictions
from app.repository import Catalogue
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
    assert found["servefn_requests_total", "iris", "answered", "1"] == 1
    assert found["servefn_rows_total", "iris", "1"] == 2
    assert found["servefn_request_duration_seconds_count", "iris", "1"] == 1
    assert found["servefn_requests_total", "iris", "invalid_request", "1"] == 1
    assert found["servefn_requests_total", "", "model_not_found", ""] == 1
    assert found["servefn_requests_total", "flights", "answered", "1"] == 0


def test_the_models_are_shown_with_their_digests(fresh: TestClient) -> None:
    digest = fresh.get("/models/iris").json()["digest"]
    until(lambda: any(name == "servefn_model_info" and digest in labels for name, *labels in samples(fresh)))


def test_no_label_comes_from_a_request(fresh: TestClient) -> None:
    before = set(samples(fresh))
    for number in range(50):
        fresh.post(f"/models/iris{number}/versions/{number}/predict", json={})
    assert len(set(samples(fresh)) - before) == 1


def test_bundles_served_and_rejected_are_counted_and_the_time_to_load_each(models: Path) -> None:
    (models / "iris" / "1" / "replay.json").write_text("{}")
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: ("servefn_models", "rejected") in samples(client))
        found = samples(client)
    assert (found["servefn_models", "served"], found["servefn_models", "rejected"]) == (1, 1)
    assert 0 < found["servefn_model_load_duration_seconds", "flights", "1"] < 60
    assert ("servefn_model_load_duration_seconds", "iris", "1") not in found


def test_a_model_that_is_no_longer_served_is_not_shown() -> None:
    metrics, model = Metrics(), load(MODELS / "iris" / "1")
    metrics.serving(Catalogue({"iris": {"1": model}}))
    metrics.serving(Catalogue())
    assert b"servefn_model_info{" not in metrics.text()
    assert b'servefn_models{state="served"} 0.0' in metrics.text()
    metrics.answered(model, 1, 0.001)  # a request that had begun before
    assert b'servefn_rows_total{model="iris",version="1"} 1.0' in metrics.text()
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_what_is_in_flight_is_shown_until_it_is_answered(fresh: TestClient) -> None:
    def shown() -> float | None:
        return samples(fresh).get(("servefn_requests_in_flight",))

    assert isinstance(fresh.app, Predictions)
    until(lambda: shown() == 0)
    fresh.app._admission.enter()
    until(lambda: shown() == 1)
    fresh.app._admission.leave(0)
    until(lambda: shown() == 0)


WORKER = """
import sys
import numpy as np
from app import load
from app.drift import Drift
from app.metrics import Metrics
from app.repository import Catalogue

model, metrics, drift = load("models/iris/1"), Metrics(), Drift()
served = Catalogue({"iris": {"1": model}})
metrics.serving(served)
drift.serving(served)
model.predict(np.full((600, 4), 5.0))
for one, look in drift.looks():
    metrics.drifted(one, look)
metrics.answered(model, 3, 0.001)
metrics.running(5)
print(metrics.text().decode(), flush=True)
if len(sys.argv) > 1:
    metrics.serving(Catalogue())
    print(metrics.text().decode(), flush=True)
"""


def test_several_workers_add_up_and_the_dead_run_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def worker(*arguments: str) -> str:
        command = [sys.executable, "-c", WORKER, *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert "servefn_requests_in_flight 5.0" in worker()
    text = worker("reload")
    assert 'servefn_rows_total{model="iris",version="1"} 6.0' in text
    assert "servefn_requests_in_flight 5.0" in text, "the first is dead: its 5 are no longer counted"
    before, after = re.findall(r"^servefn_model_info{.*} (.*)$", text, re.MULTILINE)
    assert (before, after) == ("1.0", "0.0")
    assert 'servefn_drift_rows_total{model="iris",outcome="sampled",version="1"} 1200.0' in text
    before, after = re.findall(r'^servefn_feature_psi{feature="petal_width",.*} (.*)$', text, re.MULTILINE)
    assert float(before) > 1
    assert after == "NaN"
