"""The fuzzer finds what there is to find, and a short run of it finds nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import schemathesis
from fastapi import FastAPI, Response

from tests.fuzz.__main__ import executed
from tests.fuzz.document import described
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import Target, targets

ROOT = Path(__file__).parents[1]
TARGETS = {target.name: target for target in targets() if target.name != "bundles"}


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str) -> None:
    random = Random(1)
    assert [found for _ in range(100) for found in executed(TARGETS[name], random)] == []


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_taken_as_it_is(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].take([seed])


def test_what_is_raised_is_a_finding_and_its_bytes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(contents: Sequence[bytes]) -> None:
        if b"\xff" in contents[0]:
            raise ZeroDivisionError

    monkeypatch.chdir(tmp_path)
    random, target = Random(1), Target("t", [b"seed" * 9], take)
    found = [line for _ in range(200) for line in executed(target, random)]
    assert found
    assert found[0].startswith("t: ZeroDivisionError")
    assert all(b"\xff" in file.read_bytes() for file in (tmp_path / "build" / "fuzz").iterdir())


def test_the_same_seed_makes_the_same_bytes() -> None:
    first, second = Random(7), Random(7)
    seeds = [b"abc", b"defg"]
    assert [mutated(first, seeds) for _ in range(99)] == [mutated(second, seeds) for _ in range(99)]


def test_led_by_coverage_nothing_is_found_and_more_than_the_seeds_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    done = guided(tmp_path, 'from tests.fuzz.guided import turn; print("found:", turn("lines", 1))')
    found = re.fullmatch(r"found: Turn\(executions=(\d+), edges=(\d+), failed=False\)", done.stdout.splitlines()[-1])
    assert found, done.stdout
    assert min(map(int, found.groups())) > 100
    assert len(list((tmp_path / "build/fuzz/corpus/lines").iterdir())) > len(TARGETS["lines"].seeds)


BROKEN = """
from tests.fuzz.guided import Target, fuzz

def take(contents):
    if contents[0].startswith(b"\\xff"):
        raise ZeroDivisionError

fuzz(Target("broken", [b"seed" * 9], take), 30)
"""


def test_led_by_coverage_a_finding_ends_the_turn_and_its_bytes_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    done = guided(tmp_path, BROKEN)
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stdout
    (kept,) = (tmp_path / "build/fuzz").glob("broken-crash-*")
    assert kept.read_bytes().startswith(b"\xff")


def guided(place: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own: what is instrumented stays so."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


def test_what_a_service_breaks_of_its_document_is_found() -> None:
    app = FastAPI()

    @app.get("/whole")
    def whole(number: int) -> int:
        return number

    @app.get("/fails", responses={500: {}})
    def fails() -> Response:
        return Response(status_code=500)

    @app.get("/busy", responses={503: {}})
    def busy() -> Response:
        return Response(status_code=503)

    @app.get("/unsaid")
    def unsaid() -> Response:
        return Response(status_code=418)

    operations = described(schemathesis.openapi.from_asgi("/openapi.json", app))
    asked = {operation.label.split()[1]: operation for operation in operations}
    for operation in asked.values():
        operation.ask(None)
    statuses = {label: set(operation.statuses) for label, operation in asked.items()}
    found = {label: [each.splitlines()[0] for each in operation.failures] for label, operation in asked.items()}
    assert statuses == {"/whole": {200}, "/fails": {500}, "/busy": {503}, "/unsaid": {418}}
    assert found == {
        "/whole": [],
        "/fails": ["500: Server error"],
        "/busy": [],
        "/unsaid": ["418: Undocumented status code"],
    }
