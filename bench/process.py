"""A server as a process pinned to one core: started, awaited, measured, stopped with all that it started."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.01
STOP_SECONDS = 20


class ServerError(Exception):
    """A server did not start, or does not answer as it should."""


@dataclass(frozen=True)
class Call:
    """One request."""

    path: str
    body: bytes


@dataclass(frozen=True)
class Running:
    """A server that answers. `ready` is the seconds from its start until every call had its first 200."""

    pid: int
    port: int
    ready: float


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    calls: Sequence[Call],
    *,
    port: int,
    core: int,
    log: Path,
    env: Mapping[str, str],
    timeout: float,
) -> Iterator[Running]:
    """Start a command on a core, wait until it answers the calls, and stop it at the end. Raises ServerError."""
    log.parent.mkdir(parents=True, exist_ok=True)
    pinned = ["taskset", "-c", str(core), *command]
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  # our own command
            pinned, stdout=output, stderr=output, env={**os.environ, **env}, start_new_session=True
        )
        try:
            for call in calls:
                _await(process, port, call, started + timeout, log)
            yield Running(process.pid, port, time.perf_counter() - started)
        finally:
            _stop(process)


def post(port: int, call: Call, timeout: float = 30) -> tuple[int, bytes]:
    """Status and body of one call. Raises OSError or http.client.HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", call.path, call.body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def resident(pid: int) -> float:
    """Resident memory in MB of a process and of all that descend from it."""
    return sum(_resident(each) for each in (pid, *descendants(pid))) / 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time so far of a process and of all that descend from it and still run."""
    return sum(_ticks(each) for each in (pid, *descendants(pid))) / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    parents = {each: _parent(each) for each in pids}
    found = [pid]
    for each in found:  # grows while it is walked
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def _await(process: subprocess.Popen[bytes], port: int, call: Call, deadline: float, log: Path) -> None:
    answer = "nothing listens"
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise ServerError(f"it exited with {process.returncode}; see {log}")
        try:
            status, content = post(port, call)
        except (OSError, http.client.HTTPException):
            time.sleep(POLL_SECONDS)
            continue
        if status == http.HTTPStatus.OK:
            return
        answer = f"{call.path} answers {status}: {content[:200]!r}"
        time.sleep(POLL_SECONDS)
    raise ServerError(f"it was not ready in time: {answer}; see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop; what is left of it and of its children after a while is killed."""
    family = [process.pid, *descendants(process.pid)]
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family[1:]:
        if _parent(pid) is not None:
            os.kill(pid, signal.SIGKILL)


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _ticks(pid: int) -> int:
    return sum(map(int, _stat(pid)[11:13]))


def _parent(pid: int) -> int | None:
    stat = _stat(pid)
    return int(stat[1]) if stat else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; none once the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
