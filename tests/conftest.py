from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.waiting import until

MODELS = Path(__file__).parents[1] / "models"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the committed models, to be broken."""
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the service with a copy of the committed models, ready."""
    models = shutil.copytree(MODELS, tmp_path_factory.mktemp("served") / "models")
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client
