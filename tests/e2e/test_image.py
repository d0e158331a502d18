"""What the image is made of, and what it is not."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.engine import IMAGE, Stack, docker, inspect, python

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
    assert "/health/ready" in inspect(IMAGE, "{{.Config.Healthcheck.Test}}")
    assert inspect(replica, "{{.State.Health.Status}}") == "healthy"


def test_it_is_started_as_sagemaker_starts_it() -> None:
    assert "Serve the bundles" in docker("run", "--rm", "--read-only", IMAGE, "serve", "--help")


def test_telemetry_is_off(replica: str) -> None:
    assert python(replica, "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])") == "1"
