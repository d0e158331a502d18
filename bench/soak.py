"""Whether memory stays flat under full load: one process, every model and size in turn, its memory by the minute.

python -m bench.soak [--minutes N]
"""

from __future__ import annotations

from itertools import cycle, islice

import click

from bench import models
from bench.measure import CLIENT_CORE, SERVER_CORE, SIZES, Point, written
from bench.process import free_port, resident, running
from bench.servers import BUILD, MODELS, SERVEFN
from bench.wrk import load

SLICE_SECONDS = 15


@click.command()
@click.option("--minutes", default=10, show_default=True, type=click.IntRange(1))
def main(minutes: int) -> None:
    """Load servefn for some minutes and print its resident memory after each."""
    models.build(MODELS)
    port = free_port()
    calls = [SERVEFN.call(model, 1) for model in SERVEFN.models]
    points = cycle(Point(model, *size) for size in SIZES for model in SERVEFN.models)
    slices = 60 // SLICE_SECONDS
    with running(
        SERVEFN.started_by(port),
        calls,
        port=port,
        core=SERVER_CORE,
        log=BUILD / "logs" / "soak.log",
        env=SERVEFN.environment(),
        timeout=SERVEFN.timeout,
    ) as process:
        click.echo(f"start: {resident(process.pid):.1f} MB")
        for minute in range(1, minutes + 1):
            answered = sum(_loaded(port, point) for point in islice(points, slices))
            click.echo(f"minute {minute}: {resident(process.pid):.1f} MB, {answered:,.0f} requests")


def _loaded(port: int, point: Point) -> float:
    """How many requests were answered in one slice of time."""
    call = SERVEFN.call(point.model, point.rows)
    body = written(SERVEFN, point, call.body)
    url = f"http://127.0.0.1:{port}{call.path}"
    return SLICE_SECONDS * load(url, body, point.connections, SLICE_SECONDS, CLIENT_CORE).per_second


if __name__ == "__main__":
    main()
