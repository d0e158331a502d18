from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import PredictionFailed, load
from app.answers import Answers
from app.predictor import Model
from app.scheduler import BATCH_ROWS, MERGED_ROWS, Scheduler
from tests.conftest import MODELS


class Recorder:
    """A stand-in for a model at its one seam: it keeps the sizes and the threads of its runs, and doubles its rows."""

    def __init__(self, seconds_per_row: float = 0.0) -> None:
        self.seconds_per_row = seconds_per_row
        self.runs: list[int] = []
        self.threads: set[str] = set()
        self.go = threading.Event()
        self.go.set()

    def answer(self, rows: Sequence[Any]) -> Answers:
        self.go.wait(10)
        self.runs.append(len(rows))
        self.threads.add(threading.current_thread().name)
        if "bad" in rows:
            raise PredictionFailed("bad")
        return [{"value": 2 * row} for row in rows]


def submit(model: Any, *requests: Sequence[Any]) -> list[Any]:
    """What becomes of requests that arrive in one turn of the loop."""

    async def together() -> list[Any]:
        scheduler = Scheduler(2)
        futures = [scheduler.submit(model, rows) for rows in requests]
        return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(together())


def test_requests_of_one_turn_share_a_run_and_each_gets_its_own_answers() -> None:
    model = Recorder()
    assert submit(model, [1], [2, 3], [4]) == [[{"value": 2}], [{"value": 4}, {"value": 6}], [{"value": 8}]]
    assert model.runs == [4]


def test_large_requests_run_alone_and_a_shared_run_is_bounded() -> None:
    model = Recorder()
    small, large = [1] * MERGED_ROWS, [1] * (MERGED_ROWS + 1)
    requests = [small, large, *[small] * (BATCH_ROWS // MERGED_ROWS)]
    answers = submit(model, *requests)
    assert [len(answer) for answer in answers] == [len(rows) for rows in requests]
    assert model.runs == [BATCH_ROWS, MERGED_ROWS + 1, MERGED_ROWS]


def test_a_failure_stays_with_its_own_request() -> None:
    first, second, third = submit(Recorder(), [1], ["bad"], [3])
    assert (first, third) == ([{"value": 2}], [{"value": 6}])
    assert isinstance(second, PredictionFailed)


def test_a_slow_model_runs_in_a_thread_and_what_arrives_meanwhile_forms_the_next_run() -> None:
    model = Recorder(seconds_per_row=1.0)
    model.go.clear()

    async def arrivals() -> list[Answers]:
        scheduler = Scheduler(2)
        futures = [scheduler.submit(model, [0])]  # type: ignore[arg-type]  # a Recorder
        await asyncio.sleep(0.01)
        for number in (1, 2, 3):
            futures.append(scheduler.submit(model, [number]))  # type: ignore[arg-type]
            await asyncio.sleep(0)
        model.go.set()
        return await asyncio.gather(*futures)

    assert asyncio.run(arrivals()) == [[{"value": 2 * number}] for number in range(4)]
    assert model.runs == [1, 3]
    assert all(name.startswith("model") for name in model.threads)


def test_rows_of_a_client_that_has_gone_are_not_run() -> None:
    model = Recorder()

    async def leaving() -> Answers:
        scheduler = Scheduler(1)
        gone = scheduler.submit(model, [1, 2, 3])  # type: ignore[arg-type]
        stayed = scheduler.submit(model, [4])  # type: ignore[arg-type]
        gone.cancel()
        return await stayed

    assert asyncio.run(leaving()) == [{"value": 8}]
    assert model.runs == [1]


def test_when_everybody_has_gone_nothing_is_run_and_the_next_is_served() -> None:
    model = Recorder()

    async def leaving() -> Answers:
        scheduler = Scheduler(1)
        scheduler.submit(model, [1]).cancel()  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert model.runs == []
        return await scheduler.submit(model, [2])  # type: ignore[arg-type]

    assert asyncio.run(leaving()) == [{"value": 4}]


def test_models_do_not_wait_for_each_other() -> None:
    slow, quick = Recorder(seconds_per_row=1.0), Recorder()
    slow.go.clear()

    async def both() -> Answers:
        scheduler = Scheduler(1)
        held = scheduler.submit(slow, [1])  # type: ignore[arg-type]
        answer = await scheduler.submit(quick, [2])  # type: ignore[arg-type]
        slow.go.set()
        await held
        return answer

    assert asyncio.run(both()) == [{"value": 4}]


@pytest.fixture(scope="module", params=["iris", "flights"])
def model(request: pytest.FixtureRequest) -> Model:
    return load(MODELS / request.param / "1")


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_has_the_same_answer_alone_and_in_any_batch(model: Model, data: Any) -> None:
    example = {feature.name: feature.example for feature in model.signature.features}
    numbers = [feature for feature in model.signature.numbers if feature.datatype == "FP64"]
    changes = st.fixed_dictionaries({feature.name: st.floats(*feature.range) for feature in numbers})
    rows = [
        model.codec.rows([{**example, **change}]) for change in data.draw(st.lists(changes, min_size=2, max_size=9))
    ]
    together = submit(model, *rows)
    for alone, shared in zip((model.answer(row) for row in rows), together, strict=True):
        assert alone[0]["label"] == shared[0]["label"]
        assert alone[0]["probabilities"] == pytest.approx(shared[0]["probabilities"], abs=1e-6)


def test_the_cost_of_a_row_is_measured_at_load() -> None:
    assert 0 < load(Path(MODELS / "iris" / "1")).seconds_per_row < 1
