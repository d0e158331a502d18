"""The README is run: its commands in a shell against `make run`, its Python as a doctest, its tables by the code."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest

from app.errors import ServingError
from app.protocols.statuses import STATUSES
from app.settings import PREFIX, Settings
from tests.test_cli import free_port, ready
from tests.waiting import until

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
HERE = "http://127.0.0.1:8000"
ELSEWHERE = {"make run", "make test", "make image", "docker compose up --scale api=3"}
"""Run by the fixture below, by whoever runs this, and by the end-to-end test."""


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    """Each command with the output that the README shows."""
    for block in blocks("console"):
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = text.splitlines(keepends=True)
            size = next(count for count in range(1, len(lines) + 1) if complete("".join(lines[:count])))
            yield "".join(lines[:size]).strip(), "".join(lines[size:])


def complete(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The service as `make run` starts it."""
    port = free_port()
    process = subprocess.Popen(["make", "-s", "run", f"PORT={port}"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        until(lambda: ready(f"http://127.0.0.1:{port}"), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as a reader's, in which the Python of the README leaves the model that its commands export."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "models", place / "models")
    (place / "contract.toml").write_text(next(shown for command, shown in commands() if command == "cat contract.toml"))
    return place


def test_the_python_runs_and_answers_as_shown(workplace: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    names: dict[str, object] = {}
    for block in blocks("python"):
        test = doctest.DocTestParser().get_doctest(block.replace(HERE, address), names, "README.md", None, 0)
        result = doctest.DocTestRunner().run(test, clear_globs=False)
        names = test.globs
        assert (result.failed, result.attempted > 0) == (0, True)
    joblib.dump(names["pipeline"], workplace / "pipeline.joblib")
    names["people"].to_parquet(workplace / "people.parquet")  # type: ignore[attr-defined]  # a DataFrame
    shutil.rmtree(workplace / "models" / "shoppers")


@pytest.mark.parametrize(("command", "shown"), list(commands()), ids=lambda text: text.split("\n")[0][:60])
def test_each_command_answers_as_shown(command: str, shown: str, address: str, workplace: Path) -> None:
    if command.split("#")[0].strip() in ELSEWHERE:
        return
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = command.replace(HERE, address)
    result = subprocess.run(
        ["bash", "-c", command], cwd=workplace, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    assert rounded(result.stdout.strip()) == rounded(shown.strip())


def rounded(text: str) -> str:
    """The text with its numbers to six places, as the last ones differ between processors, and digests cut short."""
    text = re.sub(r"([0-9a-f]{12})([0-9a-f]{52}|…)", r"\1", text)
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda number: f"{float(number[0]):.6f}", text)


def test_make_has_every_target_that_is_named() -> None:
    for target in set(re.findall(r"`?make ([a-z0-9]+)`?", README)) - {"s"}:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_the_settings_are_the_ones_there_are() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (.*?) \| (.*?) \|$", README, flags=re.MULTILINE)
    expected = [
        (name.upper(), "" if field.default is None else f"`{field.default}`", field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert rows == expected


def test_the_errors_are_the_ones_there_are() -> None:
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| \d{3} \| .*? \|", README, flags=re.MULTILINE))))
    clients = {error.code for error, status in STATUSES.items() if status != 500}
    assert named == clients | {"not_found", "method_not_allowed"}
    assert ServingError.code not in named


def test_the_picture_is_there() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).stat().st_size > 1_000


def test_the_staircase_names_every_module() -> None:
    drawn = set(re.findall(r"\w+\.py", README))
    assert {file.name for file in (ROOT / "app").glob("*.py")} - {"__init__.py"} <= drawn
