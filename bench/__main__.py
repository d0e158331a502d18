"""Compare servefn with what one would write by hand, and with the field, on this machine.

python -m bench [--peers] [--rounds N] [--seconds S] [--output DIR]
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from bench import models
from bench.chart import Bar, Panel, svg
from bench.measure import CLIENT_CORE, SERVER_CORE, Point, Round, Rounds, median, run
from bench.peers import PEERS, install, versions
from bench.process import ServerError
from bench.report import page, per_second, tables
from bench.servers import MODELS, OWN, ROOT, SERVEFN, Server
from bench.setting import setting
from bench.wrk import LoadError


@click.command()
@click.option("--peers", is_flag=True, help="Install and measure the other servers of the field too.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=2.0, show_default=True, type=click.FloatRange(1), help="At each point.")
@click.option("--only", multiple=True, metavar="NAME", help="Servers to measure, by name; all by default.")
@click.option(
    "--output", default=ROOT / "docs", show_default="docs", type=click.Path(path_type=Path), help="Where to write."
)
def main(peers: bool, rounds: int, seconds: float, only: Sequence[str], output: Path) -> None:
    """Measure, print the tables, and write benchmark.md, benchmark.svg and benchmark.json."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    _check_machine()
    servers = [each for each in (*OWN, *(PEERS if peers else ())) if not only or each.name in only]
    say("training and exporting the models")
    models.build(MODELS)
    not_installed = install([each for each in servers if each in PEERS], say)
    present = [each for each in servers if each.name not in not_installed]
    try:
        found, failed = run(present, rounds, seconds, strict=[each.name for each in OWN], say=say)
    except (ServerError, LoadError) as error:
        raise click.ClickException(str(error)) from error
    about = setting(rounds, seconds, versions([each for each in PEERS if each.name in found]))
    left_out = {**not_installed, **failed}
    command = f"make bench{'-peers' if peers else ''} ROUNDS={rounds} SECONDS={seconds:g}"
    click.echo(tables(servers, found))
    output.mkdir(parents=True, exist_ok=True)
    (output / "benchmark.md").write_text(page(servers, found, left_out, about, command))
    (output / "benchmark.svg").write_text(
        svg(panels(servers, found), f"{about[0][1]}; {about[2][1]}; one process each")
    )
    (output / "benchmark.json").write_text(json.dumps(document(found, left_out, about), indent=1) + "\n")
    say(f"written: {output}/benchmark.md, .svg, .json")


def panels(servers: Sequence[Server], rounds: Rounds) -> list[Panel]:
    """One row a request, and a hundred: how many a second, the fastest first."""
    shown = [
        ("1 row a request, 16 connections, logistic regression", "req/s", Point("logistic", 1, 16)),
        ("1 row a request, 16 connections, forest of 100 trees", "req/s", Point("forest", 1, 16)),
        ("100 rows a request, 16 connections, logistic regression", "rows/s", Point("logistic", 100, 16)),
    ]
    return [Panel(title, unit, _bars(servers, rounds, point)) for title, unit, point in shown]


def document(rounds: Rounds, left_out: Mapping[str, str], about: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Every figure of every round, for whoever wants to compute something else."""
    return {"setting": dict(about), "left_out": left_out, "servers": {n: [*map(_round, r)] for n, r in rounds.items()}}


def say(text: str) -> None:
    click.echo(text, err=True)


def _round(one: Round) -> dict[str, object]:
    loads = [{**asdict(point), **asdict(load)} for point, load in one.loads.items()]
    return {"ready": one.ready, "resident": one.resident, "loads": loads}


def _bars(servers: Sequence[Server], rounds: Rounds, point: Point) -> list[Bar]:
    asked = [server for server in servers if server.name in rounds and point.model in server.models]
    rates = {server: point.rows * median(rounds[server.name], point, per_second) for server in asked}
    fastest_first = sorted(rates.items(), key=lambda item: -item[1])
    return [Bar(server.title, rate, ours=server is SERVEFN) for server, rate in fastest_first]


def _check_machine() -> None:
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if not shutil.which(program):
            say(f"{program} is missing: apt-get install {package}")
            sys.exit(2)
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        say(f"cores {SERVER_CORE} and {CLIENT_CORE} are needed, one for the server and one for wrk")
        sys.exit(2)


if __name__ == "__main__":
    main()
