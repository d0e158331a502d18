"""A span for each prediction, sent by OpenTelemetry's own exporter, in the background and some at a time.

It is there if the extra `otel` is installed and the usual variables say where spans go: OTEL_EXPORTER_OTLP_ENDPOINT or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. The other OTEL_* variables (service name, sampler, headers, batches) are obeyed too.
A span continues the caller's trace, and keeps the caller's choice whether it is sampled.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from app.extras import export, otlp, sdk, trace
from app.predictor import Model
from app.record import Parent, Record

log = logging.getLogger("servefn")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Tracing:
    """Makes spans of records. `exporter` is where they go, by default what the environment says."""

    def __init__(self, exporter: Any = None) -> None:
        self._provider = sdk.TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter or otlp.OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("servefn")

    def read(self, record: Record) -> None:
        """Make the span of a prediction. The record is in its trace from then on."""
        if not (model := record.model):
            return
        span = self._tracer.start_span(
            f"predict {model.name}",
            context=record.parent and _context(record.parent),
            kind=trace.SpanKind.SERVER,
            attributes=_attributes(record, model),
            start_time=record.began,
        )
        if record.status >= 500:
            span.set_status(trace.StatusCode.ERROR)
        span.end(record.began + round(1e9 * record.seconds))
        record.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def close(self) -> None:
        """Send what has not been sent. Not for an event loop."""
        self._provider.shutdown()


def tracing() -> Tracing | None:
    """What the environment asks for, if anything."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    if not (sdk and otlp):
        log.warning("no traces: OpenTelemetry needs the extra otel: pip install 'servefn[otel]'")
        return None
    return Tracing()


def _context(parent: Parent) -> Any:
    """The caller's span as the parent of ours."""
    found = trace.SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(parent.flags, 16)),
        trace_state=trace.TraceState.from_header([parent.state]),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(found))


def _attributes(record: Record, model: Model) -> dict[str, str | int]:
    """OpenTelemetry's names where it has one. No payload, and no path: a span's is the model's."""
    said = {
        "servefn.model": model.name,
        "servefn.version": model.version,
        "servefn.rows": record.rows,
        "servefn.request_id": record.request_id,
        "http.request.method": record.method,
        "http.response.status_code": record.status,
        "error.type": record.error,
    }
    return {name: value for name, value in said.items() if value is not None}
