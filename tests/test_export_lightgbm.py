"""LightGBM: every objective and way with missing values and categories, equal to the last bits of a double."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app import load
from app.signature import Array
from export import ExportError, UnsupportedModel, export_model
from export.frameworks.lightgbm import ZERO

_RANDOM = np.random.default_rng(0)
ROWS = 200
WHOLE = _RANDOM.normal(size=(ROWS, 4))
WHOLE[:, 1] = _RANDOM.integers(0, 12, ROWS)
WHOLE[:, 2] *= _RANDOM.random(ROWS) < 0.7
HOLED = np.where(_RANDOM.random(WHOLE.shape) < 0.1, np.nan, WHOLE)
AMOUNT = WHOLE[:, 0] + 2 * np.sin(WHOLE[:, 1]) + WHOLE[:, 2] * WHOLE[:, 3]
SHARE = (np.abs(AMOUNT) + 0.1) / (np.abs(AMOUNT).max() + 0.2)
THREE = np.array(["low", "middle", "high"])[np.digitize(AMOUNT, [-1, 1])]
LARGE = np.c_[_RANDOM.integers(-5, 2**30, ROWS), _RANDOM.integers(0, 12, ROWS)]

SMALL: dict[str, Any] = {"n_estimators": 8, "num_leaves": 6, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
NATIVE: dict[str, Any] = {"num_leaves": 6, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1}
BAGGED: dict[str, Any] = {"boosting_type": "rf", "subsample": 0.6, "subsample_freq": 1}

Case = Callable[[], tuple[Any, Any]]


def frame() -> pd.DataFrame:
    letters = np.array([*"abcdefgh", None], dtype=object)[_RANDOM.integers(0, 9, ROWS)]
    return pd.DataFrame(
        {
            "size (cm)": HOLED[:, 0],
            "letter": pd.Categorical(letters, categories=list("hgfedcbax")),
            "grade": pd.Categorical(_RANDOM.integers(0, 5, ROWS) * 3, ordered=True),
            "kind": pd.Series(_RANDOM.integers(0, 6, ROWS)).astype("category"),
            "tenth": pd.Categorical(_RANDOM.integers(0, 4, ROWS) / 10),
            "even": pd.Categorical(_RANDOM.random(ROWS) < 0.5),
            "flag": _RANDOM.random(ROWS) < 0.5,
            "single": HOLED[:, 3].astype(np.float32),
            "count": pd.Series(LARGE[:, 1]).astype("Int64").mask(_RANDOM.random(ROWS) < 0.1),
        }
    )


FRAME = frame()
WORTH = (
    FRAME["letter"].cat.codes % 3
    + FRAME["kind"].cat.codes % 2 * 2.0
    + FRAME["grade"].cat.codes
    + FRAME["tenth"].cat.codes % 2
    + FRAME["even"].cat.codes
    + np.nan_to_num(AMOUNT)
).to_numpy()


def regressor(rows: Any = HOLED, target: Array = AMOUNT, fit: Any = None, **options: Any) -> Case:
    return lambda: (LGBMRegressor(**SMALL | options).fit(rows, target, **(fit or {})), rows)


def classifier(rows: Any, target: Array, **options: Any) -> Case:
    return lambda: (LGBMClassifier(**SMALL | options).fit(rows, target), rows)


def ranker(objective: str) -> Case:
    grades = np.digitize(AMOUNT, [-1, 1])
    return lambda: (LGBMRanker(objective=objective, **SMALL).fit(WHOLE, grades, group=[20] * 10), WHOLE)


def trained(rows: Any, target: Array, categorical: Any = "auto", **options: Any) -> Case:
    data = lgb.Dataset(rows, target, categorical_feature=categorical)
    return lambda: (lgb.train(NATIVE | options, data, 6), rows)


def squared_error(label: Array, answer: Array) -> tuple[Array, Array]:
    return answer - label, np.ones_like(label)


def stopped() -> tuple[Any, Any]:
    """It keeps its trees after the best round, and does not ask them."""
    rounds = lgb.Dataset(WHOLE[:150], AMOUNT[:150])
    options: dict[str, Any] = {"keep_training_booster": True, "callbacks": [lgb.early_stopping(3, verbose=False)]}
    held = [lgb.Dataset(WHOLE[150:], AMOUNT[150:], reference=rounds)]
    model = lgb.train(NATIVE | {"learning_rate": 1.2}, rounds, 200, valid_sets=held, **options)
    assert 0 < model.best_iteration < model.current_iteration()
    return model, WHOLE


def reloaded() -> tuple[Any, Any]:
    return lgb.Booster(model_str=trained(FRAME, WORTH)()[0].model_to_string()), FRAME


CASES: dict[str, Case] = {
    **{
        objective: regressor(target=SHARE, objective=objective)
        for objective in ("l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie")
    },
    "cross_entropy_lambda": regressor(target=SHARE, objective="cross_entropy_lambda"),
    "root": regressor(reg_sqrt=True),
    "custom": regressor(objective=squared_error),
    "dart": regressor(boosting_type="dart"),
    "goss": regressor(boosting_type="goss"),
    "forest": regressor(**BAGGED),
    "stopped_early": stopped,
    "constant": regressor(WHOLE[:20], np.full(20, 3.0)),
    "zero_is_missing": regressor(zero_as_missing=True),
    "missing_is_zero": regressor(use_missing=False),
    "linear": regressor(linear_tree=True),
    "tiny": regressor(WHOLE * 1e-36),
    "single": regressor(WHOLE.astype(np.float32)),
    "integers": regressor(LARGE, LARGE[:, 0] / 2**30),
    "integer_categories": regressor(LARGE, np.sin(LARGE[:, 1]) * 3, {"categorical_feature": [1]}),
    "numeric_categories": regressor(HOLED, AMOUNT, {"categorical_feature": [1]}),
    "zero_is_a_category": regressor(HOLED, AMOUNT, {"categorical_feature": [1]}, zero_as_missing=True),
    "frame": regressor(FRAME, WORTH),
    "frame_linear": regressor(FRAME, WORTH, linear_tree=True),
    "frame_one_hot": classifier(FRAME, WORTH > 3, max_cat_to_onehot=100),
    "two": classifier(WHOLE, np.where(AMOUNT > 0, "yes", "no")),
    "two_steep": classifier(WHOLE, AMOUNT > 0, sigmoid=2.5),
    "two_forest": classifier(WHOLE, AMOUNT > 0, **BAGGED),
    "two_by_cross_entropy": classifier(WHOLE, AMOUNT > 0, objective="cross_entropy"),
    "three": classifier(HOLED, THREE),
    "three_one_by_one": classifier(WHOLE, THREE, objective="multiclassova"),
    "three_forest": classifier(WHOLE, THREE, **BAGGED),
    "lambdarank": ranker("lambdarank"),
    "rank_xendcg": ranker("rank_xendcg"),
    "pipeline": lambda: (make_pipeline(StandardScaler(), LGBMRegressor(**SMALL)).fit(HOLED, AMOUNT), HOLED),
    "booster": trained(HOLED, AMOUNT, [1]),
    "booster_binary": trained(WHOLE, (AMOUNT > 0).astype(int), objective="binary"),
    "booster_multiclass": trained(WHOLE, np.digitize(AMOUNT, [-1, 1]), objective="multiclass", num_class=3),
    "booster_of_a_frame_from_a_file": reloaded,
}


@pytest.mark.parametrize("case", CASES)
def test_an_exported_model_answers_as_it_was_trained(case: str, tmp_path: Path) -> None:
    model, sample = CASES[case]()
    report = export_model(model, sample, tmp_path, "model")
    assert report.certificate.flips == 0
    assert report.certificate.worst < 1e-14
    if isinstance(sample, np.ndarray) and sample.dtype == np.float64:
        rows = hostile(model, sample)
        served = load(report.path).predict([dict(zip(["x0", "x1", "x2", "x3"], row, strict=True)) for row in rows])
        asked = model.predict_proba if "probabilities" in served else model.predict
        expected = asked(np.array([[np.nan if value is None else value for value in row] for row in rows]))
        answered = served["probabilities" if "probabilities" in served else "value"]
        np.testing.assert_allclose(answered, expected, rtol=1e-14, atol=1e-14)


def hostile(model: Any, sample: Array) -> list[list[float | None]]:
    """Rows with values on and beside splits, beside what is zero to LightGBM, and no categories."""
    odd = [0.0, -0.0, 1e-36, -1e-36, ZERO, -ZERO, np.nextafter(ZERO, 1), np.nextafter(-ZERO, -1), -0.5, -1.0, -1.5, 1e9]
    booster = getattr(model, "booster_", model)
    text = booster.model_to_string() if isinstance(booster, lgb.Booster) else ""
    lines = [line.split("=")[1].split() for line in text.splitlines() if line.startswith("threshold=")]
    splits = np.unique(np.array([value for line in lines for value in line], dtype=np.float64))[::3]
    values = [*odd, *splits, *np.nextafter(splits, -np.inf), *np.nextafter(splits, np.inf)]
    missing = [None] if np.isnan(sample).any() else []
    rows = []
    for index, value in enumerate([*values, *missing]):
        for column in range(sample.shape[1]):
            row = [None if np.isnan(one) else one for one in sample[index % len(sample)].tolist()]
            row[column] = value if value is None else float(value)
            rows.append(row)
    return rows


def test_integers_of_an_array_are_rounded_as_lightgbm_rounds_them(tmp_path: Path) -> None:
    """It takes an array of integers for float32, in which 2**24 + 1 is 2**24; of a DataFrame, for doubles."""
    rows = 2**24 + np.arange(100).reshape(-1, 1) * 2
    target = np.arange(100) % 7
    for sample in (rows, pd.DataFrame(rows, columns=["x0"])):
        model = LGBMRegressor(**SMALL).fit(sample, target)
        served = load(export_model(model, sample, tmp_path, "model").path)
        asked = np.arange(2**24, 2**24 + 250).reshape(-1, 1)
        expected = model.predict(asked if isinstance(sample, np.ndarray) else pd.DataFrame(asked, columns=["x0"]))
        assert served.predict({"x0": asked[:, 0].tolist()})["value"].tolist() == np.asarray(expected).tolist()


def test_the_contract_lists_the_categories(tmp_path: Path) -> None:
    report = export_model(*CASES["frame"](), tmp_path, "model")
    found = {feature.name: feature for feature in report.signature.features}
    assert list(found) == list(FRAME.columns)
    assert set(found["letter"].categories) == set("abcdefghx")
    assert found["letter"].closed
    assert found["letter"].nullable


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (classifier(WHOLE, AMOUNT > 0, objective=squared_error), "objective of its own"),
        (classifier(WHOLE, AMOUNT > 0, pred_early_stop=True), "skips trees"),
    ],
)
def test_what_is_not_exact_is_refused(case: Case, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=message):
        export_model(*case(), tmp_path, "model")


def test_a_sample_without_the_categories_is_refused(tmp_path: Path) -> None:
    model, sample = CASES["frame"]()
    with pytest.raises(ExportError, match="train and valid dataset categorical_feature do not match"):
        export_model(model, sample.assign(letter=1.5), tmp_path, "model")
