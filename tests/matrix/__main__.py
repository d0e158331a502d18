"""Try the cases of the matrix, and say how they end. A whole run, or a retry, writes docs/parity.md."""

from __future__ import annotations

import time
from collections import Counter

import click

from tests.matrix import report
from tests.matrix.cases import CASES
from tests.matrix.outcome import Ending, Outcome
from tests.matrix.run import run


@click.command(help=__doc__)
@click.option("--only", default="", help="Only cases whose name or family holds this text; writes nothing.")
@click.option("--retry", is_flag=True, help="Only cases that were not right when last tried, or are new.")
@click.option("--workers", default=2, show_default=True)
@click.option("--limit", default=120.0, show_default=True, help="Seconds that one case may take.")
def main(only: str, retry: bool, workers: int, limit: float) -> None:
    kept = report.read() if retry else {}
    right = {name for name, outcome in kept.items() if outcome.ending is Ending.RIGHT}
    cases = [case for case in CASES.values() if only.lower() in f"{case.family} {case.name}".lower()]
    cases = [case for case in cases if case.name not in right]
    started, outcomes = time.perf_counter(), dict[str, Outcome]()
    for outcome in run(cases, workers, limit):
        outcomes[outcome.case] = outcome
        click.echo(f"{len(outcomes):3}/{len(cases)} {_line(outcome)}")
        if not only:
            report.keep(kept | outcomes)
    if not only:
        report.write([(kept | outcomes)[name] for name in CASES])
    counts = Counter(outcome.ending for outcome in outcomes.values())
    totals = ", ".join(f"{counts[ending]} {ending}" for ending in Ending)
    click.echo(f"{len(outcomes)} cases in {time.perf_counter() - started:.0f} s: {totals}")
    raise SystemExit(1 if counts[Ending.WRONG] or counts[Ending.CRASHED] else 0)


def _line(outcome: Outcome) -> str:
    said = f"{outcome.rows} rows, worst {outcome.worst:.1e}" if outcome.ending is Ending.RIGHT else outcome.reason
    return f"{outcome.ending:<17} {outcome.case}: {said} ({outcome.seconds:.1f} s)"


if __name__ == "__main__":
    main()
