"""What clients lose when things go wrong: a real server, a load without pause, and one mishap after another.

python -m bench.ordeal [--seconds S]

Versions that change every second, bundles that are spoilt while they are served, a full disk for the log, and ten times
as many clients as it takes to keep the server busy. Replicas that are killed or restarted are `make e2e`'s.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from urllib.request import Request, urlopen

import click
import numpy as np

from bench import models
from bench.measure import CLIENT_CORE, SERVER_CORE
from bench.process import Call, free_port, resident, running
from bench.report import grid
from bench.servers import BUILD, MODELS, SERVEFN

CLIENTS = 16
CROWD = 10
"""Times the clients of the capacity."""

ROWS = 20


@dataclass
class Seen:
    """What the clients of one mishap saw: answers by status, the seconds of those with a 200, and who made them."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    makers: Counter[str] = field(default_factory=Counter)
    elapsed: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)

    @property
    def p99(self) -> float:
        return float(np.quantile(self.seconds, 0.99)) if self.seconds else 0.0

    @property
    def lost(self) -> int:
        """Requests with neither an answer nor an honest 503."""
        return sum(count for status, count in self.statuses.items() if status not in ("200", "503"))


@dataclass(frozen=True)
class Scene:
    """A server with a directory of models of its own."""

    port: int
    pid: int
    models: Path

    def ask(self, method: str, path: str, body: object = None) -> None:
        content = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        urlopen(
            Request(f"http://127.0.0.1:{self.port}{path}", content, headers, method=method), timeout=60
        ).close()  # our own server


Mishap = Callable[[Scene, float], Awaitable[None]]


@click.command()
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(1), help="For each mishap.")
def main(seconds: float) -> None:
    """Print, mishap by mishap, how many requests were answered, refused and lost."""
    models.build(MODELS)
    os.sched_setaffinity(0, {CLIENT_CORE})
    lines = []
    for title, mishap, clients, env in MISHAPS:
        seen = asyncio.run(_through(mishap, clients, seconds, env))
        answered, refused = seen.statuses["200"], seen.statuses["503"]
        rate, memory = answered / seen.elapsed, f"{seen.memory[0]:.0f} to {seen.memory[1]:.0f}"
        lines.append(
            [title, f"{answered:,}", f"{refused:,}", f"{seen.lost:,}", f"{rate:,.0f}", f"{1000 * seen.p99:.1f}", memory]
        )
    head = ["mishap", "answered", "503", "lost", "answered/s", "p99 of these, ms", "memory, MB"]
    click.echo(grid(head, lines))


async def _through(mishap: Mishap, clients: int, seconds: float, env: dict[str, str]) -> Seen:
    with tempfile.TemporaryDirectory(prefix="ordeal-") as place:
        directory = Path(place) / "models"
        shutil.copytree(MODELS, directory, ignore=shutil.ignore_patterns("*.joblib"))
        port, call = free_port(), SERVEFN.call("forest", ROWS)
        command = [part.format(port=port, models=directory) for part in SERVEFN.command]
        log = Path(env.pop("log", str(BUILD / "logs" / "ordeal.log")))
        with running(
            command,
            [call],
            port=port,
            core=SERVER_CORE,
            log=log,
            env={**SERVEFN.environment(), **env},
            timeout=60,
        ) as server:
            scene, seen = Scene(port, server.pid, directory), Seen()
            await _load(port, call, clients, 1, Seen())
            before, started = resident(server.pid), perf_counter()
            await asyncio.gather(mishap(scene, seconds), _load(port, call, clients, seconds, seen))
            seen.elapsed, seen.memory = perf_counter() - started, (before, resident(server.pid))
            return seen


async def _load(port: int, call: Call, clients: int, seconds: float, seen: Seen) -> None:
    end = perf_counter() + seconds
    await asyncio.gather(*(_client(port, call, end, seen) for _ in range(clients)))


async def _client(port: int, call: Call, end: float, seen: Seen) -> None:
    head = f"POST {call.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(call.body)}"
    request = head.encode() + b"\r\n\r\n" + call.body
    while perf_counter() < end:
        try:
            async with _connected(port) as (reader, writer):
                while perf_counter() < end:
                    started = perf_counter()
                    writer.write(request)
                    status, maker = await asyncio.wait_for(_answer(reader), 60)
                    seen.statuses[status] += 1
                    if status == "200":
                        seen.makers[maker] += 1
                        seen.seconds.append(perf_counter() - started)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
            seen.statuses[type(error).__name__] += 1


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[str, str]:
    """The status of an answer, and the version that made it. Raises ValueError if it is not whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    content = await reader.readexactly(size)
    status = head[9:12].decode()
    if status != "200":
        return status, ""
    document = json.loads(content)
    if len(document["predictions"]) != ROWS:
        raise ValueError
    return status, str(document["version"])


async def _nothing(_: Scene, __: float) -> None: ...


async def _versions(scene: Scene, seconds: float) -> None:
    """A new version, a moved champion or a withdrawn version every second."""
    forest = scene.models / "forest"
    for turn in range(int(seconds)):
        await asyncio.sleep(0.7)
        if turn % 2 == 0:
            shutil.copytree(forest / "1", forest / ".2")
            (forest / ".2").rename(forest / "2")
        else:
            shutil.rmtree(forest / "2")
        await asyncio.to_thread(scene.ask, "POST", "/admin/reload")
        if turn % 2 == 0:
            body = {"version": str(1 + turn // 2 % 2)}
            await asyncio.to_thread(scene.ask, "PUT", "/admin/models/forest/aliases/champion", body)


async def _spoilt(scene: Scene, seconds: float) -> None:
    """Every file of the bundle that is served is overwritten, in turn, and the server told to look."""
    files = ["model.onnx", "model.json", "replay.json"]
    whole = {name: (scene.models / "forest" / "1" / name).read_bytes() for name in files}
    for turn in range(int(seconds)):
        await asyncio.sleep(0.7)
        for name, content in whole.items():
            spoilt = name == files[turn % len(files)]
            (scene.models / "forest" / "1" / name).write_bytes(os.urandom(1000) if spoilt else content)
        await asyncio.to_thread(scene.ask, "POST", "/admin/reload")


MISHAPS: list[tuple[str, Mishap, int, dict[str, str]]] = [
    ("none", _nothing, CLIENTS, {}),
    ("a version comes, goes or moves every second", _versions, CLIENTS, {}),
    ("the bundle is spoilt on disk", _spoilt, CLIENTS, {}),
    ("no room for the log", _nothing, CLIENTS, {"log": "/dev/full", "SERVEFN_ACCESS_LOG": "true"}),
    (f"{CROWD} times the clients", _nothing, CROWD * CLIENTS, {"SERVEFN_IN_FLIGHT_REQUESTS": str(2 * CLIENTS)}),
]


if __name__ == "__main__":
    main()
