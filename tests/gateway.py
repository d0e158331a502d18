"""A gateway before a real server, over real TCP, that does to the first requests what it is told."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx


class Gateway(BaseHTTPRequestHandler):
    """One request. Made for each server by `gateway`, with its address and the acts that are left."""

    address: str
    acts: list[Act]
    requests: list[Request]

    def do_GET(self) -> None:
        self.act(b"")

    def do_POST(self) -> None:
        self.act(self.rfile.read(int(self.headers["content-length"])))

    def act(self, body: bytes) -> None:
        self.requests.append(Request(self.path, dict(self.headers), body))
        act = self.acts.pop(0) if self.acts else passed
        act(self, body)

    def reply(self, status: int, body: bytes, headers: Mapping[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"connection": "close", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Request:
    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body, self.time = path, headers, body, time.monotonic()


Act = Callable[[Gateway, bytes], None]


def passed(one: Gateway, body: bytes) -> None:
    """The server's own answer."""
    headers = {name: value for name, value in one.headers.items() if name.lower() not in ("host", "connection")}
    answer = httpx.request(one.command, one.address + one.path, headers=headers, content=body)
    kept = {name: value for name in ("content-type", "retry-after") if (value := answer.headers.get(name))}
    one.reply(answer.status_code, answer.content, kept)


def cut(one: Gateway, _: bytes) -> None:
    """The connection closed without a word."""


def torn(one: Gateway, _: bytes) -> None:
    """The connection closed in the middle of an answer."""
    one.reply(200, b'{"model": "iris", ', {"content-type": "application/json"}, length=1000)


def silent(one: Gateway, _: bytes) -> None:
    """No answer for as long as the client is there."""
    one.rfile.read(1)


def page(status: int, text: str = "<html>Bad Gateway</html>", **headers: str) -> Act:
    """What balancers answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda one, _: one.reply(status, text.encode(), {"content-type": "text/html", **named})


def problem(status: int, error: str, retry_after: str = "") -> Act:
    """What servefn answers."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": f"It is {error}.",
    }
    headers = {"content-type": "application/problem+json", **({"retry-after": retry_after} if retry_after else {})}
    return lambda one, _: one.reply(status, json.dumps({**document, "error": error}).encode(), headers)


@contextmanager
def gateway(address: str, *acts: Act) -> Iterator[tuple[str, list[Request]]]:
    """The address of a gateway, and the requests that come there. After these acts it passes everything on."""
    requests: list[Request] = []
    handler: Any = type("Handler", (Gateway,), {"address": address, "acts": list(acts), "requests": requests})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", requests
        finally:
            server.shutdown()
            thread.join()
