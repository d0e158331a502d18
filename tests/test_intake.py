"""Large bodies go straight from the socket to their decoder, and the connection goes on as if nothing had been."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.intake import LARGE, length
from tests.test_cli import serving
from tests.test_native import IRIS, body
from tests.test_server import received

ROWS = 2000
LIMIT = 1 << 20


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving("--max-body-bytes", str(LIMIT)) as (_, address):
        yield address


@pytest.fixture
def connection(address: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1])), timeout=20) as connection:
        yield connection


def rows(count: int) -> bytes:
    return body(*({**IRIS, "petal_length": 1 + number % 60 / 10} for number in range(count)))


def request(content: bytes, *headers: str, path: str = "iris/predict", content_type: str = "application/json") -> bytes:
    lines = [f"POST /models/{path} HTTP/1.1", "host: x", f"content-type: {content_type}", *headers]
    return "\r\n".join([*lines, f"content-length: {len(content)}", "", ""]).encode() + content


def answers(connection: socket.socket) -> list[tuple[bytes, Any]]:
    """Status and document of every answer until the server closes."""
    found = []
    rest = received(connection)
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found.append((head[9:12], json.loads(rest[:size])))
        rest = rest[size:]
    return found


LAST = "connection: close"


def test_a_large_body_is_answered_as_its_rows_are_alone(address: str, connection: socket.socket) -> None:
    content = rows(ROWS)
    assert len(content) > 2 * LARGE
    connection.sendall(request(content, LAST))
    ((status, document),) = answers(connection)
    few = httpx.post(f"{address}/models/iris/predict", content=rows(60)).json()["predictions"]
    assert status == b"200"
    assert len(document["predictions"]) == ROWS
    for number in (0, 59, ROWS - 1):
        expected = few[number % 60]
        assert document["predictions"][number]["label"] == expected["label"]
        assert document["predictions"][number]["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-12)


def test_large_and_small_requests_follow_each_other_in_any_order(connection: socket.socket) -> None:
    sizes = [1, ROWS, 1, ROWS, ROWS, 900, 1]
    for number, size in enumerate(sizes):
        connection.sendall(request(rows(size), *([LAST] if number == len(sizes) - 1 else [])))
    found = answers(connection)
    assert [status for status, _ in found] == [b"200"] * len(sizes)
    assert [len(document["predictions"]) for _, document in found] == sizes


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 1 << 18), max_size=6))
def test_it_does_not_matter_where_the_network_cuts(address: str, cuts: list[int]) -> None:
    sent = request(rows(ROWS)) + request(rows(1), LAST)
    edges = sorted({0, len(sent), *(cut % len(sent) for cut in cuts)})
    with socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1])), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in pairwise(edges):
            connection.sendall(sent[start:end])
        assert [len(document["predictions"]) for _, document in answers(connection)] == [ROWS, 1]


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        (request(rows(ROWS)[:-1] + b" "), b"400", "malformed_body"),
        (request(rows(ROWS).replace(b"petal_width", b"petal_widht")), b"422", "invalid_request"),
        (request(b" " * (LIMIT + 1)), b"413", "too_large"),
        (request(rows(ROWS), content_type="text/nonsense"), b"415", "unsupported_media_type"),
        (request(rows(ROWS), "content-encoding: gzip"), b"400", "malformed_body"),
        (request(rows(ROWS), path="iris/versions/9/predict"), b"404", "version_not_found"),
    ],
)
def test_a_large_body_is_refused_as_a_small_one_is_and_the_next_is_answered(
    connection: socket.socket, sent: bytes, status: bytes, error: str
) -> None:
    connection.sendall(sent + request(rows(1), LAST))
    (refused, document), (answered, _) = answers(connection)
    assert (refused, document["error"], answered) == (status, error, b"200")


def test_the_query_still_counts(connection: socket.socket) -> None:
    keyed = json.dumps({"instances": [{**IRIS, "id": number} for number in range(ROWS)], "key_field": "id"}).encode()
    connection.sendall(request(keyed, LAST, path="iris/predict/keyed?key_field=id"))
    ((status, document),) = answers(connection)
    assert status == b"200"
    assert [each["id"] for each in document["predictions"]] == list(range(ROWS))


def test_a_client_that_leaves_half_way_harms_nobody(address: str) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1]))) as connection:
            connection.sendall(request(rows(ROWS))[: 2 * LARGE])
    assert httpx.post(f"{address}/models/iris/predict", content=rows(1)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ([(b"content-length", b"%d" % (LARGE + 1))], LARGE + 1),
        ([(b"content-length", b"%d" % LARGE)], 0),
        ([(b"content-length", b"%d" % LIMIT)], LIMIT),
        ([(b"content-length", b"%d" % (LIMIT + 1))], 0),
        ([(b"content-length", b"%d" % LIMIT), (b"expect", b"100-continue")], 0),
        ([(b"transfer-encoding", b"chunked")], 0),
        ([], 0),
    ],
)
def test_bodies_that_leave_nothing_to_decide_are_taken(headers: list[tuple[bytes, bytes]], taken: int) -> None:
    assert length(headers, LIMIT) == taken
