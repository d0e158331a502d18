"""Targets by turns, led by what each execution reaches of app/: atheris, with our own mutations among libFuzzer's.

python -m tests.fuzz.guided [--seconds N] [--only NAME]

What led somewhere new stays in build/fuzz/corpus/NAME for the next run, and what fails in build/fuzz/NAME-….
"""

from __future__ import annotations

import hashlib
import logging
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import atheris
import click

with atheris.instrument_imports(include=["app"]):
    from tests.fuzz.__main__ import HUNG
    from tests.fuzz.mutation import mutated
    from tests.fuzz.targets import Target, targets

PLACE = Path("build/fuzz")
LONGEST = 2**15
"""Bytes of one execution."""


@dataclass(frozen=True)
class Turn:
    """How one target fared, by libFuzzer's own words."""

    executions: int
    edges: int
    failed: bool


@click.command()
@click.option("--seconds", type=click.FloatRange(1), default=60, help="For all targets together.")
@click.option("--only", default=None, help="The name of one target, fuzzed by this process itself.")
def main(seconds: float, only: str | None) -> None:
    """Take bytes apart, and go on with those that reach new code, for so many seconds."""
    chosen = {target.name: target for target in targets() if target.size == 1}  # the others are run by a child
    if only:
        fuzz(chosen[only], seconds)  # does not come back
    turns = {name: turn(name, seconds / len(chosen)) for name in chosen}
    for name, each in turns.items():
        said = f"FAILED, see {PLACE}/{name}.log" if each.failed else ""
        click.echo(f"{name:<10} {each.executions:>11,} executions, {each.edges:>6,} edges {said}".rstrip())
    click.echo(f"{'in all':<10} {sum(each.executions for each in turns.values()):>11,} executions")
    sys.exit(any(each.failed for each in turns.values()))


def turn(name: str, seconds: float) -> Turn:
    """Fuzz one target in a process of its own: the first finding ends it."""
    command = [sys.executable, "-m", "tests.fuzz.guided", "--only", name, "--seconds", f"{seconds:g}"]
    PLACE.mkdir(parents=True, exist_ok=True)
    log = PLACE / f"{name}.log"
    with log.open("wb") as said:
        done = subprocess.run(command, stdout=said, stderr=said, check=False)
    return read(log.read_text(errors="replace"), failed=done.returncode != 0)


def read(said: str, *, failed: bool) -> Turn:
    """What libFuzzer said at last. A target that did not start has made no executions."""
    executions = re.findall(r"^stat::number_of_executed_units: (\d+)", said, re.MULTILINE)
    edges = re.findall(r" cov: (\d+)", said)
    return Turn(int(executions[-1]) if executions else 0, int(edges[-1]) if edges else 0, failed)


def fuzz(target: Target, seconds: float) -> None:
    """Fuzz in this process, which ends with it: by 0, or at the first finding by another status."""
    logging.disable()
    corpus = PLACE / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:12]).write_bytes(seed)

    def mutate(content: bytes, longest: int, number: int) -> bytes:
        if number % 2:
            return bytes(atheris.Mutate(content, longest))
        return mutated(Random(number), [content])[:longest]

    options = {
        "max_total_time": max(1, round(seconds)),
        "max_len": LONGEST,
        "timeout": HUNG,
        "artifact_prefix": f"{PLACE}/{target.name}-",
        "print_final_stats": 1,
    }
    words = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *words, str(corpus)], lambda content: target.take([content]), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
