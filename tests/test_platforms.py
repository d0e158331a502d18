"""What follows of where a container runs, and that whatever SERVEFN_* says wins over it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from app import platforms
from app.cli import serve
from app.settings import PREFIX, Settings
from tests.conftest import MODELS
from tests.test_cli import free_port
from tests.test_deploy import DEPLOY
from tests.waiting import until

VERTEX = {"AIP_HTTP_PORT": "8080", "AIP_STORAGE_URI": ""}
ANY = "0.0.0.0"  # noqa: S104  # where a platform calls
SAGEMAKER = {"SAGEMAKER_BIND_TO_PORT": "8090"}


@pytest.mark.parametrize(
    ("environment", "host", "port", "models"),
    [
        ({}, "127.0.0.1", 8000, "models"),
        (VERTEX, ANY, 8080, "models"),
        ({**VERTEX, "AIP_STORAGE_URI": "/gcs/bucket/models"}, ANY, 8080, "/gcs/bucket/models"),
        ({**VERTEX, f"{PREFIX}PORT": "9000", f"{PREFIX}HOST": "127.0.0.2"}, "127.0.0.2", 9000, "models"),
        ({**VERTEX, "AIP_STORAGE_URI": "gs://bucket/models", f"{PREFIX}MODELS": "/models"}, ANY, 8080, "/models"),
        (SAGEMAKER, ANY, 8090, "models"),
    ],
)
def test_what_a_platform_says_is_the_default(
    environment: dict[str, str], host: str, port: int, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.host, settings.port, settings.models) == (host, port, Path(models))
    assert Settings(port=1).port == 1


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where SageMaker puts what the model's archive holds."""
    monkeypatch.setattr(platforms, "ARTIFACTS", tmp_path)
    return tmp_path


def test_sagemaker_is_known_by_its_directory(artifacts: Path) -> None:
    assert (Settings().host, Settings().port, Settings().models) == (ANY, 8080, Path("models"))
    shutil.copytree(MODELS / "iris", artifacts / "iris")
    assert Settings().models == artifacts


def test_of_several_models_none_need_be_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_MULTI_MODEL", "true")
    assert (Settings().host, Settings().port, Settings().models) == (ANY, 8080, Path("/opt/ml/models"))


@pytest.mark.parametrize(
    ("batch", "said", "megabytes"),
    [("true", "1", 1), ("true", "", 6), ("true", "0", 6), ("true", "x", 6), ("true", "9" * 5000, 6), ("", "1", 16)],
)
@pytest.mark.usefixtures("artifacts")
def test_a_batch_transform_may_fill_its_payloads(
    batch: str, said: str, megabytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BATCH", batch)
    monkeypatch.setenv("SAGEMAKER_MAX_PAYLOAD_IN_MB", said)
    settings = Settings()
    assert settings.max_body_bytes == megabytes * 2**20
    assert settings.max_rows == (megabytes * 2**19 if batch else 10_000)


def test_the_image_takes_the_word_by_which_sagemaker_starts_it() -> None:
    """A real process, as `docker run IMAGE serve` starts it."""
    port = free_port()
    told = {**os.environ, "SAGEMAKER_BIND_TO_PORT": str(port), f"{PREFIX}MODELS": str(MODELS)}
    process = subprocess.Popen([sys.executable, DEPLOY / "serve", "--default-model", "iris"], env=told)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/ping"))
        headers = {"content-type": "text/csv", "accept": "text/csv"}
        answer = httpx.post(f"http://127.0.0.1:{port}/invocations", content="5.1,3.5,1.4,0.2", headers=headers)
        assert answer.text.startswith("setosa,0.98")
    finally:
        process.terminate()
    assert process.wait(timeout=30) == 0


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


def test_a_bucket_is_refused_rather_than_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_HTTP_PORT", "8080")
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/models")
    result = CliRunner().invoke(serve, [])
    assert result.exit_code == 2
    assert "models: Value error, bundles are served from a directory, and gs://bucket/models is none" in result.output


def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_HTTP_PORT", "http")
    with pytest.raises(ValidationError, match="port"):
        Settings()
