"""Where and with what a run was made."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.servers import ROOT

LIBRARIES = ("fastapi", "pydantic", "uvicorn", "uvloop", "httptools", "onnxruntime", "scikit-learn", "numpy", "msgspec")


def setting(rounds: int, seconds: float, peers: dict[str, str]) -> list[tuple[str, str]]:
    """Name and value of each thing that another run would need to know."""
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("servefn", f"{version('servefn')}, git {_git()}"),
        ("machine", _machine()),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {_wrk()}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in LIBRARIES)),
        *([("peers", ", ".join(f"{name} {pinned}" for name, pinned in peers.items()))] if peers else []),
        ("rounds", f"{rounds}, {seconds:g} s a point after 1 s of warm-up"),
    ]


def _machine() -> str:
    text = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{models[0] if models else platform.machine()}, {len(models)} cores, {memory:.0f} GiB"


def _git() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603  # fixed
    return done.stdout.strip() or "unknown"


def _wrk() -> str:
    done = subprocess.run(["wrk", "-v"], check=False, capture_output=True, text=True)  # noqa: S607  # from the path
    return " ".join(done.stdout.split()[:2])
