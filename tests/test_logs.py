"""The log is written by us alone: whatever bytes come, a line is a line, and no payload is in it."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from typing import Any

import pytest

from app.errors import PredictionFailed
from app.logs import Format, Json, Text, about, printable
from tests.test_cli import serving
from tests.test_native import IRIS
from tests.test_server import BODY, length, talk

CONTROLS = "\n\r\t\x00\x1b[2K\x7f\x85\u2028\u2029\u202e\u2066\u200b\ufeff\ud800"
FORGED = f"x{CONTROLS}2026-01-01 00:00:00,000 INFO servefn: all is well"
SAFE = re.compile(r"[\x20-\x7e]*")


def written(formatter: logging.Formatter, message: str, *arguments: object, **more: Any) -> str:
    record = logging.makeLogRecord({"name": "servefn", "levelname": "INFO", "msg": message, "args": arguments, **more})
    return formatter.format(record)


def test_no_message_field_or_failure_makes_a_line_of_text() -> None:
    try:
        raise PredictionFailed(FORGED)
    except PredictionFailed as failure:
        said = {"exc_info": (type(failure), failure, failure.__traceback__), "fields": {"path": FORGED}}
    first, *others = written(Text(), "%s", FORGED, **said).split("\n")
    assert SAFE.fullmatch(first)
    assert first.count("all is well") == 2
    assert all(line.startswith("    ") and SAFE.fullmatch(line) for line in others)
    assert "PredictionFailed" in others[-1] or "all is well" in others[-1]


def test_a_line_of_json_is_ascii_and_says_what_was_meant() -> None:
    line = written(Json(), "%s", FORGED, fields={"path": FORGED, "rows": 2})
    assert SAFE.fullmatch(line)
    document = json.loads(line)
    assert (document["message"], document["path"], document["rows"]) == (FORGED, FORGED, 2)


def test_plain_words_of_any_language_stay_readable() -> None:
    assert printable("café 東京 naïve \\n") == "café 東京 naïve \\n"
    assert printable("a\u202eb\nc") == r"a\u202eb\nc"


@pytest.mark.parametrize("formatter", [Text(), Json()])
def test_every_line_says_which_request_it_belongs_to(formatter: logging.Formatter) -> None:
    token = about.set({"request_id": "abc"})
    try:
        assert re.search(r'request_id"?[=:] ?"?abc', written(formatter, "failed"))
    finally:
        about.reset(token)


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_logger_of_a_process_writes_so(form: Format) -> None:
    code = (
        "import logging, logging.config; from app.logs import configuration;"
        f"logging.config.dictConfig(configuration({form!r}, 'info'));"
        "logging.getLogger('uvicorn.error').info('a\\nb'); logging.getLogger('x').debug('hidden')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    (line,) = result.stderr.splitlines()
    assert r"a\nb" in line
    assert line.startswith("{") is (form == "json")


def hostile() -> list[bytes]:
    """Requests that would forge a line, with secrets where payloads are."""
    body = json.dumps({"instances": [{**IRIS, "petal_width": "s3cret"}]}).encode()
    post = b"POST /models/iris/predict?api=s3cret HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    close = b"connection: close\r\n"
    ids = [b"a b", "\u202e\u2028".encode(), b"a\x1b[31mb", b"a\tb", b"x" * 129, b'a","level":"error', b"\xff\xfe", b""]
    requests = [post + close + b"x-request-id: " + one + b"\r\n" + length(body) + body for one in ids]
    names = [
        b"%0aINFO%20forged",
        b"%0d%0a%1b[2K",
        "\u202e".encode(),
        b"a%22,%22status%22:200",
        b"%e2%80%ae",
        b"\xff\x80",
    ]
    for name in names:
        path = b"POST /models/" + name + b"/predict HTTP/1.1\r\nhost: x\r\n"
        requests.append(path + close + b"traceparent: 00-\n\r\n" + length(BODY) + BODY)
        requests.append(b"GET /" + name + b" HTTP/1.1\r\nhost: x\r\n" + close + b"\r\n")
    return requests


def test_hostile_bytes_over_the_wire_forge_nothing_and_payloads_stay_out() -> None:
    with serving("--log-format", "json", "--access-log", "true") as (process, address):
        port = int(address.rsplit(":", 1)[1])
        answers = [talk(port, request) for request in hostile()]
        process.terminate()
        stderr = process.communicate(timeout=30)[1]
    lines = [json.loads(line) for line in stderr.splitlines()]
    assert SAFE.fullmatch(stderr.replace("\n", " "))
    assert "s3cret" not in stderr
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    recorded = [line for line in lines if line["logger"] == "servefn.access"]
    assert {line["level"] for line in recorded} == {"info"}
    ids = {line["request_id"] for line in recorded}
    told = {found[1].decode() for answer in answers if (found := re.search(rb"x-request-id: (.*)\r\n", answer))}
    assert len(told) > 10
    assert told <= ids
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)
    refused = [line for line in recorded if line.get("error") == "invalid_request"]
    assert {(line["model"], line["version"], line["status"]) for line in refused} == {("iris", "1", 422)}


def test_a_line_of_text_begins_with_its_time() -> None:
    with serving("--access-log", "true") as (process, address):
        for request in hostile():
            talk(int(address.rsplit(":", 1)[1]), request)
        process.terminate()
        stderr = process.communicate(timeout=30)[1]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [a-z.]+: ", line) for line in stderr.splitlines())
    assert all(SAFE.fullmatch(line) for line in stderr.splitlines())
    assert "s3cret" not in stderr


def test_workers_log_as_their_supervisor_does() -> None:
    with serving("--workers", "2", "--log-format", "json") as (process, _):
        process.terminate()
        stderr = process.communicate(timeout=30)[1]
    lines = [json.loads(line)["message"] for line in stderr.splitlines()]
    assert any("loaded and replayed: iris version 1" in line for line in lines)
