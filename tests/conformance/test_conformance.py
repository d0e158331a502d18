"""Every case of the tables, against the service with the committed models."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from app import aliases
from app.main import create_app
from app.settings import Settings
from tests.conformance import binary, invocations, v1, v2
from tests.conformance.case import Case, ask, differences, wrong
from tests.conftest import MODELS
from tests.waiting import until

CASES = [*v2.CASES, *binary.CASES, *v1.CASES, *invocations.CASES]


def _app(directory: Path) -> ASGIApp:
    """The service with the committed models and an alias, of which iris answers where none is named."""
    models = Path(shutil.copytree(MODELS, directory / "models"))
    aliases.write(models / "iris" / aliases.FILE, {"champion": "1"})
    return create_app(Settings(models=models, default_model="iris"))


def _ready(app: ASGIApp) -> Iterator[TestClient]:
    with TestClient(app) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    yield from _ready(_app(tmp_path_factory.mktemp("conformance")))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[TestClient]:
    yield from _ready(_app(tmp_path))


@pytest.fixture(scope="module")
def vertex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The service where Vertex AI says how it is to be reached."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in v1.VERTEX.items():
            patch.setenv(name, value)
        app = _app(tmp_path_factory.mktemp("vertex"))
    yield from _ready(app)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_case(service: TestClient, case: Case) -> None:
    answer = ask(service, case)
    assert not wrong(case, answer), answer.text[:500]


@pytest.mark.parametrize("case", v1.ON_VERTEX, ids=lambda case: case.what)
def test_a_case_on_vertex(vertex: TestClient, case: Case) -> None:
    answer = ask(vertex, case)
    assert not wrong(case, answer), answer.text[:500]


@pytest.mark.parametrize(
    "story", [lambda _: v2.WITHDRAWN, invocations.several], ids=["unloaded and loaded", "several models"]
)
def test_cases_in_order(fresh: TestClient, tmp_path: Path, story: Callable[[Path], list[Case]]) -> None:
    for case in story(tmp_path / "models"):
        answer = ask(fresh, case)
        assert not wrong(case, answer), (case.what, answer.text[:500])


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.what for case in CASES]
    assert len(names) > 250
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [(1, True), (1, 1.0), (str, 1), ({"a": 1}, {}), ([1], [1, 2]), ({"a": 1}, []), ([{"a": str}], [{"a": None}])],
)
def test_a_pattern_can_fail(pattern: object, found: object) -> None:
    assert differences(pattern, found, "body")
