"""What a request leaves behind: its line in the log, and its id in the answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from app.main import create_app
from app.protocols.native import Predictions
from app.record import Parent, Recording, _parent
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_native import IRIS
from tests.waiting import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(scope="module")
def recorded() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(models=MODELS, access_log=True))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append({"message": record.getMessage(), **vars(record)["fields"]})


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[dict[str, Any]]]:
    """The fields of each line of the access log, as they come."""
    handler = Kept()
    log = logging.getLogger("servefn.access")
    log.addHandler(handler)
    with caplog.at_level("INFO", "servefn.access"):
        yield handler.lines
    log.removeHandler(handler)


CSV = "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n"


@pytest.mark.parametrize(
    ("path", "content", "kind", "expected"),
    [
        ("models/iris/predict", json.dumps({"instances": [IRIS, IRIS]}), "application/json", {"rows": 2}),
        ("models/iris/predict", CSV, "text/csv", {"rows": 1}),
        ("models/iris/predict", f"{json.dumps(IRIS)}\n" * 3, "application/x-ndjson", {"rows": 3}),
        ("models/iris/predict", "{}", "application/json", {"status": 422, "error": "invalid_request"}),
        ("models/iris/versions/1/predict", "[", "application/json", {"status": 400, "error": "malformed_body"}),
        ("models/none/predict", "{}", "application/json", {"status": 404, "error": "model_not_found"}),
        ("nothing", "{}", "application/json", {"status": 404}),
    ],
)
def test_a_line_says_what_became_of_a_request(
    recorded: TestClient, lines: list[dict[str, Any]], path: str, content: str, kind: str, expected: dict[str, Any]
) -> None:
    answer = recorded.post(f"/{path}?secret=1", content=content, headers={"content-type": kind, "x-request-id": "a-1"})
    (line,) = lines
    known = {"model": "iris", "version": "1"} if "iris" in path else {}
    assert line.pop("milliseconds") >= 0
    assert line == {"message": f"POST /{path}", "request_id": "a-1", "status": 200, **known, **expected}
    assert answer.headers.get_list("x-request-id") == ["a-1"]
    assert answer.status_code == line["status"]


@pytest.mark.parametrize("given", [None, "a b", "é", "x" * 129, ""])
def test_an_id_is_made_where_none_is_fit_to_be_kept(recorded: TestClient, given: str | None) -> None:
    headers = {} if given is None else {b"x-request-id": given.encode()}
    ids = [recorded.get("/health/live", headers=headers).headers["x-request-id"] for _ in range(2)]
    assert all(len(one) == 32 for one in ids)
    assert ids[0] != ids[1]


def test_the_trace_of_the_caller_is_in_the_line(recorded: TestClient, lines: list[dict[str, Any]]) -> None:
    recorded.get("/health/live", headers={"traceparent": PARENT})
    assert lines[0]["trace_id"] == TRACE


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ([PARENT], "01"),
        ([f"01-{TRACE}-{SPAN}-00-more"], "00"),
        ([f"{PARENT}-more"], None),
        ([PARENT, PARENT], None),
        ([PARENT.upper()], None),
        ([f"ff-{TRACE}-{SPAN}-01"], None),
        ([f"00-{'0' * 32}-{SPAN}-01"], None),
        ([f"00-{TRACE}-{'0' * 16}-01"], None),
        ([f"00-{TRACE}-{SPAN}"], None),
        ([f" {PARENT}\n"], None),
        ([], None),
    ],
)
def test_a_traceparent_keeps_the_rules_or_is_not_heard(given: list[str], flags: str | None) -> None:
    headers = [*((b"traceparent", one.encode()) for one in given), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    assert _parent(headers) == (flags and Parent(TRACE, SPAN, flags, "a=1,b=2"))


async def leave(app: Recording) -> None:
    """A request whose client goes before its body is complete."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"9")]
    path = {"path": "/models/iris/predict", "raw_path": b"/models/iris/predict", "query_string": b""}

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await app({"type": "http", "method": "POST", "headers": headers, **path}, receive, send)


def test_a_client_that_left_has_a_line_too(recorded: TestClient, lines: list[dict[str, Any]]) -> None:
    assert isinstance(recorded.app, Recording)
    asyncio.run(leave(recorded.app))
    assert [line["status"] for line in lines] == [499]


def test_nobody_pays_for_what_nobody_reads() -> None:
    assert isinstance(create_app(Settings(models=MODELS)), Predictions)
    assert isinstance(create_app(Settings(models=MODELS, access_log=True)), Recording)
