"""Versions tried in the shadow: compared as by hand, seen by no client, and the first work that is left undone."""

from __future__ import annotations

import copy
import gc
import json
import math
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from app import aliases, load, traffic
from app.main import create_app
from app.metrics import Metrics
from app.parity import compare
from app.predictor import Model
from app.repository import Repository
from app.settings import Settings
from app.shadow import WAITING_ROWS, Comparison, Shadowing
from app.traffic import Shadow, Traffic
from export.examples import iris
from tests.conftest import MODELS
from tests.test_cli import serving
from tests.test_metrics import samples
from tests.test_native import IRIS, JSON, body
from tests.waiting import until

ALL = Traffic(shadow={"challenger": 1.0})
ROWS = iris.data()[0].to_dict("records")
CHAMPION = load(MODELS / "iris" / "1")
NAMES = ("2", "iris", "1")
"""The labels, in the order of their names."""


@dataclass
class Tally:
    """An observer that adds up."""

    rows: int = 0
    dropped: int = 0
    failed: int = 0
    flips: int = 0
    runs: list[int] = field(default_factory=list)

    def compared(self, _: Shadow, found: Comparison) -> None:
        self.runs.append(found.rows)
        self.flips += found.flips
        self.rows += found.rows

    def unanswered(self, _: Shadow, rows: int, *, failed: bool) -> None:
        self.failed += rows if failed else 0
        self.dropped += 0 if failed else rows


@pytest.fixture
def challenger(rival: Path) -> Model:
    return load(rival)


@pytest.fixture
def client(rivals: Path) -> Iterator[TestClient]:
    traffic.save(rivals / "iris", ALL)
    with TestClient(create_app(Settings(models=rivals))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def shadowed(shadowing: Shadowing, challenger: Model, share: float = 1.0) -> tuple[Model, Shadow]:
    """A champion whose runs are handed over."""
    champion = copy.copy(CHAMPION)
    shadow = Shadow(champion, challenger, share)
    champion.shadow = lambda *run: shadowing.offer([shadow], *run)
    shadowing._begin()
    return champion, shadow


def test_the_comparison_is_the_one_made_by_hand(client: TestClient, challenger: Model) -> None:
    url = "/models/iris/predict"
    client.post(url, json={"instances": ROWS[:20]})
    client.post(url, json={"instances": ROWS[20:70]})
    columns = {name: [row[name] for row in ROWS[70:140]] for name in ROWS[0]}
    client.post(url, json={"columns": columns})
    lines = "\n".join(json.dumps(row) for row in ROWS[140:])
    client.post(url, content=lines, headers={"content-type": "application/x-ndjson"})
    until(lambda: samples(client).get(("servefn_shadow_rows_total", *NAMES)) == 150)

    one, other = CHAMPION.predict(ROWS), challenger.predict(ROWS)
    apart = compare({"probabilities": one["probabilities"]}, other, 0).apart
    found = samples(client)
    assert 0 < found["servefn_shadow_flips_total", *NAMES] == np.count_nonzero(one["label"] != other["label"])
    assert found["servefn_shadow_difference_sum", *NAMES] == pytest.approx(apart.sum())
    for bound in ("0.01", "0.1", "0.25"):
        key = next(key for key in found if key[0] == "servefn_shadow_difference_bucket" and bound in key[1:])
        assert found[key] == np.count_nonzero(apart <= float(bound))


def test_no_answer_is_touched(client: TestClient) -> None:
    url = "/models/iris/predict"
    one = client.post(url, json={"instances": ROWS})
    client.put("/admin/models/iris/traffic", json={})
    assert client.post(url, json={"instances": ROWS}).content == one.content


def test_all_is_counted_from_zero(client: TestClient) -> None:
    names = [f"servefn_shadow_{name}" for name in ("rows_total", "flips_total", "dropped_total", "failed_total")]
    until(lambda: ("servefn_shadow_rows_total", *NAMES) in samples(client))
    found = samples(client)
    assert [found.get((name, *NAMES)) for name in (*names, "servefn_shadow_difference_count")] == [0] * 5


def test_direct_requests_are_shadowed_too(rivals: Path) -> None:
    traffic.save(rivals / "iris", ALL)
    with serving(SERVEFN_MODELS=str(rivals)) as (_, address):
        for _ in range(50):
            httpx.post(f"{address}/models/iris/predict", content=body(IRIS), headers=JSON)
        said = 'servefn_shadow_rows_total{challenger="2",model="iris",version="1"} 50.0'
        until(lambda: said in httpx.get(f"{address}/metrics").text)


def test_rows_that_a_split_gives_to_another_are_not_shadowed(client: TestClient) -> None:
    client.put("/admin/models/iris/traffic", json={"split": {"challenger": 0.5}, "shadow": {"challenger": 1}})
    keyed = [{"key": number, **row} for number, row in enumerate(ROWS)]
    answers = client.post("/models/iris/predict/keyed", json={"instances": keyed}).json()["predictions"]
    expected = sum(answer["version"] == "1" for answer in answers)
    assert 0 < expected < 150
    until(lambda: samples(client).get(("servefn_shadow_rows_total", *NAMES)) == expected)


def test_a_sample_is_as_large_as_its_share(challenger: Model) -> None:
    tally = Tally()
    champion, _ = shadowed(Shadowing(tally, lambda: False), challenger, share=0.3)
    for _ in range(2000):
        champion.predict([IRIS])
    until(lambda: abs(tally.rows - 600) < 5 * math.sqrt(2000 * 0.3 * 0.7))


def test_what_comes_while_other_work_is_there_is_dropped(challenger: Model) -> None:
    tally, busy = Tally(), Event()
    champion, _ = shadowed(Shadowing(tally, busy.is_set), challenger)
    busy.set()
    champion.predict(ROWS)
    assert (tally.dropped, tally.rows) == (150, 0)
    busy.clear()
    champion.predict(ROWS[:10])
    until(lambda: tally.rows == 10)


class Slow(Tally):
    """An observer that holds the thread until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.go = Event(), Event()

    def compared(self, shadow: Shadow, found: Comparison) -> None:
        self.held.set()
        self.go.wait(10)
        super().compared(shadow, found)


def test_what_waits_when_other_work_comes_is_dropped(challenger: Model) -> None:
    tally, busy = Slow(), Event()
    champion, _ = shadowed(Shadowing(tally, busy.is_set), challenger)
    champion.predict(ROWS[:10])
    assert tally.held.wait(10)
    champion.predict(ROWS[:5])
    busy.set()
    tally.go.set()
    until(lambda: (tally.rows, tally.dropped) == (10, 5))


def test_what_may_wait_is_bounded(challenger: Model) -> None:
    tally = Slow()
    champion, _ = shadowed(Shadowing(tally, lambda: False), challenger)
    run = CHAMPION.codec.tensors(CHAMPION.codec.rows(ROWS * 4))
    champion.run(run)
    assert tally.held.wait(10)
    for _ in range(20):
        champion.run(run)
    assert tally.dropped == 600 * (20 - WAITING_ROWS // 600)
    tally.go.set()
    until(lambda: tally.rows == 600 * (1 + WAITING_ROWS // 600))


def test_runs_of_the_champion_are_tried_together(challenger: Model) -> None:
    tally = Tally()
    shadowing = Shadowing(tally, lambda: False)
    champion, _ = shadowed(shadowing, challenger)
    for _ in range(3000):
        champion.predict([IRIS])
    until(lambda: tally.rows + tally.dropped == 3000)
    assert max(tally.runs) > 1


def test_a_challenger_that_fails_is_counted_and_the_next_is_tried(challenger: Model) -> None:
    tally, broken = Tally(), copy.copy(challenger)
    broken._session = None
    shadowing = Shadowing(tally, lambda: False)
    champion, _ = shadowed(shadowing, broken)
    assert champion.predict([IRIS])["label"].tolist() == ["setosa"]
    until(lambda: tally.failed == 1)
    champion, _ = shadowed(shadowing, challenger)
    champion.predict([IRIS])
    until(lambda: tally.rows == 1)


def test_the_metrics_tell_what_was_dropped_and_what_failed(challenger: Model) -> None:
    metrics, shadow = Metrics(), Shadow(CHAMPION, challenger, 1.0)
    metrics.unanswered(shadow, 3, failed=False)
    metrics.unanswered(shadow, 4, failed=True)
    labels = '{challenger="2",model="iris",version="1"}'
    assert f"servefn_shadow_dropped_total{labels} 3.0" in metrics.text().decode()
    assert f"servefn_shadow_failed_total{labels} 4.0" in metrics.text().decode()


def test_a_shadow_that_is_no_longer_wanted_is_let_go_of(rivals: Path) -> None:
    traffic.save(rivals / "iris", ALL)
    repository, tally = Repository(rivals), Tally()
    repository.load()
    shadowing = Shadowing(tally, lambda: False)
    shadowing.serving(repository.catalogue)
    champion, gone = repository.get("iris"), weakref.ref(repository.get("iris", "2"))
    champion.predict([IRIS])
    until(lambda: tally.rows == 1)
    traffic.save(rivals / "iris", Traffic())
    aliases.write(rivals / "iris" / aliases.FILE, {})
    (rivals / "iris" / "2").rename(rivals / "iris" / "0")
    repository.load()
    shadowing.serving(repository.catalogue)
    assert champion.shadow is None
    assert repository.get("iris") is champion
    until(lambda: gc.collect() >= 0 and gone() is None)
