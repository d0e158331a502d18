"""The hot path answers as the application does, gives way to it where it must, and keeps the order of a connection."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.direct import SMALL, Protocol
from app.main import create_app
from app.protocols.native import Predictions
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_cli import serving
from tests.test_native import IRIS, JSON, body
from tests.test_server import POST, length, received, talk
from tests.waiting import until


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (_, address):
        yield address


KEYED = {"key": "a", **IRIS}


@pytest.mark.parametrize(
    ("path", "content", "headers"),
    [
        ("iris/predict", body(IRIS), JSON),
        ("iris/predict", body(IRIS, IRIS), {**JSON, "accept": "application/json"}),
        ("iris/predict?x=1", body(IRIS), JSON),
        ("iris/versions/1/predict", body(IRIS), JSON),
        ("ir%69s/predict", body(IRIS), JSON),
        ("iris/predict/keyed", body(KEYED, {**KEYED, "key": 2}), JSON),
        ("iris/predict/keyed", body(KEYED, {**KEYED, "key": "b", "petal_width": -1}), JSON),
        ("iris/predict/keyed", body(KEYED, KEYED), JSON),
        ("iris/predict", body({**IRIS, "petal_widht": 1}), JSON),
        ("iris/predict", b"", JSON),
        ("iris/predict", b"[" * 5000, JSON),
        ("iris/predict", body(IRIS), {"content-type": "text/plain"}),
        ("iris/predict", body(IRIS), {**JSON, "content-encoding": "gzip"}),
        ("iris/predict", body(*[IRIS] * 200), JSON),
        ("iris/predict", body(IRIS) + b" " * SMALL, JSON),
        ("iris/versions/2/predict", body(IRIS), JSON),
    ],
)
def test_the_answer_is_the_one_of_the_application(
    address: str, client: TestClient, path: str, content: bytes, headers: dict[str, str]
) -> None:
    direct = httpx.post(f"{address}/models/{path}", content=content, headers=headers)
    through = client.post(f"/models/{path}", content=content, headers=headers)
    assert (direct.status_code, direct.content) == (through.status_code, through.content)
    assert direct.headers["content-type"] == through.headers["content-type"]
    assert "date" in direct.headers


def test_many_clients_at_once_each_get_the_answer_to_their_own_row(address: str) -> None:
    rows = [{**IRIS, "petal_length": 1 + number / 40} for number in range(200)]

    with httpx.Client() as client, ThreadPoolExecutor(16) as pool:

        def ask(row: dict[str, float]) -> Any:
            return client.post(f"{address}/models/iris/predict", json={"instances": [row]}).json()["predictions"]

        alone = [ask(row) for row in rows]
        together = list(pool.map(ask, rows))
    for one, other in zip(alone, together, strict=True):
        assert one[0]["label"] == other[0]["label"]
        assert one[0]["probabilities"] == pytest.approx(other[0]["probabilities"], abs=1e-9)


def test_pipelined_requests_are_answered_in_order_whatever_way_they_take(address: str) -> None:
    direct = POST + length(body(IRIS)) + body(IRIS)
    wrong = POST + length(b"[]") + b"[]"
    live = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    last = POST + b"connection: close\r\n" + length(body(IRIS)) + body(IRIS)
    answers = talk(int(address.rsplit(":", 1)[1]), direct + live + direct + wrong + direct + live + last)
    statuses = [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]
    kinds = [b"setosa" in part for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"200", b"422", b"200", b"200", b"200"]
    assert kinds == [True, False, True, False, True, False, True]


def test_a_connection_serves_one_request_after_another(address: str) -> None:
    with httpx.Client() as client:
        for number in range(50):
            url = f"{address}/models/iris/predict" if number % 3 else f"{address}/health/ready"
            answer = client.post(url, json={"instances": [IRIS]}) if number % 3 else client.get(url)
            assert answer.status_code == 200


def test_a_client_that_leaves_before_its_answer_harms_nobody(address: str) -> None:
    port = int(address.rsplit(":", 1)[1])
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(POST + length(body(IRIS)) + body(IRIS))
    assert httpx.post(f"{address}/models/iris/predict", json={"instances": [IRIS]}).status_code == 200


def test_a_signal_lets_requests_that_have_begun_finish() -> None:
    with serving() as (process, address):
        port = int(address.rsplit(":", 1)[1])
        content = body(IRIS)
        begun = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(8)]
        for connection in begun:
            connection.sendall(POST + length(content) + content[:10])
        for _ in range(3):  # the server has read the others by the time it answers these
            assert httpx.get(f"{address}/health/live").status_code == 200
        process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(port))
        for connection in begun:
            connection.sendall(content[10:])
            answer = received(connection)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"connection: close" in answer
            connection.close()
        process.wait(20)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


class Transport(asyncio.Transport):
    """A connection without a network, that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def converse(
    app: Predictions, *data: bytes, shut_down: bool = False, leave: bool = False, patience: float = 30
) -> Transport:
    """What a connection gets for what it sends, waiting that many seconds for the first of it.

    On a slow machine a run goes to a thread, and no number of the loop's turns is sure to see its end.
    """
    config = Config(app, http=Protocol, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
    config.load()
    protocol: HttpToolsProtocol = Protocol(config=config, server_state=ServerState(), app_state={})
    transport = Transport()
    protocol.connection_made(transport)
    for part in data:
        protocol.data_received(part)
    if shut_down:
        protocol.shutdown()
    if leave:
        protocol.connection_lost(None)
    await turns()
    with suppress(TimeoutError):
        async with asyncio.timeout(0 if leave else patience):
            while not transport.written:
                await asyncio.sleep(0.001)
            await turns()  # the rest of an answer that is written in parts
    if not leave:
        protocol.connection_lost(None)
    return transport


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def test_an_answer_is_waited_for_when_its_run_goes_to_a_thread(
    app: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.scheduler.HOP", -1)
    for head, content in ((POST, body(IRIS)), (POST.replace(b"predict", b"predict/keyed"), body(KEYED))):
        written = b"".join(asyncio.run(converse(app, head + length(content) + content)).written)
        assert written.startswith(b"HTTP/1.1 200")


@pytest.fixture
def app() -> Predictions:
    app = create_app(Settings(models=MODELS))
    assert isinstance(app, Predictions)
    app._repository.load()
    return app


def test_a_limit_below_what_is_small_holds_here_too() -> None:
    narrow = create_app(Settings(models=MODELS, max_body_bytes=len(body(IRIS))))
    assert isinstance(narrow, Predictions)
    narrow._repository.load()
    for content, status in ((body(IRIS), b"200"), (body(IRIS) + b" ", b"413")):
        written = b"".join(asyncio.run(converse(narrow, POST + length(content) + content)).written)
        assert written.startswith(b"HTTP/1.1 " + status)


def test_head_and_body_leave_in_one_write(app: Predictions) -> None:
    transport = asyncio.run(converse(app, POST + length(body(IRIS)), body(IRIS)))
    (answer,) = transport.written
    head, content = answer.split(b"\r\n\r\n")
    assert b"content-length: %d" % len(content) in head
    assert json.loads(content)["predictions"][0]["label"] == "setosa"


def test_a_server_that_stops_says_so_and_closes(app: Predictions) -> None:
    transport = asyncio.run(converse(app, POST + length(body(IRIS)) + body(IRIS), shut_down=True))
    assert b"connection: close" in transport.written[0]
    assert transport.closed


def test_a_failure_in_the_graph_is_a_problem_here_too(app: Predictions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.codec.Codec.tensors", lambda *_: {"numbers": None})
    (answer,) = asyncio.run(converse(app, POST + length(body(IRIS)) + body(IRIS))).written
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert json.loads(answer.split(b"\r\n\r\n")[1])["error"] == "prediction_failed"


def test_the_rows_of_a_client_that_has_gone_are_not_run(app: Predictions, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    monkeypatch.setattr("app.predictor.Model.answer", lambda _, rows: runs.append(len(rows)))
    transport = asyncio.run(converse(app, POST + length(body(IRIS)) + body(IRIS), leave=True))
    assert (runs, transport.written) == ([], [])
