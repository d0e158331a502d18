"""Load from wrk: one thread on one core, a fixed number of connections, each with one request under way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

SCRIPT = Path(__file__).with_name("post.lua")


class LoadError(Exception):
    """Not every request was answered with success, so there is no figure to report."""


@dataclass(frozen=True)
class Load:
    """What a server bore: requests per second, milliseconds that half and 99 in 100 requests took at most, and
    microseconds of the server's processor time per request (0 if nobody counted).
    """

    per_second: float
    p50: float
    p99: float
    cpu: float = 0.0


def load(
    url: str,
    body: Path,
    connections: int,
    seconds: float,
    core: int,
    clock: Callable[[], float] = lambda: 0.0,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Load:
    """Post a file to a URL for some whole seconds; `clock` tells the processor time that the server has taken so far.

    Raises LoadError unless every answer was a 2xx.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    pinned = ["taskset", "-c", str(core), *command, "-s", str(SCRIPT), url, "--", str(body)]
    before = clock()
    done = subprocess.run(pinned, capture_output=True, text=True, check=False)  # noqa: S603  # our own command
    if done.returncode:
        raise LoadError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout, clock() - before)


def parse(output: str, cpu_seconds: float = 0.0) -> Load:
    """Read the closing line of post.lua."""
    found = json.loads(output.strip().splitlines()[-1])
    if found["failed"]:
        raise LoadError(f"{found['failed']} of {found['requests']} requests failed")
    if not found["requests"]:
        raise LoadError("no request was answered in time")
    rate = 1e6 * found["requests"] / found["microseconds"]
    return Load(rate, found["p50"] / 1000, found["p99"] / 1000, 1e6 * cpu_seconds / found["requests"])
