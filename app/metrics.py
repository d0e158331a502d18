"""What Prometheus sees. With several workers the numbers are those of all of them (PROMETHEUS_MULTIPROC_DIR)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.errors import ServingError
from app.predictor import Model

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds. A small model answers in the first."""

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter, of no use here


class Series(NamedTuple):
    """What is counted for one version of a model."""

    requests: Counter
    rows: Counter
    seconds: Histogram


class Metrics:
    """An observer of the service. Labels come from the repository and the error table, never from a request."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._series: dict[Model, Series] = {}
        model = ["model", "version"]
        self._requests = Counter("servefn_requests", "Requests answered.", model, registry=self.registry)
        self._rows = Counter("servefn_rows", "Rows answered.", model, registry=self.registry)
        self._seconds = Histogram(
            "servefn_request_duration_seconds",
            "From the request's headers to its answer handed to the server.",
            model,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._errors = Counter(
            "servefn_errors", "Requests refused or failed.", [*model, "error"], registry=self.registry
        )
        self._info = Gauge(
            "servefn_model_info",
            "1 for each model that is served.",
            [*model, "kind", "digest"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )

    def answered(self, model: Model, rows: int, seconds: float) -> None:
        series = self._series.get(model) or self._begin(model)
        series.requests.inc()
        series.rows.inc(rows)
        series.seconds.observe(seconds)

    def refused(self, model: Model | None, error: ServingError) -> None:
        name, version = (model.name, model.version) if model else ("", "")
        self._errors.labels(name, version, error.code).inc()

    def serving(self, models: Sequence[Model]) -> None:
        """Say which models are served now; the counters of each start at zero rather than with its first request."""
        self._info.clear()
        self._series.clear()
        for model in models:
            self._info.labels(model.name, model.version, model.signature.kind, model.digest).set(1)
            self._begin(model)

    def _begin(self, model: Model) -> Series:
        """The series of a model, found once: finding them costs more than counting."""
        labels = model.name, model.version
        series = Series(self._requests.labels(*labels), self._rows.labels(*labels), self._seconds.labels(*labels))
        self._series[model] = series
        return series

    def text(self) -> bytes:
        """The exposition, as text/plain version 0.0.4."""
        if MULTIPROCESS in os.environ:
            everyone = CollectorRegistry()
            MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]  # the library leaves it bare
            return generate_latest(everyone)
        return generate_latest(self.registry)
