"""Spans as a collector gets them, and nothing at all where none is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from app import load
from app.main import create_app
from app.protocols.native import Predictions
from app.record import Parent, Record
from app.settings import Settings
from app.tracing import ENDPOINTS, Tracing, tracing
from tests.conftest import MODELS
from tests.test_cli import serving
from tests.test_native import IRIS
from tests.test_record import PARENT, SPAN, TRACE


class Collector(ThreadingHTTPServer):
    """What OTLP over HTTP is sent to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.spans: list[Any] = []
        self.names: set[str] = set()


class Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        sent = ExportTraceServiceRequest.FromString(content)
        for resource in sent.resource_spans:
            self.server.names |= {one.value.string_value for one in resource.resource.attributes}
            self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_collector_gets_a_span_for_each_prediction_before_the_server_is_gone(collector: Collector) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    with serving(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_SERVICE_NAME="shop") as (process, address):
        url = f"{address}/models/iris/predict"
        assert httpx.post(url, json={"instances": [IRIS, IRIS]}, headers={"traceparent": PARENT}).status_code == 200
        assert httpx.post(url, json={"instances": []}).status_code == 422
        httpx.get(f"{address}/metrics")
        process.terminate()
        stderr = process.communicate(timeout=30)[1]
    assert "Traceback" not in stderr
    answered, refused = collector.spans
    said = {one.key: one.value for one in answered.attributes}
    assert (answered.name, answered.trace_id.hex(), answered.parent_span_id.hex()) == ("predict iris", TRACE, SPAN)
    assert (said["servefn.model"].string_value, said["servefn.version"].string_value) == ("iris", "1")
    assert (said["servefn.rows"].int_value, said["http.response.status_code"].int_value) == (2, 200)
    assert 0 < answered.end_time_unix_nano - answered.start_time_unix_nano < 20e9
    assert "invalid_request" in str(refused.attributes)
    assert "shop" in collector.names


def record(**known: Any) -> Record:
    found = Record(method="POST", path="/models/iris/predict", request_id="a", parent=None)
    for name, value in {"model": load(MODELS / "iris" / "1"), "status": 200, "seconds": 0.25, **known}.items():
        setattr(found, name, value)
    return found


@pytest.fixture
def spans() -> Iterator[tuple[Tracing, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    yield (traced := Tracing(exporter)), exporter
    traced.close()


def test_a_span_says_what_the_record_does(spans: tuple[Tracing, InMemorySpanExporter]) -> None:
    tracer, exporter = spans
    one = record(rows=3)
    for each in (one, record(status=500, error="prediction_failed"), record(model=None)):
        tracer.read(each)
    tracer.close()
    answered, failed = exporter.get_finished_spans()
    assert (answered.kind, answered.status.status_code) == (SpanKind.SERVER, StatusCode.UNSET)
    assert (answered.start_time, answered.end_time) == (one.began, one.began + 250_000_000)
    assert answered.attributes is not None
    assert dict(answered.attributes) == {
        "servefn.model": "iris",
        "servefn.version": "1",
        "servefn.rows": 3,
        "servefn.request_id": "a",
        "http.request.method": "POST",
        "http.response.status_code": 200,
    }
    assert one.trace_id == f"{answered.context.trace_id:032x}"
    assert failed.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(("flags", "sampled"), [("01", 1), ("00", 0)])
def test_the_caller_decides_whether_its_trace_is_sampled(
    spans: tuple[Tracing, InMemorySpanExporter], flags: str, sampled: int
) -> None:
    tracer, exporter = spans
    tracer.read(record(parent=Parent(TRACE, SPAN, flags, "vendor=1,\x00bad")))
    tracer.close()
    assert len(exporter.get_finished_spans()) == sampled


def test_without_an_endpoint_nothing_is_traced_and_the_direct_way_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert tracing() is None
    assert isinstance(create_app(Settings(models=MODELS)), Predictions)


def test_without_the_extra_the_log_says_which(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINTS[1], "http://127.0.0.1:1")
    monkeypatch.setattr("app.tracing.sdk", None)
    assert tracing() is None
    assert "pip install 'servefn[otel]'" in caplog.text
