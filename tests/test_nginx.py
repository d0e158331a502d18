"""The balancer's own configuration, run by nginx as it is installed here, in front of replicas that refuse or are gone.

Only what needs Docker's DNS is taken out of it; tests/e2e has the whole.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.test_cli import free_port
from tests.test_deploy import DEPLOY
from tests.waiting import until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or ""

pytestmark = pytest.mark.skipif(not NGINX, reason="needs nginx")


class Replica(ThreadingHTTPServer):
    """Answers with these statuses, in turn, and then always with the last."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = list(statuses)
        self.asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Replica
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status = self.server.statuses[min(self.server.asked, len(self.server.statuses) - 1)]
        self.server.asked += 1
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def balanced(directory: Path, replicas: Sequence[Replica], *gone: int) -> Iterator[httpx.Client]:
    """A client of nginx before these replicas, and before ports that nobody listens to."""
    port = free_port()
    text = (DEPLOY / "nginx.conf").read_text()
    server = next(line.split() for line in text.splitlines() if line.split()[:1] == ["server"] and "api:8000" in line)
    options = " ".join(word for word in server[2:] if word != "resolve")
    servers = [f"server 127.0.0.1:{each} {options}" for each in (*(one.server_port for one in replicas), *gone)]
    for before, after in (
        (" ".join(server), "\n".join(servers)),
        ("resolver 127.0.0.11 valid=2s ipv6=off;", ""),
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
        ("/tmp/", f"{directory}/"),  # noqa: S108  # nginx's, in its container
        ("/dev/stdout", f"{directory}/access.log"),
        ("/dev/stderr", f"{directory}/error.log"),
    ):
        assert before in text
        text = text.replace(before, after)
    (directory / "nginx.conf").write_text(text)
    with ExitStack() as stack:
        for replica in replicas:
            stack.enter_context(replica)
            Thread(target=replica.serve_forever, daemon=True).start()
            stack.callback(replica.shutdown)
        command = [NGINX, "-c", str(directory / "nginx.conf"), "-g", "daemon off;"]
        process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        stack.callback(process.terminate)
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
        until(lambda: process.poll() is not None or listens(client))
        yield client


def listens(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code > 0
    except httpx.TransportError:
        return False


def test_replicas_that_all_refuse_are_asked_again_at_once(tmp_path: Path) -> None:
    """Were they left out for a while, what is a little too much for all of them would be answered by none."""
    replicas = [Replica(503, 503, 200) for _ in range(3)]
    with balanced(tmp_path, replicas) as client:
        answers = [client.post("/x", content=b"{}").status_code for _ in range(4)]
    assert answers == [503, 503, 200, 200]


def test_where_no_replica_answers_that_is_said_as_the_service_says_things(tmp_path: Path) -> None:
    with balanced(tmp_path, [], free_port(), free_port()) as client:
        answer = client.post("/x", content=b"{}")
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert len(answer.headers["x-request-id"]) == 32


def test_a_request_is_taken_to_another_replica_when_one_refuses_or_is_gone(tmp_path: Path) -> None:
    with balanced(tmp_path, [Replica(503), Replica(200)], free_port()) as client:
        assert {client.post("/x", content=b"{}").status_code for _ in range(12)} == {200}
