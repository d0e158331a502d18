"""The fuzzer finds what there is to find, and a short run of it finds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.__main__ import executed
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import Target, targets

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
