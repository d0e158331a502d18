"""A bundle is tried before it is loaded: in a process of its own, which may die, hang or run out of memory in peace.

A digest says that a file is what it was, and not that it is harmless. onnxruntime takes apart what it is given in C++;
a graph may claim terabytes, or loop without end, which nothing stops in a thread. A list of operators that are allowed
would not hold instead: Expand or a product of matrices takes any memory, and bytes can crash a parser before there are
operators. So a child loads and replays the bundle first, within limits that the kernel keeps, and only a bundle that
comes through is loaded by the service: the very bytes that were tried, by their digest.

It contains accidents of all kinds. It is no jail for whoever can make onnxruntime run code of theirs: against those
there are signatures (`app.signing`).

The children are forks of `python -m app.trial`, which has imported onnxruntime and has no threads; the service has, and
could not be forked.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess  # the one use in here: this file, by this interpreter
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app import cpu
from app.errors import BundleError
from app.predictor import load
from app.signing import Trust

_LONGEST = 2000
"""Characters of a reason; more than any that is ours."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What loading a bundle and replaying its rows may take."""

    seconds: float
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The digest of a bundle that came through, or why it did not."""

    digest: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the process is asked: these bundles, so many at once."""

    paths: Sequence[str]
    limits: Limits
    at_once: int
    trust: Trust | None = None


def tried(paths: Sequence[Path], limits: Limits, trust: Trust | None = None) -> Mapping[Path, Verdict]:
    """Try bundles, as many at once as there are processors. Never raises."""
    if not paths:
        return {}
    task = Task(paths=[str(path.absolute()) for path in paths], limits=limits, at_once=cpu.available(), trust=trust)
    turns = -(-len(paths) // task.at_once)
    try:
        verdicts = msgspec.json.decode(_answer(task, 60 + turns * limits.seconds), type=list[Verdict])
        return dict(zip(paths, verdicts, strict=True))
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError, ValueError) as error:
        reason = f"it could not be tried in a process of its own ({type(error).__name__})"
        return dict.fromkeys(paths, Verdict(reason=reason))


def _answer(task: Task, seconds: float) -> bytes:
    where = os.pathsep.join(path or os.getcwd() for path in sys.path)  # what `app` is here, it is there
    environment = {**os.environ, "PYTHONPATH": where, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "app.trial"]
    asked = msgspec.json.encode(task)
    return subprocess.run(  # noqa: S603
        command, input=asked, stdout=subprocess.PIPE, env=environment, timeout=seconds, check=True
    ).stdout


def verdicts(task: Task) -> list[Verdict]:
    """The verdict on each bundle of a task. To be called where there are no threads."""
    found = [Verdict()] * len(task.paths)
    waiting = list(enumerate(task.paths))[::-1]
    running: dict[int, tuple[int, int]] = {}
    while waiting or running:
        if waiting and len(running) < task.at_once:
            index, path = waiting.pop()
            pid, pipe = _begin(path, task)
            running[pid] = (index, pipe)
        else:
            pid, status = os.wait()
            index, pipe = running.pop(pid)
            found[index] = _end(pipe, os.waitstatus_to_exitcode(status), task.limits)
    return found


def _begin(path: str, task: Task) -> tuple[int, int]:
    """A child that tries one bundle, and where it will have written its verdict when it has ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        _confine(task.limits)
        os.write(writing, msgspec.json.encode(_verdict(path, task.trust)))
    finally:
        os._exit(0)


def _confine(limits: Limits) -> None:
    """Have the kernel end this process when its time is over, and give it no more memory than that."""
    for stream in (1, 2):  # what C++ says before it aborts is for nobody
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    room = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + limits.bytes
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Path("/proc/self/oom_score_adj").write_text("1000")  # a container that is full has this ended, and not the service


def _verdict(path: str, trust: Trust | None) -> Verdict:
    try:
        return Verdict(digest=load(path, 1, trust=trust).digest)
    except BundleError as error:
        return Verdict(reason=str(error)[:_LONGEST])
    except MemoryError:
        return Verdict(reason="it takes more memory than it may")
    except Exception as error:  # whatever is in a bundle, the others are tried
        return Verdict(reason=f"it cannot be loaded ({type(error).__name__})")


def _end(pipe: int, code: int, limits: Limits) -> Verdict:
    with open(pipe, "rb") as opened:
        said = opened.read()
    if said:
        return msgspec.json.decode(said, type=Verdict)
    if code == -signal.SIGALRM:
        return Verdict(reason=f"it did not load and answer its rows within {limits.seconds:g} seconds")
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Verdict(reason=f"it ends the process that loads it ({how})")


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(verdicts(msgspec.json.decode(sys.stdin.buffer.read(), type=Task))))
