"""Bulk: 10,000 rows as an Arrow stream to a server and back, beside the model alone on the same columns.

python -m bench.arrow [--rounds N] [--seconds S]

One connection, the server on its core and the client on the other. The model alone runs in this process, on the
server's core while that is idle: `session.run` on the table's columns, which have to be joined to the graph's matrix
first, as in the server; and on the matrix at hand.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import click
import numpy as np
import onnxruntime as ort
import pyarrow as pa

from bench import models
from bench.measure import CLIENT_CORE, SERVER_CORE
from bench.process import ServerError, free_port, running
from bench.report import grid
from bench.servers import BUILD, FLOOR, MODELS, SERVEFN, Server

ROWS = 10_000
ARROW = "application/vnd.apache.arrow.stream"
OVER_HTTP = {"no-op app, same bytes": FLOOR, "servefn": SERVEFN}
Columns = Mapping[str, models.Floats]


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1), help="For each measurement.")
def main(rounds: int, seconds: float) -> None:
    """Print rows per second over HTTP and in process, and what servefn reaches of each within a round."""
    models.build(MODELS)
    columns = _columns()
    lines = []
    for name in models.MODELS:
        found = [_round(name, columns, seconds) for _ in range(rounds)]
        for way in found[0]:
            reached = median(each["servefn"] / each[way] for each in found)
            lines.append([name, way, f"{median(each[way] for each in found):,.0f}", f"{reached:.2f}"])
    click.echo(grid(["model", f"{ROWS:,} rows of {len(columns)} doubles", "rows/s", "servefn's share of it"], lines))


def _columns() -> Columns:
    """The rows of the data, as often as it takes."""
    data = models.data()
    rows = np.resize(data.rows, (ROWS, len(data.names)))
    return {name: np.ascontiguousarray(column) for name, column in zip(data.names, rows.T, strict=True)}


def _round(name: str, columns: Columns, seconds: float) -> Mapping[str, float]:
    """Rows per second, by what is measured."""
    found = {title: _over_http(server, name, _stream(columns), seconds) for title, server in OVER_HTTP.items()}
    found |= {title: _rate(run, SERVER_CORE, seconds) for title, run in _in_process(name, columns).items()}
    return found


def _stream(columns: Columns) -> bytes:
    table, sink = pa.table(columns), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _in_process(name: str, columns: Columns) -> Mapping[str, Callable[[], Any]]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(MODELS / name / "1" / "model.onnx", options, providers=["CPUExecutionProvider"])
    arrays, matrix = list(columns.values()), np.column_stack(list(columns.values()))
    return {
        "session.run on the columns": lambda: session.run(None, {"numbers": np.column_stack(arrays)}),
        "session.run on the matrix": lambda: session.run(None, {"numbers": matrix}),
    }


def _over_http(server: Server, name: str, content: bytes, seconds: float) -> float:
    port = free_port()
    with running(
        server.started_by(port),
        [server.call(name, 1)],
        port=port,
        core=SERVER_CORE,
        log=BUILD / "logs" / f"arrow-{server.name}.log",
        env=server.environment(),
        timeout=server.timeout,
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        ask = partial(_ask, connection, server.call(name, 1).path, content)
        rate = _rate(ask, CLIENT_CORE, seconds)
        connection.close()
        return rate


def _ask(connection: http.client.HTTPConnection, path: str, content: bytes) -> None:
    connection.request("POST", path, content, {"content-type": ARROW})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise ServerError(f"{path} answers {answer.status}: {body[:200]!r}")


def _rate(work: Callable[[], Any], core: int, seconds: float) -> float:
    """Rows per second of some work that does all of them, after a tenth of the time to warm up."""
    with _pinned(core):
        for share in (0.1, 1.0):
            done, started = 0, perf_counter()
            while (passed := perf_counter() - started) < share * seconds or not done:
                work()
                done += 1
        return ROWS * done / passed


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    yield
    os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main()
