"""What follows of where a container runs, and that whatever SERVEFN_* says wins over it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from app.cli import serve
from app.settings import PREFIX, Settings

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
        (SAGEMAKER, ANY, 8090, "/opt/ml/model"),
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
