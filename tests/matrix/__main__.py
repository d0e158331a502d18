"""python -m tests.matrix: try cases, say how they end, and write docs/parity.md of a whole run."""

from __future__ import annotations

import time
from collections import Counter

import click

from tests.matrix.cases import CASES
from tests.matrix.outcome import Ending, Outcome
from tests.matrix.run import run


@click.command(help=__doc__)
@click.option("--only", default="", help="Only cases whose name or family holds this text.")
@click.option("--workers", default=2, show_default=True)
@click.option("--limit", default=120.0, show_default=True, help="Seconds that one case may take.")
def main(only: str, workers: int, limit: float) -> None:
    cases = [case for case in CASES.values() if only.lower() in f"{case.family} {case.name}".lower()]
    started, outcomes = time.perf_counter(), []
    for outcome in run(cases, workers, limit):
        outcomes.append(outcome)
        click.echo(f"{len(outcomes):3}/{len(cases)} {_line(outcome)}")
    counts = Counter(outcome.ending for outcome in outcomes)
    totals = ", ".join(f"{counts[ending]} {ending}" for ending in Ending)
    click.echo(f"{len(outcomes)} cases in {time.perf_counter() - started:.0f} s: {totals}")
    raise SystemExit(1 if counts[Ending.WRONG] or counts[Ending.CRASHED] else 0)


def _line(outcome: Outcome) -> str:
    said = f"{outcome.rows} rows, worst {outcome.worst:.1e}" if outcome.ending is Ending.RIGHT else outcome.reason
    return f"{outcome.ending:<17} {outcome.case}: {said} ({outcome.seconds:.1f} s)"


if __name__ == "__main__":
    main()
