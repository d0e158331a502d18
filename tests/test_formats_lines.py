"""NDJSON: each line is answered as it comes, a bad one too, in constant memory."""

from __future__ import annotations

import gzip
import http.client
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import extras
from tests.test_cli import serving
from tests.test_native import IRIS, chunks, narrow  # noqa: F401  # a fixture

LINES = {"content-type": "application/x-ndjson"}
URL, KEYED = "/models/iris/predict", "/models/iris/predict/keyed"


def lines(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def read(content: bytes) -> list[dict[str, Any]]:
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


@pytest.fixture(scope="module")
def expected(client: TestClient) -> dict[str, Any]:
    (answer,) = client.post(URL, json={"instances": [IRIS]}).json()["predictions"]
    return dict(answer)


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/jsonl", "application/jsonlines"])
def test_a_line_in_a_line_out(client: TestClient, expected: dict[str, Any], media_type: str) -> None:
    answer = client.post(URL, content=lines(IRIS, IRIS), headers={"content-type": media_type})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert (answer.headers["servefn-model"], answer.headers["servefn-version"]) == ("iris", "1")
    assert read(answer.content) == [expected, expected]


def test_where_the_parts_end_does_not_matter(client: TestClient, expected: dict[str, Any]) -> None:
    content = lines(*[IRIS] * 600)[:-1]  # the last line feed may be missing
    for part in (content, chunks(content), iter([content[:1], b"", content[1:]])):
        assert read(client.post(URL, content=part, headers=LINES).content) == [expected] * 600


def test_a_bad_line_yields_an_error_line_and_the_stream_goes_on(client: TestClient, expected: dict[str, Any]) -> None:
    bad = {**IRIS, "petal_width": None}
    content = lines(IRIS, b"{", b"", bad, b'{"a": 1} {"b": 2}', b"[]", b"\xff", IRIS)
    first, cut, null, two, array, latin, last = read(client.post(URL, content=content, headers=LINES).content)
    assert (first, last) == (expected, expected)
    assert [(line["line"], line["error"]) for line in (cut, null, two, array, latin)] == [
        (2, "malformed_body"),
        (4, "invalid_request"),
        (5, "malformed_body"),
        (6, "invalid_request"),
        (7, "malformed_body"),
    ]
    (fault,) = client.post(URL, json={"instances": [IRIS, IRIS, bad]}).json()["faults"]
    assert null["faults"] == [fault]


def test_keys_come_back_in_good_lines_and_bad_ones(client: TestClient, expected: dict[str, Any]) -> None:
    rows = [{"key": "a", **IRIS}, {"key": 2, **IRIS, "petal_width": -1}, IRIS, {"key": "a", **IRIS}]
    one, two, three, four = read(client.post(KEYED, content=lines(*rows), headers=LINES).content)
    assert one == four == {"key": "a", **expected}  # nobody looks for keys that are there twice
    assert (two["line"], two["key"], two["faults"][0]["code"]) == (2, 2, "out_of_range")
    assert (three["line"], three["faults"][0]["code"]) == (3, "missing_key")
    named = client.post(f"{KEYED}?key_field=id", content=lines({"id": 1, **IRIS}), headers=LINES)
    assert read(named.content) == [{"id": 1, **expected}]


def test_read_whole_for_another_format(client: TestClient, expected: dict[str, Any]) -> None:
    headers = {**LINES, "accept": "application/json"}
    assert client.post(URL, content=lines(IRIS, b"", IRIS), headers=headers).json()["predictions"] == [expected] * 2
    refused = client.post(URL, content=lines(IRIS, b"{"), headers=headers)
    assert (refused.status_code, "line 2" in refused.json()["detail"]) == (400, True)
    together = client.post(URL, content=lines(b",".join([json.dumps(IRIS).encode()] * 2)), headers=headers)
    assert together.status_code == 400


def test_written_for_another_format(client: TestClient, expected: dict[str, Any]) -> None:
    rows = [{"key": "a", **IRIS}, {"key": "b"}, {"key": "c", **IRIS}]
    answer = client.post(KEYED, json={"instances": rows}, headers={"accept": LINES["content-type"]})
    first, bad, last = read(answer.content)
    assert (first, last) == ({"key": "a", **expected}, {"key": "c", **expected})
    assert (bad["key"], bad["error"], len(bad["faults"])) == ("b", "invalid_request", 4)


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", extras.zstd.compress)])
def test_a_compressed_stream(client: TestClient, expected: dict[str, Any], coding: str, pack: Any) -> None:
    headers = {**LINES, "content-encoding": coding}
    packed = pack(lines(*[IRIS] * 2000))
    assert read(client.post(URL, content=chunks(packed), headers=headers).content) == [expected] * 2000
    cut = read(client.post(URL, content=packed[:-3], headers=headers).content)
    assert (cut[-1]["error"], cut[0]) == ("malformed_body", expected)
    assert client.post(URL, content=b"", headers={**LINES, "content-encoding": "br"}).status_code == 415


def test_the_rows_of_a_stream_are_not_limited_but_a_line_is(narrow: TestClient) -> None:  # noqa: F811
    assert len(read(narrow.post(URL, content=lines(*[IRIS] * 100), headers=LINES).content)) == 100
    for long in (b"x" * 3000, chunks(lines(IRIS, b" " * 3000, IRIS))):
        *good, last = read(narrow.post(URL, content=long, headers=LINES).content)
        assert (len(good), last["line"]) == ((1, 2) if good else (0, 1))
        assert (last["error"], "2000 bytes" in last["detail"]) == ("too_large", True)


def test_a_graph_that_fails_ends_the_stream_with_an_error_line(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.codec.Codec.tensors", lambda *_: {"numbers": None})
    (last,) = read(client.post(URL, content=lines(IRIS), headers=LINES).content)
    assert last["error"] == "prediction_failed"
    assert "failed to run" in caplog.text


def connection(address: str) -> http.client.HTTPConnection:
    """A client that has sent the head of a stream and nothing more."""
    client = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    client.putrequest("POST", URL)
    client.putheader("content-type", LINES["content-type"])
    client.putheader("transfer-encoding", "chunked")
    client.endheaders()
    return client


def send(client: http.client.HTTPConnection, content: bytes) -> None:
    client.send(b"%x\r\n%b\r\n" % (len(content), content))


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_answers_start_before_the_body_ends_and_memory_stays_flat() -> None:
    many = lines(*[IRIS] * 500)
    with serving("--max-body-bytes", "10000") as (process, address):
        client = connection(address)
        send(client, many)
        answer = client.getresponse()
        assert json.loads(answer.readline())["label"] == "setosa"
        for _ in range(499):
            answer.readline()
        memory = []
        for _ in range(400):
            send(client, many)
            assert all(answer.readline().startswith(b'{"label"') for _ in range(500))
            memory.append(resident(process.pid))
        client.send(b"0\r\n\r\n")
        assert answer.read() == b""
        client.close()
    assert memory[-1] - memory[20] < 4 * 2**20, memory[::40]


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    with serving() as (process, address):
        client = connection(address)
        send(client, lines(*[IRIS] * 500))
        before = resident(process.pid)
        client.sock.settimeout(2)
        with pytest.raises(TimeoutError):
            send_without_end(client)
        assert resident(process.pid) - before < 16 * 2**20
        client.close()


def send_without_end(client: http.client.HTTPConnection) -> None:
    while True:
        send(client, lines(*[IRIS] * 500))
