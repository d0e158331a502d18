"""Load from wrk: one thread on one core, a fixed number of connections, each with one request under way."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("post.lua")


class LoadError(Exception):
    """Not every request was answered with success, so there is no figure to report."""


@dataclass(frozen=True)
class Load:
    """What a server bore: requests per second, and the latency of half and of 99 in 100 requests in milliseconds."""

    per_second: float
    p50: float
    p99: float


def load(url: str, body: Path, connections: int, seconds: float, core: int) -> Load:
    """Post a file to a URL for some seconds. Raises LoadError unless every answer was a 2xx."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    pinned = ["taskset", "-c", str(core), *command, "-s", str(SCRIPT), url, "--", str(body)]
    done = subprocess.run(pinned, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read the closing line of post.lua."""
    found = json.loads(output.strip().splitlines()[-1])
    if found["failed"] or not found["requests"]:
        raise LoadError(f"{found['failed']} of {found['requests']} requests failed")
    return Load(1e6 * found["requests"] / found["microseconds"], found["p50"] / 1000, found["p99"] / 1000)
