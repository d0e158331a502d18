"""The pure parts of the benchmark: what is read, computed and drawn. Nothing here measures time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from bench import models
from bench.__main__ import document, panels
from bench.chart import Bar, Panel, svg
from bench.measure import SIZES, Point, Round, median, ratio
from bench.peers import HERE, PEERS, versions
from bench.process import Call, ServerError
from bench.report import GOALS, goals, grid, page, per_second, tables
from bench.rows import NAMES
from bench.servers import HAND_WRITTEN, OWN, SERVEFN, Server
from bench.wrk import Load, LoadError, parse

POINT = Point("logistic", 1, 16)


def rounds(*rates: float) -> list[Round]:
    """One round for each rate, the same at every point."""
    points = [Point(name, *size) for name in models.MODELS for size in SIZES]
    return [
        Round(1.5, 80.0, {point: Load(rate, 1000 / rate, 2000 / rate, 1e6 / rate) for point in points})
        for rate in rates
    ]


def output(**changed: float) -> str:
    """What wrk prints when post.lua has closed the run."""
    found = {"requests": 4000, "microseconds": 2000000, "failed": 0, "p50": 250.0, "p99": 1500.0, **changed}
    return f"Running 2s test @ http://127.0.0.1:8000\n  1 threads and 16 connections\n{json.dumps(found)}\n"


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314  # our own


def test_wrk_is_read() -> None:
    assert parse(output(), cpu_seconds=1.0) == Load(per_second=2000.0, p50=0.25, p99=1.5, cpu=250.0)


@pytest.mark.parametrize("changed", [{"failed": 1}, {"requests": 0}])
def test_a_run_without_success_has_no_figures(changed: dict[str, float]) -> None:
    with pytest.raises(LoadError):
        parse(output(**changed))


def test_median_is_over_rounds() -> None:
    assert median(rounds(100, 900, 200), POINT, per_second) == 200


def test_ratio_is_within_rounds() -> None:
    """A machine that is twice as slow in one round changes no ratio."""
    assert ratio(rounds(80, 40, 88), rounds(100, 50, 100), POINT, per_second) == pytest.approx(0.8)


def test_goals_say_whether_they_are_met() -> None:
    found = {"floor": rounds(1000), "servefn": rounds(800), "fastapi_onnx": rounds(200)}
    lines = goals(found).splitlines()[2:]
    assert len(lines) == sum(len(goal.models) for goal in GOALS)
    assert [line.split("|")[-2].strip() for line in lines] == ["yes", "yes", "yes", "yes", "yes", "yes", "no"]
    assert "0.80" in lines[0]
    assert "0.20" in lines[0]


def test_page_shows_servers_and_why_others_are_missing() -> None:
    found = {server.name: rounds(100, 200) for server in OWN}
    text = page([*OWN, *PEERS], found, {"ray": "not installed: no room"}, [("date", "today")], "make bench")
    assert "- ray: not installed: no room" in text
    assert all(server.title in text for server in OWN)
    assert "MLServer" not in tables([*OWN, *PEERS], found)
    assert "taskset -c 0 servefn serve --models build/bench/models" in text


def test_grid_is_even() -> None:
    lines = grid(["name", "n"], [["a", "1"], ["long name", "1,000"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "| --------- | ----: |"


def test_chart_is_xml_with_the_fastest_first() -> None:
    found = {"floor": rounds(1000), "servefn": rounds(800), "fastapi_onnx": rounds(200)}
    drawn = svg(panels(OWN, found), "a <note> & more")
    texts = ["".join(text.itertext()) for text in parsed(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert "a <note> & more" in texts
    assert texts.index(SERVEFN.title) < texts.index(HAND_WRITTEN.title)
    assert {"800 req/s", "80,000 rows/s"} <= set(texts)


@pytest.mark.parametrize("bars", [[], [Bar("nothing", 0.0)]])
def test_chart_of_nothing_is_xml(bars: Sequence[Bar]) -> None:
    parsed(svg([Panel("empty", "req/s", bars)], ""))


def test_document_has_every_figure() -> None:
    shown = json.loads(json.dumps(document({"servefn": rounds(100, 200)}, {}, [("date", "today")])))
    assert shown["setting"] == {"date": "today"}
    first = shown["servers"]["servefn"][0]["loads"][0]
    assert first == {
        "model": "logistic",
        "rows": 1,
        "connections": 1,
        "per_second": 100,
        "p50": 10,
        "p99": 20,
        "cpu": 1e4,
    }


def test_hand_written_rows_are_the_model_s() -> None:
    assert models.data().names == NAMES


def test_answers_are_checked() -> None:
    truth = models.data().truth["logistic"][:2]
    right = {"predictions": [{"probabilities": {"1": value + 1e-6}} for value in truth]}
    wrong = {"predictions": [{"probabilities": {"1": value + 1e-3}} for value in truth]}
    SERVEFN.check("logistic", 2, json.dumps(right).encode())
    answers: list[object] = [wrong, {"predictions": []}, {"error": "no"}, []]
    for answer in answers:
        with pytest.raises(ServerError):
            SERVEFN.check("logistic", 2, json.dumps(answer).encode())


@pytest.mark.parametrize("server", [*OWN, *PEERS], ids=lambda server: server.name)
def test_every_server_is_asked_for_its_rows(server: Server) -> None:
    call = server.call(server.models[0], 2)
    assert isinstance(call, Call)
    assert b"17.99" in call.body
    assert "{" not in call.path + "".join(server.started_by(8000))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_is_pinned(peer: Server) -> None:
    assert versions([peer])[peer.name] != "?"
    lines = (HERE / peer.name / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines)
