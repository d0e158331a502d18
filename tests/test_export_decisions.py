"""Decisions asked for at export: what policy comes of them, the cheapest threshold, and the options of the command."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier

from app import load
from app.decision import Parameter, Policy, Rule
from export import Band, Costs, ExportError, Reject, Threshold, TopK, export_model
from export.__main__ import export

RNG = np.random.default_rng(3)
ROWS = pd.DataFrame(RNG.normal(size=(900, 2)).round(3), columns=["a", "b"])
AMOUNT = (ROWS.a + ROWS.b).to_numpy()
BOUGHT = np.where(RNG.random(900) < 1 / (1 + np.exp(-2 * AMOUNT)), "yes", "no")
TRAIN, KEPT, OTHERS = slice(0, 200), slice(200, 500), slice(500, 900)
MODEL = LogisticRegression().fit(ROWS[TRAIN], BOUGHT[TRAIN])


def fixed(value: float) -> Parameter:
    return Parameter(value=value, minimum=value, maximum=value)


def within(value: float, minimum: float, maximum: float) -> Parameter:
    return Parameter(value=value, minimum=minimum, maximum=maximum)


@pytest.mark.parametrize(
    ("asked", "classes", "expected"),
    [
        (Threshold(0.3, "b"), "ab", (Rule.THRESHOLD, {"threshold": fixed(0.3)}, "b")),
        (Threshold(0.3, bounds=(0.1, 0.9)), (0, 1), (Rule.THRESHOLD, {"threshold": within(0.3, 0.1, 0.9)}, 1)),
        (Threshold(0.3), (-1, 1), (Rule.THRESHOLD, {"threshold": fixed(0.3)}, 1)),
        (Threshold(0.3), (False, True), (Rule.THRESHOLD, {"threshold": fixed(0.3)}, True)),
        (Threshold(0.3, "0"), (0, 1), (Rule.THRESHOLD, {"threshold": fixed(0.3)}, 0)),
        (Threshold(0.3, "False"), (False, True), (Rule.THRESHOLD, {"threshold": fixed(0.3)}, False)),
        (Band(0.2, 0.6, "b"), "ab", (Rule.BAND, {"low": fixed(0.2), "high": fixed(0.6)}, "b")),
        (
            Band(0.2, 0.6, "b", (0.1, 0.9)),
            "ab",
            (Rule.BAND, {"low": within(0.2, 0.1, 0.2), "high": within(0.6, 0.6, 0.9)}, "b"),
        ),
        (Reject(0.7), "abc", (Rule.REJECT, {"reject_below": fixed(0.7)}, None)),
        (TopK(2, (1, 3)), "abc", (Rule.TOP_K, {"top_k": within(2, 1, 3)}, None)),
    ],
)
def test_the_policy_that_is_asked_for(asked: Any, classes: Any, expected: tuple[Rule, Any, Any]) -> None:
    found = asked.policy(tuple(classes))
    rule, parameters, positive = expected
    assert found == Policy(rule=rule, parameters=parameters, positive=positive)
    assert type(found.positive) is type(positive)


@pytest.mark.parametrize(
    ("asked", "classes", "message"),
    [
        (Threshold(0.3), "ab", "say which class is the positive one: 'a' or 'b'"),
        (Threshold(0.3, "c"), "ab", "'c' is none of 'a' and 'b'"),
        (Threshold(0.3, "a"), "abc", "for two classes, and there are 3"),
        (Threshold(1.3, "a"), "ab", "threshold = 1.3 must lie from 0 to 1"),
        (Threshold(0.3, "a", (0.4, 0.9)), "ab", "threshold = 0.3 must lie within its bounds 0.4 to 0.9"),
        (Threshold(0.3, "a", (0.1, 1.9)), "ab", "bounds 0.1 to 1.9, from 0 to 1"),
        (Threshold(float("nan"), "a"), "ab", "threshold = nan"),
        (Band(0.6, 0.2, "a"), "ab", "low above its high"),
        (Band(0.2, 0.6, "a", (0.3, 0.9)), "ab", "low = 0.2 must lie within its bounds"),
        (Reject(-0.1), "abc", "must lie from 0 to 1"),
        (TopK(4), "abc", "k = 4 must lie from 1 to 3"),
        (TopK(2, (1, 2.5)), "abc", "whole numbers"),
    ],
)
def test_a_policy_that_there_is_not(asked: Any, classes: str, message: str) -> None:
    with pytest.raises((ExportError, ValueError), match=message):
        asked.policy(tuple(classes))


def mean_cost(costs: Costs, probabilities: Any, positives: Any, threshold: float) -> float:
    decided = probabilities >= threshold
    right = np.where(decided, costs.true_positive, costs.false_negative)
    wrong = np.where(decided, costs.false_positive, costs.true_negative)
    return float(np.where(positives, right, wrong).mean())


share = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)


@given(
    rows=st.lists(st.tuples(share, st.booleans()), min_size=1, max_size=30),
    false_negative=st.integers(1, 9),
    true_positive=st.integers(-9, 0),
)
def test_no_threshold_costs_less_than_the_one_that_is_chosen(
    rows: list[tuple[float, bool]], false_negative: int, true_positive: int
) -> None:
    costs = Costs(false_negative=false_negative, false_positive=2, true_positive=true_positive)
    probabilities, positives = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    curve = costs.cheapest(probabilities, positives)
    assert 0 <= curve.threshold <= 1
    assert curve.cost == pytest.approx(mean_cost(costs, probabilities, positives, curve.threshold))
    for threshold in {0.0, 1.0, *probabilities, *np.nextafter(probabilities, 1).clip(0, 1)}:
        assert curve.cost <= mean_cost(costs, probabilities, positives, threshold) + 1e-9
    assert (len(curve.thresholds), curve.thresholds[0], curve.thresholds[-1]) == (101, 0.0, 1.0)
    expected = [mean_cost(costs, probabilities, positives, threshold) for threshold in curve.thresholds]
    assert curve.costs == pytest.approx(expected)


def test_the_widest_choice_is_taken_in_its_middle() -> None:
    positives = np.array([False, False, True, True])
    curve = Costs(false_negative=1, false_positive=1).cheapest(np.array([0.1, 0.2, 0.6, 0.7]), positives)
    assert curve.threshold == pytest.approx(0.4)
    assert curve.cost == 0.0


def test_what_costs_more_is_decided_for_sooner(tmp_path: Path) -> None:
    thresholds = {}
    for dearer in (1, 5):
        asked = Costs(false_negative=dearer, false_positive=1, positive="yes", bounds=(0.01, 0.99))
        report = export_model(MODEL, ROWS[TRAIN], tmp_path, "m", decision=asked, held_out=(ROWS[KEPT], BOUGHT[KEPT]))
        curve, policy = report.certificate.costs, report.signature.policy
        assert curve is not None
        assert policy is not None
        assert policy.parameters["threshold"] == within(curve.threshold, 0.01, 0.99)
        answers = load(report.path).predict(ROWS[KEPT])
        cost = mean_cost(asked, answers["probabilities"][:, 1], BOUGHT[KEPT] == "yes", curve.threshold)
        assert curve.cost == pytest.approx(cost)
        assert curve.rows == 300
        assert load(report.path).manifest.certificate.costs == curve
        assert load(report.path).manifest.provenance["held_out"]["rows"] == 300
        thresholds[dearer] = curve.threshold
    assert thresholds[5] < 0.3 < thresholds[1] < 0.7


def test_the_report_draws_the_costs_and_the_coverage(tmp_path: Path) -> None:
    """The curve has a point for every threshold, the lower the cheaper, and the chosen threshold stands at its foot."""
    report = export_model(
        MODEL,
        ROWS[TRAIN],
        tmp_path,
        "m",
        decision=COSTS,
        held_out=(ROWS[KEPT], BOUGHT[KEPT]),
        calibration=(ROWS[OTHERS], BOUGHT[OTHERS]),
        report=tmp_path / "report.html",
    )
    page = (tmp_path / "report.html").read_text()
    curve, found = report.certificate.costs, report.certificate.coverage
    assert curve is not None
    assert found is not None
    (drawn,) = re.findall(r'<polyline points="([^"]*)"', page)
    points = [tuple(map(float, point.split(","))) for point in drawn.split()]
    assert len(points) == 101
    assert int(np.argmin(curve.costs)) == int(np.argmax([y for _, y in points])), "down is cheap"
    assert f"{curve.cost:.4g} a row at the threshold {curve.threshold:.4g}, the least on 300 rows" in page
    assert f"{found.measured:.3f} on 200 rows (95 % confidence: {found.low:.3f} to {found.high:.3f})" in page
    assert "How often the truth is held" in page


def test_a_classifier_of_several_labels_is_not_decided_for_and_not_calibrated(tmp_path: Path) -> None:
    """Its probabilities may be as many as its classes, and mean something else."""
    model = RandomForestClassifier(3, random_state=0).fit(
        ROWS[:60], np.column_stack([AMOUNT[:60] > 0, AMOUNT[:60] > 1])
    )
    for options in ({"decision": Reject(0.7)}, {"calibration": (ROWS[:60], BOUGHT[:60])}):
        with pytest.raises(ExportError, match="one label"):
            export_model(model, ROWS[:60], tmp_path, "m", **options)


COSTS = Costs(false_negative=5, false_positive=1, positive="yes")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decision": COSTS}, "costs need labelled rows"),
        ({"decision": COSTS, "held_out": (ROWS[:9], ["yes"] * 9)}, "must have both classes, 'no' and 'yes'"),
        ({"decision": COSTS, "held_out": (ROWS[:9], [1] * 9)}, "has 1, and the model's classes are 'no', 'yes'"),
        ({"decision": Reject(0.7), "held_out": (ROWS[:9], BOUGHT[:9])}, "say what mistakes cost"),
        ({"decision": Threshold(0.3)}, "say which class"),
        ({"decision": Reject(0.7), "key": "decision"}, "the key field 'decision' is"),
    ],
)
def test_a_decision_that_cannot_be_made(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    rows = ROWS[:60].assign(decision=1) if "key" in options else ROWS[:60]
    with pytest.raises(ExportError, match=message):
        export_model(MODEL, rows, tmp_path, "m", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", [LinearRegression(), RidgeClassifier()])
def test_a_model_without_probabilities(tmp_path: Path, model: Any) -> None:
    truth = AMOUNT if isinstance(model, LinearRegression) else BOUGHT
    with pytest.raises(ExportError, match="has none; a classifier without them"):
        export_model(model.fit(ROWS[:60], truth[:60]), ROWS[:60], tmp_path, "m", decision=Reject(0.7))


@pytest.mark.parametrize("said", [{"false_negative": 0}, {"true_negative": 2}, {"false_negative": np.inf}])
def test_costs_that_are_none(said: dict[str, Any]) -> None:
    with pytest.raises(ExportError, match="cost"):
        Costs(**{"false_negative": 1, "false_positive": 1, **said})


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command on the model, with labelled rows in a file, under the name `m`."""
    joblib.dump(MODEL, tmp_path / "model.joblib")
    low, high = (LinearRegression().fit(ROWS[:99], AMOUNT[:99] + more) for more in (-1, 1))
    joblib.dump({0.1: low, 0.9: high}, tmp_path / "q.joblib")
    ROWS[:60].to_csv(tmp_path / "rows.csv", index=False)
    for name, part in {"held": KEPT, "more": OTHERS}.items():
        ROWS[part].assign(bought=BOUGHT[part], amount=AMOUNT[part]).to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "costs.toml").write_text("false_negative = 5\nfalse_positive = 1\ntrue_positive = -1\n")
    (tmp_path / "wrong.toml").write_text("false_negativ = 5\n")

    def call(text: str, model: str = "model.joblib") -> Result:
        options = [str(tmp_path / word) if "." in word and word[0].isalpha() else word for word in text.split()]
        places = [str(tmp_path / model), "--sample", str(tmp_path / "rows.csv"), "--models", str(tmp_path / "models")]
        return CliRunner().invoke(export, [*places, "--name", "m", *options])

    return call


@pytest.mark.parametrize(
    ("options", "rule", "parameters"),
    [
        ("--threshold 0.3 --positive yes", Rule.THRESHOLD, {"threshold": fixed(0.3)}),
        ("--threshold 0.3 --positive yes --bounds 0.1 0.5", Rule.THRESHOLD, {"threshold": within(0.3, 0.1, 0.5)}),
        ("--abstain-between 0.3 0.6 --positive yes", Rule.BAND, {"low": fixed(0.3), "high": fixed(0.6)}),
        ("--reject-below 0.7", Rule.REJECT, {"reject_below": fixed(0.7)}),
        ("--top-k 2 --bounds 1 2", Rule.TOP_K, {"top_k": within(2, 1, 2)}),
    ],
)
def test_an_option_is_a_policy(run: Run, options: str, rule: Rule, parameters: dict[str, Parameter]) -> None:
    result = run(options)
    assert result.exit_code == 0, result.output
    found = load(result.stdout.strip()).signature.policy
    assert found == Policy(rule=rule, parameters=parameters, positive="yes" if "yes" in options else None)


@pytest.mark.parametrize("costs", ["--cost-fn 5 --cost-fp 1", "--costs costs.toml"])
def test_costs_and_calibration(run: Run, tmp_path: Path, costs: str) -> None:
    for name in ("held", "more"):
        table = pd.read_parquet(tmp_path / f"{name}.parquet").drop(columns="amount")
        table.to_parquet(tmp_path / f"{name}.parquet")
    apart = "--rows held.parquet --calibration more.parquet --target bought"
    result = run(f"{costs} {apart} --positive yes --coverage 0.8")
    assert result.exit_code == 0, result.output
    certificate = load(result.stdout.strip()).manifest.certificate
    assert certificate.costs is not None
    assert certificate.coverage is not None
    assert (certificate.costs.false_negative, certificate.coverage.declared) == (5, 0.8)
    assert certificate.costs.true_positive == (-1 if "toml" in costs else 0)
    assert f"threshold {certificate.costs.threshold:.4g} costs least on 300 rows" in result.stderr
    assert f"coverage 0.8 declared, {certificate.coverage.measured:.3f} on 200 rows (95 % confidence" in result.stderr


def test_a_pickled_dictionary_of_models_by_quantile(run: Run) -> None:
    result = run("", model="q.joblib")
    assert result.exit_code == 0, result.output
    assert load(result.stdout.strip()).signature.named["quantiles"].columns == ("0.1", "0.9")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--threshold 0.3 --top-k 1 --positive yes", "--threshold and --top-k are different decisions"),
        ("--threshold 0.3 --cost-fn 5 --cost-fp 1 --positive yes", "--threshold and --cost-fn are different"),
        ("--positive yes", "belong to a decision"),
        ("--bounds 0.1 0.9", "belong to a decision"),
        ("--cost-fn 5 --positive yes", "name the cost of a false negative and that of a false positive"),
        ("--costs wrong.toml", "'false_negativ' is no cost"),
        ("--costs none.toml", "cannot read"),
        ("--rows held.parquet", "--rows needs --target"),
        ("--calibration held.parquet --target nobody", "has no column 'nobody'"),
        ("--rows held.parquet --target bought", "has 'amount' too"),
    ],
)
def test_options_that_do_not_go_together(run: Run, tmp_path: Path, options: str, message: str) -> None:
    result = run(options)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    error = result.stderr.partition("Error: ")[2]
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "models").exists()


def test_a_target_with_holes(run: Run, tmp_path: Path) -> None:
    table = ROWS[KEPT].assign(bought=pd.Series(BOUGHT[KEPT], ROWS[KEPT].index).shift())
    table.to_parquet(tmp_path / "held.parquet")
    assert "is missing in some rows" in run("--calibration held.parquet --target bought").stderr
