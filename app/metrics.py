"""What Prometheus sees. With several workers the numbers are those of all of them (PROMETHEUS_MULTIPROC_DIR).

Names and units follow https://prometheus.io/docs/practices/naming/. Labels come from the repository, the contracts and
the error table, never from a request, so that no client can add a series.
"""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.drift import Look, watched
from app.errors import ServingError
from app.predictor import Model
from app.repository import Catalogue
from app.shadow import Comparison
from app.signature import Feature
from app.traffic import Shadow

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds. A small model answers in the first."""

DIFFERENCES = (1e-9, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Relative to max(1, |the champion's|), and so absolute where the numbers are probabilities."""

ANSWERED = "answered"
"""The outcome of a request that is not an error's code."""

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

MODEL = ("model", "version")


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter, of no use here


class Series(NamedTuple):
    """What is counted for one version of a model."""

    answered: Counter
    rows: Counter
    seconds: Histogram


class FeatureSeries(NamedTuple):
    """What is shown of one feature."""

    psi: Gauge
    missing: Gauge
    unseen: Counter
    below: Counter
    above: Counter


class Metrics:
    """An observer of the service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._series: dict[Model, Series] = {}
        counter = partial(Counter, registry=self.registry)
        self._requests = counter(
            "servefn_requests", "Requests, by what became of them: answered, or an error's code.", [*MODEL, "outcome"]
        )
        self._rows = counter("servefn_rows", "Rows answered.", MODEL)
        self._seconds = Histogram(
            "servefn_request_duration_seconds",
            "Of an answered request, from its headers to its answer handed to the server.",
            MODEL,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._running = Gauge(
            "servefn_requests_in_flight",
            "Requests that wait for a run or are in one.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._served = _Served(self.registry)
        self._features = _Features(self.registry)
        self._shadows = _Shadows(self.registry)
        if MULTIPROCESS not in os.environ:
            ProcessCollector(registry=self.registry)

    def answered(self, model: Model, rows: int, seconds: float) -> None:
        series = self._series.get(model) or self._find(model)
        series.answered.inc()
        series.rows.inc(rows)
        series.seconds.observe(seconds)

    def refused(self, model: Model | None, error: ServingError) -> None:
        name, version = (model.name, model.version) if model else ("", "")
        self._requests.labels(name, version, error.code).inc()

    def serving(self, catalogue: Catalogue) -> None:
        """Say what is served now; counters of models and shadows start at zero rather than with the first request."""
        self._features.forget()
        self._served.forget()
        self._served.show(catalogue)
        self._series = {model: self._find(model) for model in catalogue}
        for plan in catalogue.plans.values():
            for shadow in plan.shadows:
                self._shadows.begin(shadow)

    def running(self, requests: int) -> None:
        """Say how many requests wait for a run or are in one."""
        self._running.set(requests)

    def drifted(self, model: Model, look: Look) -> None:
        """Show what was found of a model's features."""
        self._features.show(model, look)

    def compared(self, shadow: Shadow, found: Comparison) -> None:
        """Count rows that a shadow answered."""
        self._shadows.compared(shadow, found)

    def unanswered(self, shadow: Shadow, rows: int, *, failed: bool) -> None:
        """Count rows that a shadow did not answer."""
        self._shadows.unanswered(shadow, rows, failed=failed)

    def _find(self, model: Model) -> Series:
        """The series of a model, which is kept while it is served: finding them costs more than counting."""
        names = _names(model)
        answered = self._requests.labels(*names, ANSWERED)
        return Series(answered, self._rows.labels(*names), self._seconds.labels(*names))

    def text(self) -> bytes:
        """The exposition, as text/plain version 0.0.4."""
        if MULTIPROCESS in os.environ:
            _bury(Path(os.environ[MULTIPROCESS]))
            everyone = CollectorRegistry()
            MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]  # the library leaves it bare
            return generate_latest(everyone)
        return generate_latest(self.registry)


class _Served:
    """Which models there are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._shown: list[Gauge] = []
        """The children of `servefn_model_info` that are 1."""
        gauge = partial(Gauge, registry=registry, multiprocess_mode="livemax")
        self._info = gauge("servefn_model_info", "1 for each model that is served.", [*MODEL, "kind", "digest"])
        self._models = gauge("servefn_models", "Bundles that are served, and that were found and rejected.", ["state"])
        self._seconds = gauge(
            "servefn_model_load_duration_seconds", "From the first byte of a bundle read to its rows replayed.", MODEL
        )

    def show(self, catalogue: Catalogue) -> None:
        models = list(catalogue)
        self._shown = [self._info.labels(*_names(one), one.signature.kind, one.digest) for one in models]
        for shown, model in zip(self._shown, models, strict=True):
            shown.set(1)
            self._seconds.labels(*_names(model)).set(model.load_seconds)
        self._models.labels("served").set(len(models))
        self._models.labels("rejected").set(len(catalogue.rejected))

    def forget(self) -> None:
        """Show no model. What processes share cannot be taken back, but it can be 0."""
        for shown in self._shown:
            shown.set(0)
        if MULTIPROCESS not in os.environ:
            self._info.clear()
            self._seconds.clear()


class _Features:
    """What is shown of the features of each model; of several workers, what the one that looked last knows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._series: dict[Model, list[FeatureSeries]] = {}
        feature = (*MODEL, "feature")
        gauge = partial(Gauge, registry=registry, multiprocess_mode="livemostrecent")
        counter = partial(Counter, registry=registry)
        self._psi = gauge("servefn_feature_psi", "Population Stability Index against the training rows.", feature)
        self._missing = gauge("servefn_feature_missing_ratio", "Rows without a value, of those sampled.", feature)
        self._trained = gauge("servefn_feature_training_missing_ratio", "Training rows without a value.", feature)
        self._unseen = counter("servefn_feature_unseen", "Categories sampled that training had not.", feature)
        self._outside = counter(
            "servefn_feature_out_of_range", "Values sampled outside of the training range.", [*feature, "side"]
        )
        self._rows = counter("servefn_drift_rows", "Rows sampled for drift, and dropped.", [*MODEL, "outcome"])

    def show(self, model: Model, look: Look) -> None:
        names = _names(model)
        self._rows.labels(*names, "sampled").inc(look.rows)
        self._rows.labels(*names, "dropped").inc(look.dropped)
        found = zip(look.psi, look.missing, look.unseen, look.below, look.above, strict=True)
        for series, (psi, missing, *counts) in zip(self._of(model), found, strict=False):
            series.psi.set(psi)
            series.missing.set(missing)
            for counter, count in zip(series[2:], counts, strict=True):
                if count:
                    counter.inc(int(count))

    def forget(self) -> None:
        """Know nothing of any feature. What processes share cannot be taken back, but it can be no number."""
        for series in (one for each in self._series.values() for one in each):
            series.psi.set(math.nan)
            series.missing.set(math.nan)
        self._series.clear()
        if MULTIPROCESS not in os.environ:
            for gauge in (self._psi, self._missing, self._trained):
                gauge.clear()

    def _of(self, model: Model) -> list[FeatureSeries]:
        if model not in self._series:
            self._series[model] = [self._begin(*_names(model), feature) for feature in watched(model.signature)]
        return self._series[model]

    def _begin(self, name: str, version: str, feature: Feature) -> FeatureSeries:
        names = name, version, feature.name
        self._trained.labels(*names).set(feature.training.missing)
        return FeatureSeries(
            self._psi.labels(*names),
            self._missing.labels(*names),
            self._unseen.labels(*names),
            self._outside.labels(*names, "below"),
            self._outside.labels(*names, "above"),
        )


class _Shadows:
    """What is counted of versions that are tried in the shadow of their champion, by its version and theirs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = (*MODEL, "challenger")
        counter = partial(Counter, labelnames=labels, registry=registry)
        self._rows = counter("servefn_shadow_rows", "Rows answered in the shadow, and compared.")
        self._flips = counter("servefn_shadow_flips", "Of these, rows whose label is not the champion's.")
        self._dropped = counter("servefn_shadow_dropped", "Rows that were to be, but other work came first.")
        self._failed = counter("servefn_shadow_failed", "Rows on which the challenger failed.")
        self._difference = Histogram(
            "servefn_shadow_difference",
            "Of a row, the largest difference of any number, relative to max(1, |the champion's|).",
            labels,
            buckets=DIFFERENCES,
            registry=registry,
        )

    def begin(self, shadow: Shadow) -> None:
        """Count from zero, so that the first row shows as a rise."""
        names = *_names(shadow.champion), shadow.challenger.version
        for series in (self._rows, self._flips, self._dropped, self._failed, self._difference):
            series.labels(*names)

    def compared(self, shadow: Shadow, found: Comparison) -> None:
        names = *_names(shadow.champion), shadow.challenger.version
        self._rows.labels(*names).inc(found.rows)
        self._flips.labels(*names).inc(found.flips)
        difference = self._difference.labels(*names)
        for apart in found.apart.tolist():
            difference.observe(apart)

    def unanswered(self, shadow: Shadow, rows: int, *, failed: bool) -> None:
        counter = self._failed if failed else self._dropped
        counter.labels(*_names(shadow.champion), shadow.challenger.version).inc(rows)


def _names(model: Model) -> tuple[str, str]:
    return model.name, model.version


def _bury(shared: Path) -> None:
    """Take the gauges of workers that have died out of the sum. What they counted stays counted."""
    for worker in {int(file.stem.rpartition("_")[2]) for file in shared.glob("gauge_live*.db")}:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            mark_process_dead(worker)  # type: ignore[no-untyped-call]
