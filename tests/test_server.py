"""Requests as they go over the wire, one socket at a time."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import subprocess
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette

from app.server import Server
from tests.test_cli import serving
from tests.test_native import IRIS

BODY = json.dumps({"instances": [IRIS]}).encode()
POST = b"POST /models/iris/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    with serving() as (process, address):
        yield process, int(address.rsplit(":", 1)[1])


def talk(port: int, *parts: bytes, hang_up: bool = False) -> bytes:
    """Everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def length(content: bytes) -> bytes:
    return b"content-length: %d\r\n\r\n" % len(content)


def test_a_body_may_come_in_pieces(server: tuple[subprocess.Popen[str], int]) -> None:
    answer = talk(server[1], POST + b"connection: close\r\n" + length(BODY), BODY[:20], BODY[20:])
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"label":"setosa"' in answer


def test_requests_may_be_pipelined(server: tuple[subprocess.Popen[str], int]) -> None:
    one = POST + length(BODY) + BODY
    last = POST + b"connection: close\r\n" + length(BODY) + BODY
    answer = talk(server[1], one + one + last)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b'"label":"setosa"') == 3


def dated(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if not line.startswith(b"date:")]


def test_head_and_health_requests_go_through(server: tuple[subprocess.Popen[str], int]) -> None:
    asked = b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = talk(server[1], b"GET /health/live" + asked)
    assert answer.endswith(b'{"live":true}')
    for path, status in ((b"/health/live", b"200"), (b"/docs", b"200"), (b"/x", b"404"), (b"/admin/reload", b"405")):
        got, told = (talk(server[1], method + path + asked) for method in (b"GET ", b"HEAD "))
        assert told.startswith(b"HTTP/1.1 " + status)
        assert told.endswith(b"\r\n\r\n")
        assert dated(told) == dated(got.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\xff\x16\x03\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /models/iris/predict HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /models/iris/predict HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        POST + b"content-length: 99999\r\n\r\n{",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /%00%ff%0a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ],
)
def test_noise_neither_stops_nor_breaks_the_server(server: tuple[subprocess.Popen[str], int], noise: bytes) -> None:
    process, port = server
    answer = talk(port, noise, hang_up=True)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert talk(port, POST + b"connection: close\r\n" + length(BODY), BODY).startswith(b"HTTP/1.1 200")
    assert process.poll() is None


def test_the_collector_passes_over_what_stays_for_good() -> None:
    """Going through the libraries' objects stops everybody for 50 ms, again and again."""
    before = gc.get_freeze_count()
    config = uvicorn.Config(Starlette(), host="127.0.0.1", port=0, lifespan="off", log_config=None)

    async def start() -> int:
        server = Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        await server.shutdown()
        return gc.get_freeze_count()

    try:
        assert asyncio.run(start()) > before + 10_000
    finally:
        gc.unfreeze()
