"""Load a server of one's own for a moment: starts `servefn serve`, runs locust without its page, stops the server.

    python -m tests.load.run --users 16 --run-time 15s

The options are locust's. Leaves reports/load.html; the exit status is locust's, 1 if any request failed.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import until

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "load.html"


def main(options: Sequence[str]) -> int:
    REPORT.parent.mkdir(exist_ok=True)
    locustfile = str(Path(__file__).with_name("locustfile.py"))
    headless = ["--headless", "--only-summary", "--loglevel", "WARNING", "--html", str(REPORT)]
    with server() as url:
        command = [sys.executable, "-m", "locust", "--locustfile", locustfile, "--host", url, *headless, *options]
        return subprocess.run(command, cwd=ROOT, check=False).returncode


@contextmanager
def server() -> Iterator[str]:
    """The committed models, served on a free port of this machine for as long as the context lasts."""
    port = _free_port()
    servefn = str(Path(sys.executable).with_name("servefn"))
    command = [servefn, "serve", "--models", str(ROOT / "models"), "--port", str(port)]
    with subprocess.Popen(command) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: _ready(url))
            yield url
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=2):  # noqa: S310  # http, and ours
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
