"""Overload: what is taken is answered, what is not is told at once, and nothing is lost count of."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from starlette.testclient import TestClient
from uvicorn import Config
from uvicorn.server import ServerState

from app.admission import PARKED_SECONDS, Admission, Place
from app.direct import Protocol
from app.errors import Overloaded
from app.intake import LARGE
from app.main import create_app
from app.protocols.native import Predictions
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_cli import serving
from tests.test_direct import Transport, converse
from tests.test_native import IRIS, JSON, body
from tests.test_server import POST, length, talk
from tests.waiting import until


def app(**bounds: int) -> Predictions:
    app = create_app(Settings(models=MODELS, **bounds))  # type: ignore[arg-type]  # pydantic reads them
    assert isinstance(app, Predictions)
    app._repository.load()
    return app


def test_what_is_taken_is_given_back() -> None:
    admission = Admission(2, 100, 1000)
    with Place(admission, 600) as place, Place(admission, 400):
        place.enter()
        place.hold(7)
        assert (admission.requests, admission.rows, admission.bytes) == (1, 7, 1000)
    place = Place(admission, 10)
    with pytest.raises(ZeroDivisionError), place:
        1 // (place.enter() or 0)  # type: ignore[func-returns-value]  # it fails while it has its place
    assert (admission.requests, admission.rows, admission.bytes) == (0, 0, 0)


@pytest.mark.parametrize(("requests", "rows", "size"), [(1, 100, 1000), (9, 5, 1000), (9, 100, 50)])
def test_each_bound_holds(requests: int, rows: int, size: int) -> None:
    admission = Admission(requests, rows, size)
    with Place(admission, 50) as first:
        first.enter()
        first.hold(5)
        with pytest.raises(Overloaded), Place(admission, 1) as second:
            second.enter()
    with Place(admission, size + 1) as alone:
        alone.enter()


def test_of_many_in_one_turn_the_first_are_answered_and_the_others_told_to_come_again() -> None:
    """Five connections whose requests are read before any is run."""

    async def burst() -> list[bytes]:
        narrow = app(in_flight_requests=2)
        request = POST + length(body(IRIS)) + body(IRIS)
        found = await asyncio.gather(*(converse(narrow, request) for _ in range(5)))
        assert narrow._admission.requests == narrow._admission.rows == 0
        return [b"".join(transport.written) for transport in found]

    answers = asyncio.run(burst())
    assert [answer[9:12] for answer in answers] == [b"200", b"200", b"503", b"503", b"503"]
    head, content = answers[-1].split(b"\r\n\r\n")
    assert b"retry-after: 1" in head
    assert json.loads(content)["error"] == "overloaded"


class Kept(Transport):
    """A connection on which a request waits until the server reads again."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Protocol | None = None

    def resume_reading(self) -> None:
        if self.protocol:
            asyncio.get_running_loop().call_soon(self.protocol.data_received, POST + length(body(IRIS)) + body(IRIS))


def test_who_asks_again_at_once_is_told_again_and_who_waits_is_answered() -> None:
    async def insist() -> list[bytes]:
        narrow = app(in_flight_requests=1)
        config = Config(narrow, http=Protocol, lifespan="off", log_config=None, proxy_headers=False)
        config.load()
        transport = Kept()
        protocol = transport.protocol = Protocol(config=config, server_state=ServerState(), app_state={})
        protocol.connection_made(transport)
        narrow._admission.enter()
        protocol.data_received(POST + length(body(IRIS)) + body(IRIS))
        narrow._admission.leave(0)  # from here on there is room
        while len(transport.written) < 2:
            await asyncio.sleep(0.01)
        transport.protocol = None
        await asyncio.sleep(2 * PARKED_SECONDS)
        protocol.data_received(POST + length(body(IRIS)) + body(IRIS))
        while len(transport.written) < 3:
            await asyncio.sleep(0.01)
        protocol.connection_lost(None)
        return transport.written

    answers = asyncio.run(asyncio.wait_for(insist(), 60))
    assert [answer[9:12] for answer in answers] == [b"503", b"503", b"200"]
    assert answers[0] == answers[1]
    assert b"retry-after: 1" in answers[0]


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("following", [b"", b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n", POST + b"content-le"])
def test_a_client_that_leaves_takes_no_place_with_it(leave: bool, following: bytes) -> None:
    narrow = app()
    asyncio.run(converse(narrow, POST + length(body(IRIS)) + body(IRIS) + following, leave=leave))
    assert narrow._admission.requests == narrow._admission.rows == 0


def test_every_way_through_the_service_gives_back_what_it_took() -> None:
    narrow = app()
    with TestClient(narrow) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        url = "/models/iris/predict"
        for content, headers in [
            (body(IRIS), JSON),
            (body(*[IRIS] * 500), JSON),
            (b"{", JSON),
            (b"x" * 3, {"content-type": "text/csv"}),
            (json.dumps(IRIS).encode(), {"content-type": "application/x-ndjson"}),
            (body(IRIS), {**JSON, "content-encoding": "gzip"}),
            (body(IRIS), {**JSON, "servefn-timeout-ms": "0"}),
        ]:
            client.post(url, content=content, headers=headers)
    admission = narrow._admission
    assert (admission.requests, admission.rows, admission.bytes) == (0, 0, 0)


@pytest.mark.parametrize("rows", [1, 500])
@pytest.mark.parametrize("kind", ["application/json", "text/csv"])
def test_what_comes_too_late_is_not_run(rows: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    csv = "\n".join([",".join(IRIS), *[",".join(map(str, IRIS.values()))] * rows]).encode()
    content = csv if kind == "text/csv" else body(*[IRIS] * rows)
    with TestClient(app()) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        headers = {"content-type": kind, "servefn-timeout-ms": "60000"}
        assert client.post("/models/iris/predict", content=content, headers=headers).status_code == 200
        runs: list[int] = []
        monkeypatch.setattr("app.predictor.Model.run", lambda *_: runs.append(1))
        answer = client.post("/models/iris/predict", content=content, headers={**headers, "servefn-timeout-ms": "0"})
        assert (answer.status_code, answer.json()["error"], runs) == (504, "deadline_exceeded", [])
        for nonsense in ("soon", "-1", "1.5", "9" * 5000):
            said = {**headers, "servefn-timeout-ms": nonsense}
            answer = client.post("/models/iris/predict", content=content, headers=said)
            assert (answer.status_code, answer.json()["error"]) == (400, "malformed_body")


def test_ready_says_when_it_is_not() -> None:
    narrow = app(in_flight_requests=1)
    with TestClient(narrow) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        narrow._admission.enter()
        assert client.get("/health/ready").json()["error"] == "overloaded"
        narrow._admission.leave(0)
        assert client.get("/health/ready").status_code == 200
        narrow.leave()
        assert client.get("/health/ready").json()["error"] == "not_ready"


@pytest.fixture
def slow() -> Iterator[tuple[subprocess.Popen[str], str]]:
    with serving(SERVEFN_BODY_SECONDS="1", SERVEFN_IN_FLIGHT_REQUESTS="4") as found:
        yield found


@pytest.mark.parametrize("size", [len(body(IRIS)), 9_000, 4 * LARGE])
def test_who_sends_slowly_takes_nobody_s_place(slow: tuple[subprocess.Popen[str], str], size: int) -> None:
    address = slow[1]
    port = int(address.rsplit(":", 1)[1])
    drips = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
    for drip in drips:
        drip.sendall(POST + b"content-length: %d\r\n\r\n{" % size)
    assert httpx.post(f"{address}/models/iris/predict", content=body(IRIS), headers=JSON).status_code == 200
    if size > len(body(IRIS)):
        time.sleep(1.2)
        assert drips[0].recv(12) == b"HTTP/1.1 408"
    for drip in drips:
        drip.close()
    assert httpx.post(f"{address}/models/iris/predict", content=body(IRIS), headers=JSON).status_code == 200


@pytest.mark.parametrize("kind", [b"application/json", b"text/csv", b"application/x-ndjson"])
def test_bytes_that_nobody_announced_are_counted_when_they_are_there(kind: bytes) -> None:
    head = POST.replace(b"application/json", kind) + b"transfer-encoding: chunked\r\n\r\n"
    part = b"c350\r\n" + b" " * 50_000 + b"\r\n"
    with serving(SERVEFN_IN_FLIGHT_BYTES="220000") as (_, address):
        port = int(address.rsplit(":", 1)[1])
        first, second = (socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(2))
        first.sendall(head + 3 * part)
        assert httpx.get(f"{address}/health/ready").status_code == 200  # by then the first is read
        second.sendall(head + part)
        assert httpx.get(f"{address}/health/ready").status_code == 200
        second.sendall(part)
        answer = b""
        while b'"overloaded"' not in answer:
            answer += (more := second.recv(65536))
            assert more
        second.close()
        first.sendall(part + b"0\r\n\r\n")
        assert first.recv(65536).startswith(b"HTTP/1.1 200" if kind.endswith(b"ndjson") else b"HTTP/1.1 4")
        first.close()


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_what_a_body_unfolds_to_is_counted(kind: str) -> None:
    narrow = app(in_flight_bytes=100_000)
    packed = gzip.compress(b" " * 200_000)
    with TestClient(narrow) as client, Place(narrow._admission, 1) as other:
        until(lambda: client.get("/health/ready").status_code == 200)
        headers = {"content-type": kind, "content-encoding": "gzip"}
        answer = client.post("/models/iris/predict", content=packed, headers=headers)
        assert '"error":"overloaded"' in answer.text
        other.resize(0)
        assert '"error":"overloaded"' not in client.post("/models/iris/predict", content=packed, headers=headers).text
    assert narrow._admission.bytes == 0


def test_under_ten_times_the_load_every_answer_is_right_or_an_honest_503() -> None:
    statuses: Counter[int] = Counter()
    with serving(SERVEFN_IN_FLIGHT_REQUESTS="4") as (process, address):

        async def client(http: httpx.AsyncClient) -> None:
            for _ in range(20):
                answer = await http.post(f"{address}/models/iris/predict", content=body(*[IRIS] * 40), headers=JSON)
                statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    assert len(answer.json()["predictions"]) == 40
                else:
                    assert answer.headers["retry-after"] == "1"
                    break

        async def crowd() -> None:
            limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
            async with httpx.AsyncClient(timeout=30, limits=limits) as http:
                await asyncio.gather(*(client(http) for _ in range(40)))

        asyncio.run(crowd())
        assert process.poll() is None
        assert httpx.get(f"{address}/health/ready").status_code == 200
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 0


def test_sigterm_is_announced_then_obeyed_and_exits_with_0() -> None:
    with serving(SERVEFN_GRACE_SECONDS="2") as (process, address):
        port = int(address.rsplit(":", 1)[1])
        with httpx.Client() as kept:
            assert kept.get(f"{address}/health/ready").status_code == 200
            process.send_signal(signal.SIGTERM)
            until(lambda: httpx.get(f"{address}/health/ready").status_code == 503)
            answer = kept.post(f"{address}/models/iris/predict", content=body(IRIS), headers=JSON)
            assert answer.status_code == 200
            assert answer.headers["connection"] == "close"
            assert talk(port, POST + length(body(IRIS)) + body(IRIS)).startswith(b"HTTP/1.1 200")
            assert httpx.get(f"{address}/health/live").status_code == 200
        assert process.wait(20) == 0


def test_a_second_signal_ends_it_where_it_stands() -> None:
    with serving(SERVEFN_GRACE_SECONDS="60") as (process, address):
        process.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{address}/health/ready").status_code == 503)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM


def test_ctrl_c_needs_no_grace() -> None:
    with serving(SERVEFN_GRACE_SECONDS="60") as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_workers_end_as_one_process_does() -> None:
    with serving("--workers", "2", SERVEFN_GRACE_SECONDS="0") as (process, address):
        lost: list[Exception] = []

        def ask() -> None:
            try:
                httpx.post(f"{address}/models/iris/predict", content=body(IRIS), headers=JSON)
            except httpx.HTTPError as error:
                lost.append(error)

        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not lost
