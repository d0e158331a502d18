"""Drift against what is known of it: the formula by hand, its sampling error, and rows unlike those of training."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app import load
from app.drift import CELLS, ENOUGH, FEATURES, WINDOW, Drift, Look, Watch
from app.main import create_app
from app.metrics import Metrics
from app.repository import Catalogue
from app.settings import Settings
from app.signature import MISSING, NUMBERS, STRINGS, Datatype, Feature, Kind, Output, Signature, Training
from export.examples import iris
from tests.conftest import MODELS
from tests.test_metrics import samples
from tests.test_native import IRIS
from tests.waiting import until

RANDOM = np.random.default_rng(5)


def signature(*features: Feature) -> Signature:
    return Signature(Kind.REGRESSOR, features, (Output(name="value", datatype=Datatype.FP64),))


def number(values: Any, name: str = "x", **given: Any) -> Feature:
    """A feature as the exporter describes it, from its training values."""
    values = np.asarray(values, float)
    quantiles = tuple(np.quantile(values, np.linspace(0, 1, 11)).tolist())
    edges = Training(quantiles=quantiles).edges
    shares = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) / len(values)
    training = Training(
        minimum=values.min(), maximum=values.max(), quantiles=quantiles, shares=tuple(shares.tolist()), **given
    )
    return Feature(name=name, datatype=Datatype.FP64, nullable=True, training=training)


def text(shares: dict[str, float], name: str = "t") -> Feature:
    training = Training(shares=tuple(shares.values()))
    return Feature(name=name, datatype=Datatype.BYTES, categories=tuple(shares), training=training)


def seen(watch: Watch, tensors: dict[str, Any], parts: int = 1) -> Look:
    """The last look at rows that are handed over in so many parts."""
    found: list[Look | None] = []
    for part in range(parts):
        watch({name: tensor[part::parts] for name, tensor in tensors.items()})
        found.append(watch.look())
    assert found[-1]
    return found[-1]


def columns(*given: Any) -> dict[str, Any]:
    return {NUMBERS: np.column_stack(given).astype(float)}


def test_the_index_is_the_formula() -> None:
    watch = Watch(signature(number(np.arange(1000))))
    came = np.concatenate([RANDOM.uniform(0, 99, 500), RANDOM.uniform(900, 998, 500)])
    p, q = np.array([0.5, *[1e-4] * 8, 0.5]), np.full(10, 0.1)
    expected = ((p - q) * np.log(p / q)).sum()
    assert seen(watch, columns(came)).psi == pytest.approx([expected])


def test_rows_like_those_of_training_have_the_index_of_chance_alone() -> None:
    training = RANDOM.normal(size=100_000)
    indices = []
    for _ in range(40):
        watch = Watch(signature(number(training)))
        indices.append(seen(watch, columns(RANDOM.normal(size=1000))).psi[0])
    assert np.mean(indices) == pytest.approx(9 / 1000, rel=0.3)
    assert max(indices) < 0.05
    assert seen(Watch(signature(number(training))), columns(RANDOM.normal(1, 1, size=1000)), 4).psi[0] > 0.25


@pytest.mark.parametrize(
    "training",
    [
        RANDOM.integers(1, 8, 10_000),
        np.where(RANDOM.random(10_000) < 0.55, 0, RANDOM.random(10_000)),
        np.where(RANDOM.random(10_000) < 0.97, 3, RANDOM.random(10_000)),
        np.full(10_000, 7.0),
        RANDOM.choice([0, 1e300, -1e300], 10_000),
    ],
    ids=["weekdays", "half zeros", "nearly constant", "constant", "huge"],
)
def test_values_that_fill_several_deciles_are_no_drift(training: Any) -> None:
    watch = Watch(signature(number(training)))
    assert seen(watch, columns(RANDOM.choice(training, 4000))).psi[0] < 0.02
    moved = Watch(signature(number(training)))
    assert seen(moved, columns(np.full(4000, 1e301))).psi[0] > 1


def test_a_contract_without_shares_has_no_index_but_all_the_rest() -> None:
    old = Feature(name="x", datatype=Datatype.FP64, training=Training(minimum=0, maximum=1, quantiles=(0.5,) * 11))
    look = seen(Watch(signature(old)), columns(np.concatenate([np.full(600, 2.0), [-1, np.nan, 0, 1]])))
    assert np.isnan(look.psi).all()
    assert (look.below.tolist(), look.above.tolist()) == ([1], [600])
    assert look.missing == pytest.approx([1 / 604])


def test_categories_unseen_ones_and_missing_ones_are_told_apart() -> None:
    watch = Watch(signature(number([0, 1]), text({"a": 0.6, "b": 0.4}), text({}, "free")))
    values = np.array([["a", "x"]] * 500 + [["b", MISSING]] * 300 + [["new", "z"]] * 200, dtype=object)
    look = seen(watch, {NUMBERS: np.zeros((1000, 1)), STRINGS: values})
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.4, 1e-4])
    assert look.psi[1] == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert np.isnan(look.psi[2])
    assert look.unseen.tolist() == [0, 200, 0]
    assert look.missing == pytest.approx([0, 0, 0.3])


def test_rare_categories_share_a_bin() -> None:
    shares = {"often": 0.5, **{f"rare{number}": 0.5 / 99 for number in range(99)}}
    names = np.array(list(shares), dtype=object)
    values = RANDOM.choice(names, (3000, 1), p=list(shares.values()))
    look = seen(Watch(signature(text(shares))), {STRINGS: values})
    assert look.psi[0] < 0.02
    assert look.unseen.tolist() == [0]


def test_booleans_have_two_bins() -> None:
    feature = Feature(name="x", datatype=Datatype.BOOL, training=Training(shares=(0.25, 0.75)))
    look = seen(Watch(signature(feature)), columns(np.repeat([0, 1], [300, 700])))
    p, q = np.array([0.3, 0.7]), np.array([0.25, 0.75])
    assert look.psi == pytest.approx([((p - q) * np.log(p / q)).sum()])


def test_little_says_nothing_and_the_window_forgets() -> None:
    training = np.arange(1000)
    watch = Watch(signature(number(training)))
    assert np.isnan(seen(watch, columns(RANDOM.choice(training, ENOUGH - 1))).psi).all()
    assert np.isnan(watch._missing()).all()
    assert seen(watch, columns(RANDOM.choice(training, 100))).psi[0] < 0.1
    assert seen(watch, columns(np.full(2 * WINDOW, np.nan)), 10).missing[0] > 0.9
    assert seen(watch, columns(RANDOM.choice(training, 3 * WINDOW)), 15).missing[0] == 0
    assert seen(watch, columns(RANDOM.choice(training, 1000))).psi[0] < 0.02


def test_what_is_too_much_is_sampled_evenly_and_counted() -> None:
    watch = Watch(signature(number(np.arange(CELLS * 10))))
    look = seen(watch, columns(np.arange(CELLS * 10)))
    assert (look.rows, look.dropped) == (CELLS, CELLS * 9)
    assert look.psi[0] < 1e-3
    for _ in range(5):
        watch(columns(np.zeros(CELLS // 2)))
    again = watch.look()
    assert again
    assert (again.rows, again.dropped) == (CELLS, CELLS // 2 * 3)
    assert watch.look() is None


def test_memory_does_not_grow_with_what_comes() -> None:
    watch = Watch(signature(number([0, 1])))
    large = columns(np.zeros(CELLS * 100))
    for _ in range(1000):
        watch(large)
    assert sum(one[NUMBERS].nbytes for one in watch._waiting) <= 8 * CELLS
    assert all(one[NUMBERS].base is None for one in watch._waiting), "none holds on to a large request"


def test_a_wide_model_is_watched_in_part() -> None:
    wide = signature(*(number([0, 1], f"x{place}") for place in range(300)), text({"a": 1.0}))
    look = seen(Watch(wide), {NUMBERS: np.zeros((10, 300)), STRINGS: np.array([["a"]] * 10, dtype=object)})
    assert len(look.psi) == len(look.unseen) == FEATURES


def test_many_threads_may_hand_over_at_once() -> None:
    watch = Watch(signature(number([0, 1])))

    def run() -> None:
        for _ in range(100):
            watch(columns(np.zeros(1)))

    threads = [Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    look = watch.look()
    assert look
    assert look.rows == 800


@pytest.mark.parametrize(
    "training",
    [
        {"quantiles": (1.0, 0.0), "shares": (0.5,)},
        {"quantiles": (0.0,) * 40, "shares": (0.5, 0.5)},
        {"quantiles": tuple(map(float, range(40))), "shares": (0.025,) * 39},
        {"quantiles": (), "shares": (1.0,)},
        {"quantiles": (), "shares": (0.1,) * 20},
    ],
)
def test_a_strange_contract_stops_nothing(training: dict[str, Any]) -> None:
    features = (
        Feature(name="x", datatype=Datatype.FP64, training=Training(**training)),
        Feature(name="t", datatype=Datatype.BYTES, categories=("a",), training=Training(**training)),
    )
    tensors = {NUMBERS: np.zeros((600, 1)), STRINGS: np.full((600, 1), "b", dtype=object)}
    assert len(seen(Watch(signature(*features)), tensors).psi) == 2


def test_the_service_shows_what_moves_and_nothing_else() -> None:
    with TestClient(create_app(Settings(models=MODELS))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        rows = [{**row, "petal_width": 20.0} for row in iris.data()[0].to_dict("records")] * 5
        for start in range(0, len(rows), 50):
            client.post("/models/iris/predict", json={"instances": rows[start : start + 50]})
        until(lambda: samples(client).get(("servefn_feature_psi", "petal_width", "iris", "1"), 0) > 1)
        found = samples(client)
    assert 0 <= found["servefn_feature_psi", "petal_length", "iris", "1"] < 0.01
    counted = found["servefn_drift_rows_total", "iris", "sampled", "1"]
    assert found["servefn_feature_out_of_range_total", "petal_width", "iris", "above", "1"] == counted
    assert found["servefn_feature_out_of_range_total", "petal_length", "iris", "above", "1"] == 0
    assert counted + found["servefn_drift_rows_total", "iris", "dropped", "1"] == len(rows)


@pytest.mark.parametrize("drift", [True, False])
def test_it_can_be_switched_off(drift: bool) -> None:
    with TestClient(create_app(Settings(models=MODELS, drift=drift))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        client.post("/models/iris/predict", json={"instances": [IRIS]})
        name = ("servefn_drift_rows_total", "iris", "sampled", "1")
        until(lambda: samples(client)["servefn_requests_in_flight",] == 0)
        if drift:
            until(lambda: samples(client).get(name) == 1)
        else:
            assert name not in samples(client)


def test_a_model_that_stays_keeps_its_watch_and_one_that_goes_is_shown_no_more() -> None:
    drift, metrics, model = Drift(), Metrics(), load(MODELS / "iris" / "1")
    both = Catalogue({"iris": {"1": model}})
    drift.serving(both)
    kept = model.watch
    drift.serving(both)
    assert model.watch is kept
    model.predict([IRIS] * ENOUGH)
    for one, look in drift.looks():
        metrics.drifted(one, look)
    assert b"servefn_feature_psi{" in metrics.text()
    metrics.serving(Catalogue())
    drift.serving(Catalogue())
    assert b"servefn_feature_psi{" not in metrics.text()
    assert list(drift.looks()) == []


def test_an_older_bundle_is_read_as_it_is(models: Path) -> None:
    manifest = json.loads((models / "iris" / "1" / "model.json").read_text())
    for feature in manifest["signature"]["features"]:
        feature["training"].pop("shares", None)
    (models / "iris" / "1" / "model.json").write_text(json.dumps(manifest))
    assert load(models / "iris" / "1").signature.features[0].training.shares == ()
