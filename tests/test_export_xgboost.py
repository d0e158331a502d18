"""XGBoost: every objective, booster and kind of split, on rows that the exporter did not choose."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from app import load
from app.signature import Array, Kind
from export import UnsupportedModel, export_model
from tests.matrix.check import check

RANDOM = np.random.default_rng(3)
ROWS = 120
NUMBERS = np.round(RANDOM.normal(size=(ROWS, 3)) * [1, 10, 0.1], 3)
HOLED = np.where(RANDOM.random(NUMBERS.shape) < 0.1, np.nan, NUMBERS)
AMOUNT = NUMBERS[:, 0] + NUMBERS[:, 1] * NUMBERS[:, 2]
POSITIVE = np.exp(AMOUNT / 3)
TWO = (AMOUNT > 0).astype(int)
THREE = np.digitize(AMOUNT, [-0.5, 0.5])
SEVERAL = np.c_[AMOUNT, -AMOUNT, AMOUNT**2]
MIXED = pd.DataFrame(
    {
        "word": pd.Categorical(np.array([*"abcdefg", "ç"])[RANDOM.integers(0, 8, ROWS)]),
        "code": pd.Categorical(RANDOM.integers(0, 6, ROWS) * 10),
        "count": RANDOM.integers(0, 9, ROWS),
        "flag": RANDOM.random(ROWS) < 0.5,
        "size": HOLED[:, 0],
    }
)
MIXED.loc[::9, "word"] = None
WORTH = AMOUNT + 3 * MIXED["word"].cat.codes.isin([1, 3, 5]) - 2 * MIXED["code"].cat.codes.isin([1, 2])
CODES = np.c_[MIXED["word"].cat.codes.where(MIXED["word"].notna()), HOLED[:, 0], MIXED["code"].cat.codes].astype(float)

Fitted = tuple[Any, Any]
"""A fitted model, and a sample for it."""


def fitted(kind: Any, rows: Any, target: Any, **options: Any) -> Fitted:
    depth = {} if options.get("booster") == "gblinear" else {"max_depth": 4}
    return kind(**{"n_estimators": 6, "n_jobs": 1, **depth, **options}).fit(rows, target), rows


regressor = partial(fitted, xgb.XGBRegressor)
classifier = partial(fitted, xgb.XGBClassifier)


def trained(rows: Any, target: Any, **options: Any) -> Fitted:
    types = ["c", "q", "c"] if rows is CODES else None
    data = xgb.DMatrix(rows, target, feature_types=types, enable_categorical=True)
    return xgb.train({"nthread": 1, **options}, data, 6), rows


def ranker(objective: str) -> Fitted:
    return xgb.XGBRanker(objective=objective, n_estimators=6, n_jobs=1).fit(
        HOLED, TWO, qid=np.arange(ROWS) // 15
    ), HOLED


def stopped_early() -> Fitted:
    model = xgb.XGBClassifier(n_estimators=60, early_stopping_rounds=2, learning_rate=1.0, n_jobs=1)
    model.fit(HOLED[:60], TWO[:60], eval_set=[(HOLED[60:], TWO[60:])], verbose=False)
    assert len(model.get_booster().get_dump()) > model.best_iteration + 1
    return model, HOLED


def survival() -> Fitted:
    data = xgb.DMatrix(HOLED, label_lower_bound=POSITIVE, label_upper_bound=POSITIVE * 2)
    return xgb.train({"objective": "survival:aft", "nthread": 1}, data, 6), HOLED


def in_a_pipeline() -> Fitted:
    frame = MIXED.drop(columns="code").assign(word=MIXED["word"].astype(object).fillna("none"))
    columns = make_column_transformer((OneHotEncoder(sparse_output=False), ["word"]), remainder="passthrough")
    return make_pipeline(columns, xgb.XGBClassifier(n_estimators=6, n_jobs=1)).fit(frame, TWO), frame


CASES: dict[str, Callable[[], Fitted]] = {
    "several labels": partial(classifier, HOLED, np.c_[AMOUNT > 0, AMOUNT > 3, HOLED[:, 0] > 0].astype(int)),
    **{
        name: partial(regressor, HOLED, target, objective=name, **options)
        for name, target, options in [
            ("reg:squarederror", AMOUNT, {}),
            ("reg:pseudohubererror", AMOUNT, {}),
            ("reg:quantileerror", AMOUNT, {"quantile_alpha": 0.3}),
            ("reg:squaredlogerror", POSITIVE, {}),
            ("reg:logistic", 1 / (1 + POSITIVE), {}),
            ("reg:gamma", POSITIVE, {}),
            ("reg:tweedie", POSITIVE, {}),
            ("count:poisson", THREE, {}),
            ("survival:cox", POSITIVE, {}),
        ]
    },
    "survival:aft": survival,
    **{name: partial(ranker, name) for name in ("rank:pairwise", "rank:ndcg")},
    **{
        name: partial(classifier, HOLED, TWO, objective=name)
        for name in ("binary:logistic", "binary:logitraw", "binary:hinge")
    },
    **{name: partial(classifier, HOLED, THREE, objective=name) for name in ("multi:softprob", "multi:softmax")},
    "base score": partial(classifier, HOLED, TWO, base_score=0.7),
    "early stopping": stopped_early,
    "forest of three": partial(fitted, xgb.XGBRFClassifier, HOLED, THREE),
    "forest of numbers": partial(fitted, xgb.XGBRFRegressor, HOLED, AMOUNT),
    "parallel trees": partial(classifier, HOLED, THREE, num_parallel_tree=3, subsample=0.7),
    "dart": partial(classifier, HOLED, THREE, booster="dart", rate_drop=0.5),
    "linear": partial(fitted, xgb.XGBRegressor, HOLED * 1e5, AMOUNT, booster="gblinear"),
    "linear of three": partial(fitted, xgb.XGBClassifier, HOLED, THREE, booster="gblinear"),
    "several outputs": partial(regressor, HOLED, SEVERAL),
    "vectors in leaves": partial(regressor, HOLED, SEVERAL, multi_strategy="multi_output_tree"),
    "pruned nodes": partial(regressor, HOLED, AMOUNT, tree_method="exact", gamma=5, max_depth=6),
    "trees of one leaf": partial(regressor, HOLED, AMOUNT, gamma=1e9),
    "missing is -1": partial(classifier, np.nan_to_num(HOLED, nan=-1), TWO, missing=-1),
    "missing is 0": partial(classifier, NUMBERS.round(), TWO, missing=0),
    "float32": partial(classifier, HOLED.astype(np.float32), TWO),
    "sets of categories": partial(regressor, MIXED, WORTH, enable_categorical=True, max_cat_to_onehot=1),
    "single categories": partial(classifier, MIXED, WORTH > 0, enable_categorical=True, max_cat_to_onehot=99),
    "codes of categories": partial(
        regressor, CODES, WORTH, enable_categorical=True, feature_types=["c", "q", "c"], max_cat_to_onehot=1
    ),
    "pipeline": in_a_pipeline,
    "booster of two": partial(trained, HOLED, TWO, objective="binary:logistic"),
    "booster of three": partial(trained, HOLED, THREE, objective="multi:softprob", num_class=3),
    "booster of classes": partial(trained, HOLED, THREE, objective="multi:softmax", num_class=3),
    "booster of categories": partial(trained, MIXED, WORTH),
    "booster of codes": partial(trained, CODES, WORTH),
    "booster, dart": partial(trained, HOLED, AMOUNT, booster="dart", rate_drop=0.5),
}


class Asked:
    """A Booster, asked as its documentation says."""

    def __init__(self, booster: xgb.Booster) -> None:
        self._Booster = booster

    def predict(self, rows: Any) -> Array:
        types = None if isinstance(rows, pd.DataFrame) else self._Booster.feature_types
        data = xgb.DMatrix(rows, feature_types=types, enable_categorical=True)
        found: Array = self._Booster.predict(data)
        return found


@pytest.mark.parametrize("case", CASES)
def test_xgboost_answers_as_it_was_trained(case: str, tmp_path: Path) -> None:
    model, sample = CASES[case]()
    report = export_model(model, sample, tmp_path, "model")
    found = check(Asked(model) if isinstance(model, xgb.Booster) else model, sample, report.path)
    assert not found.fault
    assert found.worst < 1e-6


def test_trees_and_their_sums_are_exact(tmp_path: Path) -> None:
    model, sample = regressor(HOLED, AMOUNT, n_estimators=40)
    report = export_model(model, sample, tmp_path, "model")
    assert report.certificate.exact == ("value",)
    assert report.certificate.worst == 0.0
    rows = RANDOM.normal(size=(2000, 3)) * [1, 10, 0.1]
    assert (load(report.path).predict(rows)["value"] == model.predict(rows)).all()


def test_a_booster_answers_what_its_predict_answers(tmp_path: Path) -> None:
    """Which is a probability and no label: nobody told it where to draw the line."""
    report = export_model(*trained(HOLED, TWO, objective="binary:logistic"), tmp_path, "model")
    assert report.signature.kind is Kind.REGRESSOR
    provenance = load(report.path).manifest.provenance
    assert provenance["estimator"] == "xgboost.Booster"
    assert any(name.startswith("xgboost") for name in provenance["libraries"])


def test_categories_are_closed(tmp_path: Path) -> None:
    """XGBoost takes a value that sorts before its first category for that one; the contract refuses it."""
    words = pd.DataFrame({"word": pd.Categorical(np.array(["t", "u", "v"])[np.arange(ROWS) % 3])})
    model, sample = regressor(words, np.arange(ROWS) % 3, enable_categorical=True)
    stranger = pd.DataFrame({"word": pd.Categorical(["a"], ["t", "u", "v", "a"])})
    assert model.predict(stranger) == model.predict(words[:1])
    feature = export_model(model, sample, tmp_path, "model").signature.features[0]
    assert feature.closed
    assert feature.categories == ("t", "u", "v")


def refused_categories() -> Fitted:
    """Trained on other categories than the sample has, and of neither does XGBoost keep enough to tell."""
    words = pd.DataFrame({"word": pd.Categorical(np.array(["é", "ü", "z"])[np.arange(ROWS) % 3], ["z", "ü", "é"])})
    model, _ = regressor(words, np.arange(ROWS) % 3, enable_categorical=True)
    return model, words.assign(word=words["word"].cat.reorder_categories(["é", "ü", "z"]))


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (refused_categories, "categories that are not ASCII"),
        (partial(regressor, MIXED, WORTH, enable_categorical=True, missing=3), "missing=3 for a category's code"),
        (partial(regressor, HOLED, AMOUNT, n_estimators=0), "without trees"),
    ],
)
def test_what_is_refused(build: Callable[[], Fitted], reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=reason):
        export_model(*build(), tmp_path, "model")
