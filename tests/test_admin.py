"""Models that change while they are served: by request, by command, by watching; and nobody notices a gap."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from app import aliases
from app.errors import BundleError
from app.keeper import Keeper
from app.main import create_app
from app.repository import Catalogue, Repository
from app.settings import Settings
from tests.test_cli import SERVEFN, serving
from tests.test_native import IRIS, body
from tests.waiting import until


@pytest.fixture
def client(models: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def copy(models: Path, version: str) -> Path:
    """The bundle of version 1 again, with a digest of its own."""
    path = Path(shutil.copytree(models / "iris" / "1", models / "iris" / f".{version}"))
    document = json.loads((path / "model.json").read_bytes())
    (path / "model.json").write_text(json.dumps({**document, "description": f"the copy {version}"}))
    return path.rename(models / "iris" / version)


def answered(client: TestClient, path: str = "/models/iris") -> Any:
    return client.post(f"{path}/predict", content=body(IRIS)).json()


def test_a_reload_serves_what_is_new(client: TestClient, models: Path) -> None:
    copy(models, "2")
    assert answered(client)["version"] == "1"
    changes = client.post("/admin/reload").json()
    assert (changes["loaded"], changes["kept"], changes["rejected"]) == (["iris/2"], ["flights/1", "iris/1"], [])
    assert answered(client)["version"] == "2"
    assert answered(client)["digest"] == client.get("/models/iris/versions/2").json()["digest"]
    assert answered(client)["digest"] != answered(client, "/models/iris/versions/1")["digest"]


def test_an_alias_moves_forward_and_back_in_one_call_each(client: TestClient, models: Path) -> None:
    copy(models, "2")
    url = "/admin/models/iris/aliases/champion"
    assert client.put(url, json={"version": "1"}).json()["aliases"]["iris"] == {"champion": "1"}
    assert answered(client)["version"] == answered(client, "/models/iris/aliases/champion")["version"] == "1"
    client.put(url, json={"version": "2"})
    assert answered(client)["version"] == answered(client, "/models/iris/aliases/champion")["version"] == "2"
    client.put(url, json={"version": "1"})
    assert answered(client)["version"] == "1"
    assert client.get("/models/iris").json()["aliases"] == {"champion": "1"}
    client.delete(url)
    assert answered(client)["version"] == "2"
    assert client.get("/models/iris/aliases/champion").json()["error"] == "alias_not_found"


def test_the_document_has_the_paths_of_aliases(client: TestClient) -> None:
    client.put("/admin/models/iris/aliases/champion", json={"version": "1"})
    assert "/models/iris/aliases/champion/predict/keyed" in client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize(
    ("path", "version", "status", "error"),
    [
        ("iris/aliases/champion", "7", 409, "conflict"),
        ("iris/aliases/Champion", "1", 409, "conflict"),
        ("irsi/aliases/champion", "1", 404, "model_not_found"),
        ("..%2firis/aliases/champion", "1", 404, "not_found"),
        ("iris/aliases/champion", 1, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_done_is_said(
    client: TestClient, models: Path, path: str, version: Any, status: int, error: str
) -> None:
    answer = client.put(f"/admin/models/{path}", json={"version": version})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert not answer.json()["detail"].endswith("..")
    assert not (models / "iris" / "aliases.json").exists()


def test_a_rejected_bundle_is_in_the_list_and_in_the_metrics(client: TestClient, models: Path) -> None:
    (copy(models, "2") / "model.onnx").write_bytes(b"")
    client.post("/admin/reload")
    (rejected,) = client.get("/models").json()["rejected"]
    assert (rejected["name"], rejected["version"]) == ("iris", "2")
    assert answered(client)["version"] == "1"


def test_a_directory_that_is_watched_needs_no_call(models: Path) -> None:
    with TestClient(create_app(Settings(models=models, watch_seconds=0.05))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        copy(models, "2")
        until(lambda: answered(client)["version"] == "2")
        aliases.point(models / "iris", "champion", "1")
        until(lambda: answered(client)["version"] == "1")
        shutil.rmtree(models / "iris" / "2")
        until(lambda: "2" not in client.get("/models/iris").json()["versions"])


def test_a_bundle_that_is_copied_file_by_file_is_served_when_it_is_whole(models: Path) -> None:
    with TestClient(create_app(Settings(models=models, watch_seconds=0.05))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        (models / "iris" / "2").mkdir()
        for name in ("model.json", "replay.json"):
            shutil.copy(models / "iris" / "1" / name, models / "iris" / "2")
            until(lambda: len(client.get("/models").json()["rejected"]) == 1)
        shutil.copy(models / "iris" / "1" / "model.onnx", models / "iris" / "2")
        until(lambda: answered(client)["version"] == "2")


def test_the_directory_is_watched_on_after_a_look_that_failed(models: Path) -> None:
    repository = Repository(models)
    seen: list[Catalogue] = []

    def serving(catalogue: Catalogue) -> None:
        seen.append(catalogue)
        1 // (len(seen) - 1)

    async def keep() -> None:
        async with Keeper(repository, serving, 0.02).keeping(lambda: None):
            async with asyncio.timeout(20):
                while not seen:
                    await asyncio.sleep(0.01)
                copy(models, "2")
                while repository.get("iris").version != "2":
                    await asyncio.sleep(0.01)

    asyncio.run(keep())


def test_aliases_that_move_at_once_all_do(models: Path) -> None:
    names = [f"a{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: aliases.point(models / "iris", name, "1"), names))
    assert set(aliases.read(models / "iris")) == set(names)


def test_what_cannot_be_written_leaves_nothing_behind(models: Path) -> None:
    (models / "iris" / "aliases.json").mkdir()
    before = sorted((models / "iris").iterdir())
    with pytest.raises(BundleError, match="Is a directory"):
        aliases.write(models / "iris" / "aliases.json", {})
    assert sorted((models / "iris").iterdir()) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  # where nobody may, no more is read either
def test_a_body_has_its_limit_here_too(models: Path, host: str) -> None:
    with TestClient(create_app(Settings(models=models, host=host))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        answer = client.put("/admin/models/iris/traffic", content=iter([b" " * 10_000] * 100))
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SERVEFN, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_commands(models: Path) -> None:
    copy(models, "2")
    with serving(SERVEFN_MODELS=str(models)) as (_, address):
        done = command("alias", "iris", "champion", "1", "--url", address)
        assert json.loads(done.stdout)["aliases"]["iris"] == {"champion": "1"}
        (copy(models, "3") / "model.onnx").write_bytes(b"")
        done = command("reload", "--url", address)
        assert (done.returncode, json.loads(done.stdout)["rejected"][0]["version"]) == (1, "3")
        done = command("alias", "iris", "champion", "9", "--url", address)
        assert (done.returncode, done.stdout) == (1, "")
        assert "has no version '9'" in done.stderr
    assert command("reload", "--url", address).stderr.startswith("Error: no service answers at")
    assert command("reload", "--url", "nonsense").returncode == 2


def test_models_change_under_load_and_no_request_fails_or_sees_two_of_them(models: Path) -> None:
    """Two versions take turns as champion, and a third comes and goes, while clients ask as fast as they can."""
    copy(models, "2")
    stop = threading.Event()
    seen: Counter[tuple[int, str, str]] = Counter()
    with serving(SERVEFN_MODELS=str(models)) as (_, address):
        digests = {v: httpx.get(f"{address}/models/iris/versions/{v}").json()["digest"] for v in ("1", "2")}

        def ask() -> None:
            with httpx.Client() as client:
                while not stop.is_set():
                    answer = client.post(f"{address}/models/iris/predict", content=body(IRIS))
                    found = answer.json()
                    seen[answer.status_code, found.get("version", ""), found.get("digest", "")] += 1

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for turn in range(12):
                if turn % 4 == 1:
                    copy(models, "3")
                elif turn % 4 == 3:
                    shutil.rmtree(models / "iris" / "3")
                version = str(1 + turn % 2)
                url = f"{address}/admin/models/iris/aliases/champion"
                assert httpx.put(url, json={"version": version}).status_code == 200
        finally:
            stop.set()
            for client in clients:
                client.join()
    assert set(seen) <= {(200, version, digest) for version, digest in digests.items()}
    assert len(seen) == 2
