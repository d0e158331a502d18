"""Intervals, sets and quantiles: that they hold the truth as often as they say, in every format and in the document."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pyarrow import parquet
from scipy.stats import binom
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from starlette.testclient import TestClient

from app import load
from app.main import create_app
from app.settings import Settings
from app.uncertainty import Conformal, Coverage, Method, rank, region, rows_needed, scores
from export import Buckets, ExportError, Report, export_model
from export.calibration import calibrated
from export.labelled import read_labelled
from export.quantiles import ByModel, several_quantiles
from tests.test_decision import same_arrays
from tests.waiting import until

RNG = np.random.default_rng(7)
ROWS = pd.DataFrame(RNG.normal(size=(6000, 3)), columns=["a", "b", "c"])
AMOUNT = (2 * ROWS.a - ROWS.b + RNG.normal(size=6000) * np.exp(ROWS.c / 2)).to_numpy()
KIND = np.array(["low", "mid", "top"])[np.digitize(AMOUNT, [-1.5, 1.5])]
TRAIN, KEPT, FRESH = slice(0, 1000), slice(1000, 2000), slice(2000, 6000)
EDGES = [-12.0, -3.0, -1.5, 0.0, 1.5, 3.0, 12.0]
LEVELS = (0.1, 0.5, 0.9)
FEATURES = {name: {"minimum": -8, "maximum": 8} for name in ("a", "b", "c")}
"""Far out, buckets in the middle are empty, and a quantile leaps over them by the last bit of a probability."""


def quantile_models() -> dict[float, Any]:
    fitted = {
        level: GradientBoostingRegressor(loss="quantile", alpha=level, n_estimators=15, random_state=0)
        for level in LEVELS
    }
    return {level: model.fit(ROWS[TRAIN], AMOUNT[TRAIN]) for level, model in fitted.items()}


def buckets() -> Buckets:
    classifier = LogisticRegression(max_iter=2000).fit(ROWS[TRAIN], np.digitize(AMOUNT[TRAIN], EDGES[1:-1]))
    return Buckets(classifier, EDGES, LEVELS)


MODELS: dict[str, tuple[Callable[[], Any], Any]] = {
    "residual": (lambda: LinearRegression().fit(ROWS[TRAIN], AMOUNT[TRAIN]), AMOUNT),
    "quantiles": (quantile_models, AMOUNT),
    "buckets": (buckets, AMOUNT),
    "sets": (lambda: LogisticRegression().fit(ROWS[TRAIN], KIND[TRAIN]), KIND),
}
COVERAGE = {"residual": 0.9, "quantiles": 0.8, "buckets": 0.95, "sets": 0.9}
METHODS = {"residual": Method.RESIDUAL, "quantiles": Method.CQR, "buckets": Method.CQR, "sets": Method.LAC}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uncertain")


@pytest.fixture(scope="module")
def reports(folder: Path) -> dict[str, Report]:
    """Every kind of region, calibrated on the same rows."""
    return {
        name: export_model(
            model(),
            ROWS[TRAIN],
            folder,
            name,
            features=FEATURES,
            calibration=(ROWS[KEPT], truth[KEPT]),
            coverage=COVERAGE[name],
        )
        for name, (model, truth) in MODELS.items()
    }


@pytest.fixture(scope="module")
def uncertain(folder: Path, reports: dict[str, Report]) -> Iterator[TestClient]:
    assert set(reports) == set(MODELS)
    with TestClient(create_app(Settings(models=folder))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.mark.parametrize("name", MODELS)
def test_of_answers_the_arrays_can_be_made_again(reports: dict[str, Report], folder: Path, name: str) -> None:
    assert name in reports
    same_arrays(folder / name / "1")


@pytest.mark.parametrize(
    ("rows", "coverage", "expected"),
    [(9, 0.9, 9), (8, 0.9, 9), (99, 0.9, 90), (19, 0.95, 19), (99, 0.07, 7), (1000, 0.5, 501)],
)
def test_the_rank_is_exact_in_decimal(rows: int, coverage: float, expected: int) -> None:
    assert rank(rows, coverage) == expected


@pytest.mark.parametrize(("coverage", "needed"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99), (0.85, 6)])
def test_so_many_rows_are_needed_and_not_one_less(coverage: float, needed: int) -> None:
    assert rows_needed(coverage) == needed
    assert rank(needed, coverage) <= needed
    assert rank(needed - 1, coverage) > needed - 1


finite = st.floats(-100, 100)


@given(low=finite, width=st.floats(0, 50), truth=finite, margin=finite)
def test_an_interval_by_quantiles_holds_what_scores_within_its_margin(
    low: float, width: float, truth: float, margin: float
) -> None:
    answers = {"quantiles": np.array([[low, low + width / 3, low + width]])}
    conformal = Conformal(method=Method.CQR, coverage=0.9, margin=margin, rows=10)
    (score,) = scores(Method.CQR, answers, np.array([truth]))
    ((lower, upper),) = region(conformal, answers)["interval"]
    assert lower <= upper
    if score <= margin - 1e-9:
        assert lower <= truth <= upper
    elif score > margin + 1e-9 and 2 * margin > -width:
        assert not lower <= truth <= upper


@given(shares=st.lists(st.floats(0.01, 1), min_size=2, max_size=5), truth=st.integers(0, 1), margin=st.floats(0, 1))
def test_a_set_has_the_classes_that_score_within_its_margin(shares: list[float], truth: int, margin: float) -> None:
    answers = {"probabilities": np.array([shares]) / sum(shares)}
    conformal = Conformal(method=Method.LAC, coverage=0.9, margin=margin, rows=10)
    (score,) = scores(Method.LAC, answers, np.array([truth]))
    assert region(conformal, answers)["set"][0, truth] == (score <= margin)


@pytest.mark.parametrize("name", list(MODELS))
def test_fresh_rows_are_held_as_often_as_declared(reports: dict[str, Report], name: str) -> None:
    """The share that fresh rows have given the calibration is beta distributed; four of its deviations and theirs."""
    report, truth = reports[name], MODELS[name][1][FRESH]
    conformal = report.signature.conformal
    assert conformal is not None
    assert (conformal.method, conformal.coverage, conformal.rows) == (METHODS[name], COVERAGE[name], 500)
    found = load(report.path).predict(ROWS[FRESH])
    if name == "sets":
        held = found["set"][np.arange(len(truth)), np.searchsorted(["low", "mid", "top"], truth)]
    else:
        held = (found["interval"][:, 0] <= truth) & (truth <= found["interval"][:, 1])
    declared = conformal.coverage
    deviation = np.sqrt(declared * (1 - declared) * (1 / conformal.rows + 1 / len(truth)))
    assert abs(held.mean() - declared) < 4 * deviation


@pytest.mark.parametrize("name", list(MODELS))
def test_the_coverage_is_measured_on_rows_that_did_not_calibrate(reports: dict[str, Report], name: str) -> None:
    found = reports[name].certificate.coverage
    assert isinstance(found, Coverage)
    assert (found.declared, found.rows) == (COVERAGE[name], 500)
    held = round(found.measured * found.rows)
    assert binom.sf(held - 1, found.rows, found.low) == pytest.approx(0.025, abs=1e-6)
    assert binom.cdf(held, found.rows, found.high) == pytest.approx(0.025, abs=1e-6)
    assert found.low < COVERAGE[name] < found.high + 0.01
    assert found.mean_size > 0
    provenance = load(reports[name].path).manifest.provenance["calibration"]
    assert (provenance["rows"], provenance["seed"], len(provenance["sha256"])) == (1000, 0, 64)


def test_calibration_asks_the_graph_and_repeats_itself(reports: dict[str, Report], tmp_path: Path) -> None:
    model, truth = MODELS["sets"]
    calibration = (ROWS[KEPT], truth[KEPT])
    again = export_model(model(), ROWS[TRAIN], tmp_path, "sets", features=FEATURES, calibration=calibration)
    assert again.signature == reports["sets"].signature
    assert again.certificate.coverage == reports["sets"].certificate.coverage
    served = load(again.path)
    found = scores(Method.LAC, served.predict(ROWS[KEPT]), np.searchsorted(["low", "mid", "top"], truth[KEPT]))
    assert again.signature.conformal is not None
    assert again.signature.conformal.margin in found.tolist()


REFUSED: list[tuple[Any, Any, float, str]] = [
    (ROWS[:17], KIND[:17], 0.9, "needs 18 calibration rows, half of them to measure it by, and there are 17"),
    (ROWS[:100], KIND[:100], 0.99, "needs 198 calibration rows"),
    (ROWS[:100], KIND[:100], 1.0, "between 0 and 1"),
    (ROWS[:100], KIND[:99], 0.9, "100 calibration rows, and their target has 99"),
    (ROWS[:100], np.full(100, "none"), 0.9, "has 'none', and the model's classes are 'low', 'mid', 'top'"),
    (ROWS[["a", "b"]], KIND, 0.9, "the calibration rows: the sample lacks 'c'"),
    (ROWS[:50].assign(a=np.r_[np.nan, np.ones(49)]), KIND[:50], 0.9, "break the contract: row 0: 'a'"),
]


@pytest.mark.parametrize(("rows", "truth", "coverage", "message"), REFUSED)
def test_calibration_rows_that_are_none(
    reports: dict[str, Report], rows: Any, truth: Any, coverage: float, message: str
) -> None:
    model = LogisticRegression().fit(ROWS[TRAIN], KIND[TRAIN])
    with pytest.raises(ExportError, match=message):
        calibrated(load(reports["sets"].path), read_labelled((rows, truth), "calibration", model, None), coverage)


@pytest.mark.parametrize("truth", [np.full(1000, np.nan), KIND[KEPT]])
def test_a_target_that_is_no_number(reports: dict[str, Report], truth: Any) -> None:
    rows = read_labelled((ROWS[KEPT], truth), "calibration", None, None)
    with pytest.raises(ExportError, match="must be finite numbers"):
        calibrated(load(reports["residual"].path), rows, 0.9)


@pytest.mark.parametrize("model", [KMeans(2, n_init=1, random_state=0), RidgeClassifier()])
def test_models_that_cannot_be_calibrated(tmp_path: Path, model: Any) -> None:
    rows, truth = ROWS[:60].round(1), KIND[:60]
    with pytest.raises(ExportError, match="a classifier of one label with probabilities, or a regressor of one number"):
        export_model(model.fit(rows, truth), rows, tmp_path, "m", calibration=(rows, truth))
    assert not list(tmp_path.iterdir())


def instances() -> list[dict[str, float]]:
    rows: Any = ROWS[2000:2040].to_dict("records")
    return list(rows)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_answer_has_them_and_the_document_says_so(uncertain: TestClient, folder: Path, name: str) -> None:
    found = load(folder / name / "1").predict(instances())
    told = uncertain.post(f"/models/{name}/predict", json={"instances": instances()}).json()
    for index, row in enumerate(told["predictions"]):
        if name == "sets":
            expected = [label for label, held in zip(["low", "mid", "top"], found["set"][index], strict=True) if held]
            assert row["set"] == expected
        else:
            assert list(row["interval"].values()) == found["interval"][index].tolist()
    document = uncertain.get("/openapi.json").json()
    schema = document["components"]["schemas"][f"{name}.1.Response"]
    validator = Draft202012Validator({**schema, "components": document["components"]})
    validator.validate(told)
    validator.validate(schema["examples"][0])
    share = f"{COVERAGE[name]:.0%}".replace("%", " %")
    assert (
        f"in {share} of rows like those it was calibrated on"
        in document["paths"][f"/models/{name}/predict"]["post"]["description"]
    )
    contract = uncertain.get(f"/models/{name}").json()
    assert contract["conformal"]["coverage"] == contract["certificate"]["coverage"]["declared"] == COVERAGE[name]


@pytest.mark.parametrize(
    "media_type", ["text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]
)
def test_flat_answers_have_columns_of_them(uncertain: TestClient, media_type: str) -> None:
    def flat(name: str) -> Any:
        body = {"instances": instances()}
        answer = uncertain.post(f"/models/{name}/predict", json=body, headers={"accept": media_type})
        if media_type == "text/csv":
            return pd.read_csv(io.BytesIO(answer.content))
        if "arrow" in media_type:
            return pa.ipc.open_stream(answer.content).read_all().to_pandas()
        return parquet.read_table(io.BytesIO(answer.content)).to_pandas()

    sets = flat("sets")
    assert {"set.low", "set.mid", "set.top"} < set(sets)
    assert sets["set.low"].dtype == bool
    table = flat("quantiles")
    assert list(table.columns) == [
        "value",
        "quantiles.0.1",
        "quantiles.0.5",
        "quantiles.0.9",
        "interval.lower",
        "interval.upper",
    ]
    assert (table["quantiles.0.5"] == table["value"]).all()


def test_quantiles_are_the_models_own_sorted(tmp_path: Path) -> None:
    """Lines of different slopes cross somewhere; there the sorted answer is no model's in particular."""
    levels = (0.05, 0.5, 0.95)
    steep = {
        level: QuantileRegressor(quantile=level, alpha=0).fit(ROWS[:300], AMOUNT[:300] * (1 + ROWS.b[:300].abs()))
        for level in levels
    }
    report = export_model({level: steep[level] for level in (0.95, 0.05, 0.5)}, ROWS[:300], tmp_path, "m")
    far = ROWS[FRESH] * 20
    apart = np.column_stack([steep[level].predict(far) for level in levels])
    assert (np.diff(apart, axis=1) < 0).any(), "they do cross"
    found = load(report.path).predict(far)
    np.testing.assert_allclose(found["quantiles"], np.sort(apart, axis=1), rtol=1e-12)
    assert (np.diff(found["quantiles"], axis=1) >= 0).all()
    assert [output.name for output in report.signature.outputs] == ["value", "quantiles"]
    assert report.signature.named["quantiles"].columns == ("0.05", "0.5", "0.95")


def test_without_a_median_there_is_no_value(tmp_path: Path) -> None:
    models = {
        level: make_pipeline(StandardScaler(), LinearRegression()).fit(ROWS[:99], AMOUNT[:99]) for level in (0.1, 0.9)
    }
    report = export_model(models, ROWS[:99], tmp_path, "m")
    assert [output.name for output in report.signature.outputs] == ["quantiles"]


XGBOOST = xgboost.XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9], n_estimators=5, n_jobs=1)
CATBOOST = catboost.CatBoostRegressor(
    loss_function="MultiQuantile:alpha=0.1,0.5,0.9", iterations=5, verbose=0, allow_writing_files=False
)


@pytest.mark.parametrize("model", [XGBOOST, CATBOOST, make_pipeline(StandardScaler(), XGBOOST)])
def test_a_booster_of_several_quantiles_is_a_distribution(model: Any) -> None:
    found = several_quantiles(model.fit(ROWS[TRAIN], AMOUNT[TRAIN]))
    assert found.levels_ == LEVELS
    np.testing.assert_array_equal(found.predict_quantiles(ROWS[KEPT]), np.sort(model.predict(ROWS[KEPT]), axis=1))


@pytest.mark.parametrize(
    "model", [xgboost.XGBRegressor(objective="reg:quantileerror", quantile_alpha=0.5), LinearRegression(), "model"]
)
def test_any_other_model_stays_as_it_is(model: Any) -> None:
    assert several_quantiles(model) is model


def test_buckets_interpolate_their_distribution_function(reports: dict[str, Report]) -> None:
    model = buckets()
    shares = model.classifier.predict_proba(ROWS[FRESH][:50])
    expected = [np.interp(LEVELS, np.r_[0.0, row.cumsum()], EDGES) for row in shares]
    found = load(reports["buckets"].path).predict(ROWS[FRESH][:50])["quantiles"]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_bucket_without_probability() -> None:
    class Sure(LogisticRegression):  # type: ignore[misc]
        """Never in the second of three buckets."""

        def predict_proba(self, X: Any) -> Any:  # noqa: N803
            return np.tile([0.5, 0.0, 0.5], (len(X), 1))

    model = Sure().fit(ROWS[:30], [0, 1, 2] * 10)
    found = Buckets(model, [0, 1, 2, 3], (0.25, 0.5, 0.75)).predict_quantiles(ROWS[:2])
    np.testing.assert_array_equal(found, [[0.5, 1.0, 2.5]] * 2)


ONE, OTHER = (LinearRegression().fit(ROWS[list(names)][:50], AMOUNT[:50]) for names in ("abc", "ab"))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({}, "has a quantile"),
        ({"low": ONE}, "has a quantile"),
        ({0.5: ONE, 1.5: ONE}, "between 0 and 1"),
        ({0.5: ONE, 0.9: OTHER}, "different features"),
        ({0.5: ONE, 0.9: LinearRegression()}, "not fitted"),
        ({0.5: ONE, 0.9: "model"}, "is no estimator"),
    ],
)
def test_models_that_are_no_distribution(tmp_path: Path, models: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export_model(models, ROWS[:50], tmp_path, "m")


@pytest.mark.parametrize(
    ("edges", "message"), [([0, 1], "one more than"), ([0, 2, 1, 3], "ascend"), ([0, 1, 2, 3], "")]
)
def test_edges_that_are_none(edges: list[float], message: str) -> None:
    model = LogisticRegression().fit(ROWS[:30], [0, 1, 2] * 10)
    if message:
        with pytest.raises(ExportError, match=message):
            Buckets(model, edges)
    else:
        assert Buckets(model, edges).names == ["0.1", "0.5", "0.9"]


def test_levels_ascend() -> None:
    with pytest.raises(ExportError, match="ascend"):
        ByModel([0.9, 0.1], [ONE, ONE])


def test_a_margin_below_zero_never_turns_an_interval_around() -> None:
    conformal = Conformal(method=Method.CQR, coverage=0.5, margin=-2.0, rows=10)
    narrow = {"quantiles": np.array([[0.0, 1.0], [0.0, 10.0]])}
    assert region(conformal, narrow)["interval"].tolist() == [[0.5, 0.5], [2.0, 8.0]]
    wide = region(replace(conformal, margin=1.0), narrow)["interval"]
    assert wide.tolist() == [[-1.0, 2.0], [-1.0, 11.0]]
