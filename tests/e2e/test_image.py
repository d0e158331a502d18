"""What the image is made of, and what it is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e.engine import IMAGE, Stack, docker, healthy, inspect, python
from tests.waiting import until

pytestmark = pytest.mark.e2e


@pytest.fixture
def replica(stack: Stack) -> str:
    return min(stack.replicas())


def test_it_weighs_less_than_300_mb() -> None:
    assert int(inspect(IMAGE, "{{.Size}}")) < 300e6


def test_it_runs_as_nobody_who_could_write(replica: str) -> None:
    assert python(replica, "import os; print(os.getuid(), os.getgid())") == "10001 10001"
    assert inspect(replica, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}") == "true [ALL]"
    assert (
        python(replica, "import os; print([p for p in ('/', '/opt/venv', '/models') if os.access(p, os.W_OK)])") == "[]"
    )


def test_it_holds_no_tools(replica: str) -> None:
    tools = ("pip", "gcc", "cc", "g++", "clang", "ld", "make")
    assert python(replica, f"import shutil; print([t for t in {tools} if shutil.which(t)])") == "[]"


def test_it_lists_what_it_is_made_of(replica: str) -> None:
    said = python(replica, "print(open('/opt/venv/sbom.json').read())")
    listed = {one["name"] for one in json.loads(said)["components"]}
    found = python(replica, "from importlib.metadata import distributions as d; print(*(one.name for one in d()))")
    names = {re.sub(r"[-_.]+", "-", name).lower() for name in found.split()}
    assert {*names, "libc6", "python"} - {"servefn"} <= listed


def test_it_holds_nothing_to_train_with(replica: str) -> None:
    modules = ("pip", "setuptools", "sklearn", "skl2onnx", "onnx", "pandas", "pytest")
    assert python(replica, f"import importlib.util as i; print([m for m in {modules} if i.find_spec(m)])") == "[]"


def test_its_health_check_is_ours_and_passes(replica: str) -> None:
    assert "/opt/venv/health.py" in inspect(IMAGE, "{{.Config.Healthcheck.Test}}")
    assert inspect(replica, "{{.State.Health.Status}}") == "healthy"


def test_it_is_started_as_sagemaker_starts_it() -> None:
    assert "Serve the bundles" in docker("run", "--rm", "--read-only", IMAGE, "serve", "--help")


@pytest.fixture
def vertex() -> Iterator[str]:
    """A container as Vertex AI starts it."""
    said = {
        "HTTP_PORT": "8080",
        "HEALTH_ROUTE": "/alive",
        "PREDICT_ROUTE": "/v1/endpoints/1:predict",
        "STORAGE_URI": "",
    }
    variables = [argument for name, value in said.items() for argument in ("--env", f"AIP_{name}={value}")]
    container = docker("run", "--detach", "--read-only", *variables, "--env", "SERVEFN_DEFAULT_MODEL=iris", IMAGE)
    try:
        until(lambda: healthy(container), 60)
        yield container
    finally:
        docker("rm", "--force", container)


def test_it_is_a_container_for_vertex_ai(vertex: str) -> None:
    row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    program = (
        "import urllib.request as r; base = 'http://127.0.0.1:8080'; r.urlopen(base + '/alive'); "
        f"body = {json.dumps({'instances': [row]})!r}.encode(); "
        "print(r.urlopen(base + '/v1/endpoints/1:predict', body).read().decode())"
    )
    (prediction,) = json.loads(python(vertex, program))["predictions"]
    assert prediction["label"] == "setosa"


def test_telemetry_is_off(replica: str) -> None:
    assert python(replica, "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])") == "1"
