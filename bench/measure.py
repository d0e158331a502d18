"""One run: every server in turn, round after round, at the same points."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.process import Running, ServerError, cpu_seconds, free_port, post, resident, running
from bench.servers import BUILD, Server
from bench.wrk import Load, LoadError, load

SERVER_CORE, CLIENT_CORE = 0, 1
WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Point:
    """What is asked for: a model, rows in a request, connections that ask at once."""

    model: str
    rows: int
    connections: int


SIZES = ((1, 1), (1, 16), (1, 64), (100, 16))
"""Rows in a request and connections."""


@dataclass(frozen=True)
class Round:
    """What one server did in one round: seconds to ready, resident MB after the load, and what it bore."""

    ready: float
    resident: float
    loads: Mapping[Point, Load]


Rounds = Mapping[str, Sequence[Round]]
"""By a server's name."""


def run(
    servers: Sequence[Server], rounds: int, seconds: float, strict: Sequence[str], say: Callable[[str], None]
) -> tuple[dict[str, list[Round]], dict[str, str]]:
    """Measure, and return the rounds of each server, and the reasons why others have none.

    A server that is named in `strict` raises ServerError or LoadError; another is set aside.
    """
    found: dict[str, list[Round]] = {server.name: [] for server in servers}
    failed: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for server in (each for each in servers if each.name not in failed):
            say(f"round {number} of {rounds}: {server.title}")
            try:
                found[server.name].append(measure(server, seconds))
            except (ServerError, LoadError) as error:
                if server.name in strict:
                    raise
                failed[server.name] = str(error)
                say(f"  left out: {error}")
    return {name: each for name, each in found.items() if name not in failed}, failed


def measure(server: Server, seconds: float) -> Round:
    """Start a server, check its answers, load it at every point, and stop it."""
    port = free_port()
    points = [Point(model, *size) for model in server.models for size in SIZES]
    with running(
        server.started_by(port),
        [server.call(model, 1) for model in server.models],
        port=port,
        core=SERVER_CORE,
        log=BUILD / "logs" / f"{server.name}.log",
        env=server.environment(),
        timeout=server.timeout,
    ) as process:
        loads = {point: _load(server, process, point, seconds) for point in points}
        return Round(process.ready, resident(process.pid), loads)


def _load(server: Server, process: Running, point: Point, seconds: float) -> Load:
    call = server.call(point.model, point.rows)
    status, answer = post(process.port, call)
    if status != 200:
        raise ServerError(f"{call.path} answers {status}: {answer[:200]!r}")
    server.check(point.model, point.rows, answer)
    body = written(server, point, call.body)
    url = f"http://127.0.0.1:{process.port}{call.path}"
    with suppress(LoadError):  # some need longer for their first answers; the measurement that follows is strict
        load(url, body, point.connections, WARM_UP_SECONDS, CLIENT_CORE)
    return load(url, body, point.connections, seconds, CLIENT_CORE, partial(cpu_seconds, process.pid))


def written(server: Server, point: Point, content: bytes) -> Path:
    body = BUILD / "bodies" / f"{server.name}-{point.rows}.json"
    body.parent.mkdir(parents=True, exist_ok=True)
    body.write_bytes(content)
    return body


def median(rounds: Sequence[Round], point: Point, figure: Callable[[Load], float]) -> float:
    """The middle of what the rounds say of a point."""
    return statistics.median(figure(each.loads[point]) for each in rounds)


def ratio(one: Sequence[Round], other: Sequence[Round], point: Point, figure: Callable[[Load], float]) -> float:
    """One server against another: the median of the ratios within a round, where both met the same neighbours."""
    pairs = zip(one, other, strict=True)
    return statistics.median(figure(a.loads[point]) / figure(b.loads[point]) for a, b in pairs)
