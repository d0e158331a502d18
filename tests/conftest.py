from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from starlette.testclient import TestClient

from app import aliases
from app.main import create_app
from app.settings import Settings
from export import export_model
from export.examples import iris
from tests.waiting import until

settings.register_profile("patient", deadline=None)  # a slow machine is no fault of what is tested
settings.load_profile("patient")

MODELS = Path(__file__).parents[1] / "models"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the committed models, to be broken."""
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


@pytest.fixture(scope="session")
def rival(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of another model with the contract of iris: less sure of itself, and of another opinion at times."""
    rows, species = iris.data()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(rows, species)
    return export_model(model, rows, tmp_path_factory.mktemp("rival"), "iris", 2, features=iris.FEATURES).path


@pytest.fixture
def rivals(models: Path, rival: Path) -> Path:
    """The committed models, and a challenger of iris."""
    return challenged(models, rival)


def challenged(models: Path, rival: Path) -> Path:
    """The models, with the rival as the challenger of iris."""
    shutil.copytree(rival, models / "iris" / "2")
    aliases.write(models / "iris" / aliases.FILE, {"champion": "1", "challenger": "2"})
    return models


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the service with a copy of the committed models, ready."""
    models = shutil.copytree(MODELS, tmp_path_factory.mktemp("served") / "models")
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client
