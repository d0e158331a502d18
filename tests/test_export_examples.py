"""The committed bundles load and are what the examples export today; the flights are what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import load
from app.parity import compare
from export.examples import flights, iris

MODELS = Path(__file__).parents[1] / "models"


@pytest.mark.parametrize("example", [iris, flights])
def test_the_examples_export_what_is_committed(example: Any, tmp_path: Path) -> None:
    report = example.publish(tmp_path)
    assert report.path == tmp_path / report.name / "1"
    again, committed = load(report.path), load(MODELS / report.name / "1")
    assert again.signature == committed.signature
    rows = (flights.future() if example is flights else iris.data())[0]
    rows = rows[list(example.FEATURES)].head(5000)
    served, model = committed.predict(rows), example.train()
    trained = {"label": model.predict(rows), "probabilities": model.predict_proba(rows)}
    assert not compare(again.predict(rows), served, 1e-9).rows
    assert not compare(trained, served, 1e-9).rows


def test_the_committed_bundles_are_small_and_exact() -> None:
    files = [file for file in MODELS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 1_000_000
    for path in ("iris/1", "flights/1"):
        certificate = load(MODELS / path).manifest.certificate
        assert (certificate.flips, certificate.worst < 1e-12) == (0, True)


def test_a_flight_id_is_unique_over_the_year() -> None:
    year = flights.flights()
    assert len(year) == 336_776
    assert year[flights.KEY].is_unique
    short = year[flights.KEY].str.replace(r"-[A-Z]{3}-", "-", regex=True)
    assert short.duplicated().sum() == 24, "without the origin it is not"
    assert "UA1545-EWR-20130101" in set(year[flights.KEY])


def test_past_and_future_are_parted() -> None:
    year = flights.flights().set_index(flights.KEY)
    (past, was_late), (future, will_be_late) = flights.past(), flights.future()
    assert year.loc[past[flights.KEY], "month"].max() == 6
    assert year.loc[future[flights.KEY], "month"].min() == 7
    assert len(past) + len(future) == year["arr_delay"].notna().sum()
    delay = year.loc[future[flights.KEY], "arr_delay"].to_numpy()
    assert ((will_be_late == "late").to_numpy() == (delay >= 15)).all()
    assert 0.15 < (was_late == "late").mean() < 0.35


def test_nothing_known_only_after_departure_is_a_feature() -> None:
    features = {feature.name for feature in load(MODELS / "flights/1").signature.features}
    assert features == {"carrier", "origin", "dest", "hour", "weekday", "distance", *flights.WEATHER}


def test_the_flights_model_is_worth_having() -> None:
    rows, late = flights.future()
    answers = load(MODELS / "flights/1").predict(rows[list(flights.FEATURES)].head(4000))
    chance = answers["probabilities"][:, 0]
    truth = (late.head(4000) == "late").to_numpy()
    order = np.argsort(chance)
    assert truth[order[-400:]].mean() > 2 * truth[order[:2000]].mean()
