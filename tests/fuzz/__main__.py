"""Every target by turns until the time is over; what fails is written to build/fuzz/ and the exit code is 1."""

from __future__ import annotations

import hashlib
import logging
import signal
import sys
import time
from pathlib import Path
from random import Random
from types import FrameType

import click

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import Target, targets

TURN = 2.0
"""Seconds of one target before the next has its turn."""

HUNG = 30
"""Seconds after which an execution is a finding. Nothing that is in one takes a tenth of it."""


class Hung(Exception):
    pass


def alarm(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  # as a signal handler
    raise Hung


@click.command()
@click.option("--seconds", type=float, default=60)
@click.option("--seed", type=int, default=None, help="By default another each time.")
@click.option("--only", default=None, help="The name of one target.")
def main(seconds: float, seed: int | None, only: str | None) -> None:
    """Take bytes apart for so many seconds in all."""
    signal.signal(signal.SIGALRM, alarm)
    logging.disable()  # what is refused a million times need not be said
    seed = time.time_ns() % 2**32 if seed is None else seed
    random = Random(seed)  # not a secret
    chosen = [target for target in targets() if only in (None, target.name)]
    done = dict.fromkeys([target.name for target in chosen], 0)
    found: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for target in chosen:
            until = min(end, time.monotonic() + TURN)
            while time.monotonic() < until:
                found += executed(target, random)
                done[target.name] += target.size
    for name, count in done.items():
        click.echo(f"{name:<10} {count:>9,} executions")
    click.echo(f"{'in all':<10} {sum(done.values()):>9,} executions, {len(found)} findings (seed {seed})")
    for line in sorted(set(found)):
        click.echo(line)
    sys.exit(bool(found))


def executed(target: Target, random: Random) -> list[str]:
    """What was found by one execution: nothing, if all is well."""
    contents = [mutated(random, target.seeds) for _ in range(target.size)]
    signal.alarm(HUNG)
    try:
        target.take(contents)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return [f"{target.name}: {type(error).__name__}: {error} in {kept(target, content)}" for content in contents]
    finally:
        signal.alarm(0)
    return []


def kept(target: Target, content: bytes) -> Path:
    """Where the bytes of a finding are."""
    place = Path("build/fuzz")
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{target.name}-{hashlib.sha256(content).hexdigest()[:12]}"
    file.write_bytes(content)
    return file


if __name__ == "__main__":
    main()
