"""Where the time of a request goes, stage by stage, with the functions that the service itself calls.

python -m bench.profile [--seconds S]

In one process, pinned to a core: each stage in the order of a request, so that none finds the caches as a loop of its
own would leave them; then the whole application, called as uvicorn calls it, for one request at a time and for 16 at
once, which share a run. Over HTTP: the processor time of a request, the no-op floor's and servefn's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any

import click
import orjson
import uvloop

from app import Model, load
from app.drift import Watch
from app.main import create_app
from app.metrics import Metrics
from app.repository import Catalogue
from app.settings import Settings
from bench import models
from bench.measure import SERVER_CORE, Point, measure
from bench.process import Call
from bench.report import grid
from bench.servers import FLOOR, MODELS, SERVEFN

ROWS = (1, 100)
TOGETHER = 16
MAX_ROWS = 10_000
App = Callable[[Any, Any, Any], Awaitable[None]]
Times = Mapping[str, float]
"""Microseconds by stage."""


@click.command()
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1), help="For each measurement.")
def main(seconds: float) -> None:
    """Print the microseconds per request, by stage, for each model, for 1 row and for 100."""
    models.build(MODELS)
    over_http = {server.name: measure(server, seconds).loads for server in (FLOOR, SERVEFN)}
    os.sched_setaffinity(0, {SERVER_CORE})
    columns = [(name, rows) for name in models.MODELS for rows in ROWS]
    whole = uvloop.run(_whole(columns, seconds))
    found: list[dict[str, float]] = []
    for name, rows in columns:
        point = Point(name, rows, TOGETHER)
        http = {f"{server} over HTTP, {TOGETHER} connections": loads[point].cpu for server, loads in over_http.items()}
        inside = stages(load(MODELS / name / "1", threads=1), SERVEFN.call(name, rows).body, seconds)
        found.append({**inside, "all stages": sum(inside.values()), **whole[name, rows], **http})
    head = ["µs per request", *(f"{name}, {rows} {'row' if rows == 1 else 'rows'}" for name, rows in columns)]
    click.echo(grid(head, ([stage, *(f"{each[stage]:,.1f}" for each in found)] for stage in found[0])))


def stages(model: Model, body: bytes, seconds: float) -> Times:
    """Half of the requests spend at most this in each stage."""
    metrics = Metrics()
    served = Catalogue({model.name: {model.version: model}})
    metrics.serving(served)
    watch = Watch(model.signature)
    names = ("decode", "rows to tensors", "run", "tensors to answers", "encode", "metrics", "drift")
    stamps = [_stamps(model, body, metrics, watch) for _ in _during(seconds)]
    spent = ([after - before for before, after in pairwise(each)] for each in stamps)
    return {name: 1e6 * median(times) for name, times in zip(names, zip(*spent, strict=True), strict=True)}


def _stamps(model: Model, body: bytes, metrics: Metrics, watch: Watch) -> list[float]:
    stamps = [perf_counter()]
    batch = model.codec.decode(body, MAX_ROWS)
    stamps.append(perf_counter())
    tensors = model.codec.tensors(batch.rows)
    stamps.append(perf_counter())
    outputs = model.run(tensors)
    stamps.append(perf_counter())
    answers = model.codec.predictions(outputs)
    stamps.append(perf_counter())
    orjson.dumps({**model.identity, "predictions": answers})
    stamps.append(perf_counter())
    metrics.answered(model, len(batch.rows), stamps[-1] - stamps[0])
    stamps.append(perf_counter())
    watch(tensors)
    stamps.append(perf_counter())
    return stamps


async def _whole(columns: list[tuple[str, int]], seconds: float) -> dict[tuple[str, int], Times]:
    """The application without HTTP: a call at a time, and calls that arrive together."""
    found: dict[tuple[str, int], Times] = {}
    async with _started(create_app(Settings(models=MODELS, threads=1, log_level="error"))) as app:
        for name, rows in columns:
            call = SERVEFN.call(name, rows)
            while await _ask(app, call) != 200:
                await asyncio.sleep(0.01)
            found[name, rows] = {
                "application, one at a time": await _per_request(app, call, 1, seconds),
                f"application, {TOGETHER} at once": await _per_request(app, call, TOGETHER, seconds),
            }
    return found


async def _per_request(app: App, call: Call, together: int, seconds: float) -> float:
    times = []
    for _ in _during(seconds):
        started = perf_counter()
        await asyncio.gather(*(_ask(app, call) for _ in range(together)))
        times.append(perf_counter() - started)
    return 1e6 * median(times) / together


async def _ask(app: App, call: Call) -> int:
    """The status of one call."""
    sent: list[dict[str, Any]] = []
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(call.body)).encode())]
    scope = {"type": "http", "method": "POST", "path": call.path, "headers": headers, "query_string": b""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": call.body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return int(sent[0]["status"])


@asynccontextmanager
async def _started(app: App) -> AsyncIterator[App]:
    """The application between its startup and its shutdown."""
    said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    running = asyncio.ensure_future(app({"type": "lifespan", "state": {}}, said.get, heard.put))
    await said.put({"type": "lifespan.startup"})
    await heard.get()
    yield app
    await said.put({"type": "lifespan.shutdown"})
    await running


def _during(seconds: float) -> Iterator[None]:
    """As many turns as begin within some seconds."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        yield


if __name__ == "__main__":
    main()
