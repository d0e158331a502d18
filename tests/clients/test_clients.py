"""The clients of other servers, unchanged, each in an environment of its own, against one server process."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.given import Given
from tests.conftest import MODELS
from tests.test_cli import free_port, serving

ROOT = Path(__file__).parents[2]
VENVS = ROOT / "build" / "clients"
IRIS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.9, 3.0, 4.2, 1.5]]


@pytest.fixture(scope="module")
def given() -> Iterator[Given]:
    """A server with the committed models, and what it answers natively."""
    port = free_port()
    with serving("--grpc-port", str(port), "--default-model", "iris") as (_, address):
        iris = httpx.get(f"{address}/models/iris").json()["features"]
        flights = httpx.get(f"{address}/models/flights").json()["features"]
        flight = {feature["name"]: feature["example"] for feature in flights}
        yield Given(
            http=address.removeprefix("http://"),
            grpc=f"127.0.0.1:{port}",
            iris=_answered(
                address, "iris", [dict(zip([each["name"] for each in iris], row, strict=True)) for row in IRIS]
            ),
            flights=_answered(address, "flights", [flight, {**flight, "dest": "BOS", "hour": 22}]),
        )


def _answered(address: str, model: str, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    found = httpx.post(f"{address}/models/{model}/predict", json={"instances": rows}).json()["predictions"]
    probabilities = [list(each["probabilities"].values()) for each in found]
    return {"rows": rows, "label": [each["label"] for each in found], "probabilities": probabilities}


@pytest.mark.parametrize(
    ("script", "venv", "checks"),
    [
        ("triton_http", "triton", 14),
        ("triton_grpc", "triton", 12),
        ("kserve", "kserve", 2),
        ("mlflow", "mlflow", 6),
        ("sagemaker", "sagemaker", 6),
    ],
)
def test_a_client(given: Given, script: str, venv: str, checks: int) -> None:
    done = subprocess.run(
        [VENVS / venv / "bin" / "python", "-m", f"tests.clients.{script}"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DOCKER_HOST")},
        input=json.dumps(given._asdict()),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count('{"checked": ') == checks


ROW = '{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}'
JSON = "-H 'Content-Type: application/json'"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        # TensorFlow Serving, "RESTful API": half_plus_three
        (f"-d '{{\"instances\": [{ROW}]}}' -X POST {{}}/v1/models/iris:predict", "predictions.0.label"),
        ("{}/v1/models/iris/metadata", "model_spec.name"),
        # KServe, "First InferenceService": iris, V1 and V2
        (
            f"-v {JSON} {{}}/v1/models/iris:predict -d '{{\"instances\": [[5.1, 3.5, 1.4, 0.2]]}}'",
            "predictions.0.label",
        ),
        (
            f'-v {JSON} {{}}/v2/models/iris/infer -d \'{{"inputs": [{{"name": "input-0", "shape": [1, 4], '
            '"datatype": "FP32", "data": [[5.1, 3.5, 1.4, 0.2]]}]}\'',
            "outputs.0.data.0",
        ),
        # SageMaker, "Use your own inference code"
        (f"{JSON} -X POST --data '{{\"instances\": [{ROW}]}}' {{}}/invocations", "predictions.0.label"),
        # MLflow, "Deploy as local inference server"
        (
            f'{{}}/invocations {JSON} --data \'{{"dataframe_split": {{"columns": ["sepal_length", "sepal_width", '
            '"petal_length", "petal_width"], "data": [[5.1, 3.5, 1.4, 0.2]]}}\'',
            "predictions.0.label",
        ),
        (f"{{}}/invocations {JSON} --data '{{\"dataframe_records\": [{ROW}]}}'", "predictions.0.label"),
    ],
)
def test_a_line_of_the_documents(given: Given, line: str, path: str) -> None:
    command = [word.replace("{}", f"http://{given.http}", 1) for word in shlex.split(line)]
    done = subprocess.run(["curl", "-s", *command], capture_output=True, text=True, timeout=30, check=False)
    found = json.loads(done.stdout)
    for name in path.split("."):
        found = found[int(name)] if isinstance(found, list) else found[name]
    assert found in ("setosa", "iris")


def test_a_line_of_csv(given: Given) -> None:
    command = ["curl", "-s", "-H", "content-type: text/csv", "-H", "accept: text/csv", "-d", "5.1,3.5,1.4,0.2"]
    done = subprocess.run([*command, f"http://{given.http}/invocations"], capture_output=True, text=True, check=False)
    label, *probabilities = done.stdout.strip().split(",")
    assert (label, [float(each) for each in probabilities]) == ("setosa", given.iris["probabilities"][0])


def test_vertex_by_its_variables() -> None:
    routes = {
        "AIP_HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/4",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/4:predict",
    }
    with serving("--default-model", "iris", SERVEFN_MODELS=str(MODELS), **routes) as (_, address):
        assert httpx.get(address + routes["AIP_HEALTH_ROUTE"]).status_code == 200
        command = [
            "curl",
            "-s",
            "-X",
            "POST",
            "-H",
            "Content-Type: application/json",
            "-d",
            f'{{"instances": [{ROW}]}}',
        ]
        done = subprocess.run(
            [*command, address + routes["AIP_PREDICT_ROUTE"]], capture_output=True, text=True, check=False
        )
        assert json.loads(done.stdout)["predictions"][0]["label"] == "setosa"
