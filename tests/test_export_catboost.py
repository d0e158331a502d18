"""CatBoost: every loss, kind of tree, label and missing value, on rows that the exporter did not choose."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost, CatBoostClassifier, CatBoostRanker, CatBoostRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from app import load
from app.signature import Kind
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
WORDS = np.array(["low", "middle", "high"])[THREE]
MIXED = pd.DataFrame(
    {
        "word": RANDOM.choice(["a", "bb", "ç", 'q"', ""], ROWS),
        "kind": pd.Categorical(RANDOM.choice(["x", "y", "z"], ROWS)),
        "code": RANDOM.integers(-2, 3, ROWS),
        "flag": RANDOM.random(ROWS) < 0.5,
        "always": "same",
        "size": HOLED[:, 0],
    }
)
CATEGORIES = ["word", "kind", "code", "flag", "always"]
WORTH = AMOUNT + 3 * MIXED["word"].isin(["bb", "ç"]) * MIXED["flag"] - 2 * (MIXED["code"] == 1)
SMALL = {"iterations": 6, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}

Fitted = tuple[Any, Any]
"""A fitted model, and a sample for it."""


def fitted(kind: Any, rows: Any, target: Any, **options: Any) -> Fitted:
    return kind(**{**SMALL, **options}).fit(rows, target), rows


regressor = partial(fitted, CatBoostRegressor)
classifier = partial(fitted, CatBoostClassifier)


def categorical(kind: Any, target: Any, **options: Any) -> Fitted:
    return fitted(kind, MIXED, target, cat_features=CATEGORIES, **{"iterations": 25, **options})


def with_threshold() -> Fitted:
    model, sample = classifier(HOLED, TWO)
    model.set_probability_threshold(0.3)
    return model, sample


def scaled() -> Fitted:
    model, sample = regressor(HOLED, AMOUNT)
    model.set_scale_and_bias(2.5, 0.25)
    return model, sample


def ranker() -> Fitted:
    return CatBoostRanker(**SMALL).fit(HOLED, TWO, group_id=np.arange(ROWS) // 10), HOLED


def of_no_kind() -> Fitted:
    return CatBoost({**SMALL, "loss_function": "Logloss"}).fit(HOLED, TWO), HOLED


CASES: dict[str, Callable[[], Fitted]] = {
    **{
        loss: partial(regressor, HOLED, target, loss_function=loss)
        for loss, target in [
            ("RMSE", AMOUNT),
            ("RMSEWithUncertainty", AMOUNT),
            ("MultiRMSE", np.c_[AMOUNT, POSITIVE]),
            ("Poisson", POSITIVE),
            ("Tweedie:variance_power=1.5", POSITIVE),
        ]
    },
    **{
        loss: partial(classifier, HOLED, target, loss_function=loss)
        for loss, target in [
            ("Logloss", TWO),
            ("CrossEntropy", TWO),
            ("MultiClass", THREE),
            ("MultiClassOneVsAll", WORDS),
        ]
    },
    "labels of text": partial(classifier, HOLED, WORDS),
    "labels true and false": partial(classifier, HOLED, TWO > 0),
    "labels of float": partial(classifier, HOLED, TWO + 0.5),
    "depthwise": partial(classifier, HOLED, THREE, grow_policy="Depthwise"),
    "lossguide": partial(regressor, HOLED, AMOUNT, grow_policy="Lossguide"),
    "missing is largest": partial(regressor, HOLED, AMOUNT, nan_mode="Max"),
    "missing is forbidden": partial(regressor, NUMBERS, AMOUNT, nan_mode="Forbidden"),
    "probability threshold": with_threshold,
    "scale and bias": scaled,
    "ranker": ranker,
    "float32": partial(classifier, HOLED.astype(np.float32), TWO),
    "names": partial(regressor, pd.DataFrame(HOLED, columns=["a b", "c", "ç"]), AMOUNT),
    "no kind": of_no_kind,
    "tests of categories": partial(categorical, CatBoostRegressor, WORTH, one_hot_max_size=9),
    "tests, lossguide": partial(categorical, CatBoostRegressor, WORTH, one_hot_max_size=9, grow_policy="Lossguide"),
    "statistics": partial(categorical, CatBoostClassifier, WORTH > 0, max_ctr_complexity=1),
    "statistics of combinations": partial(categorical, CatBoostClassifier, WORTH > 0, depth=5),
    "statistics of numbers": partial(categorical, CatBoostRegressor, WORTH),
    "statistics of three classes": partial(categorical, CatBoostClassifier, THREE),
    "statistics of other types": partial(
        categorical,
        CatBoostClassifier,
        WORTH > 0,
        simple_ctr=["Buckets", "Counter", "BinarizedTargetMeanValue"],
        combinations_ctr=["Counter", "Buckets"],
    ),
    "categories in an array": partial(
        fitted,
        CatBoostClassifier,
        MIXED[["word", "code"]].assign(size=NUMBERS[:, 0]).to_numpy(),
        WORTH > 0,
        cat_features=[0, 1],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_catboost_answers_as_it_was_trained(case: str, tmp_path: Path) -> None:
    model, sample = CASES[case]()
    report = export_model(model, sample, tmp_path, "model")
    found = check(model, sample, report.path)
    assert not found.fault
    assert found.worst < 1e-12


def test_trees_and_their_sums_are_exact(tmp_path: Path) -> None:
    model, sample = regressor(HOLED, AMOUNT, iterations=50, depth=5)
    report = export_model(model, sample, tmp_path, "model")
    assert report.certificate.exact == ("value",)
    rows = RANDOM.normal(size=(2000, 3)) * [1, 10, 0.1]
    assert (load(report.path).predict(rows)["value"] == model.predict(rows)).all()


def test_a_catboost_of_no_kind_answers_raw_values(tmp_path: Path) -> None:
    report = export_model(*of_no_kind(), tmp_path, "model")
    assert report.signature.kind is Kind.REGRESSOR


@pytest.mark.parametrize("options", [{}, {"one_hot_max_size": 9}])
def test_categories_are_closed_where_the_sample_lacks_some(options: dict[str, Any], tmp_path: Path) -> None:
    """The model knows a hash of which nobody says what it was; with all categories any other value is answered."""
    model, sample = categorical(CatBoostClassifier, WORTH > 0, **options)
    for part, closed in ((sample, False), (sample[sample["word"] != "bb"], True)):
        report = export_model(model, part, tmp_path, "model")
        assert report.signature.features[0].closed is closed
        assert report.certificate.exact == ()
        assert not check(model, part, report.path).fault


def test_too_many_combinations_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("export.frameworks.catboost.categories.LARGEST_TABLE", 5)
    with pytest.raises(UnsupportedModel, match="max_ctr_complexity=1"):
        export_model(*categorical(CatBoostClassifier, WORTH > 0), tmp_path, "model")


def test_categories_made_on_the_way_are_refused(tmp_path: Path) -> None:
    codes = MIXED[["word", "code"]].assign(word=MIXED["word"].astype("category").cat.codes)
    model = make_pipeline(OrdinalEncoder(dtype=int), CatBoostClassifier(**SMALL, cat_features=[0, 1]))
    with pytest.raises(UnsupportedModel, match="that a step before it makes"):
        export_model(model.fit(codes, WORTH > 0), codes, tmp_path, "model")


def test_text_features_are_refused(tmp_path: Path) -> None:
    rows = pd.DataFrame({"x": NUMBERS[:, 0], "text": np.array(["a b c", "b c d", "c d a"])[np.arange(ROWS) % 3]})
    model = CatBoostClassifier(**SMALL, text_features=["text"]).fit(rows, TWO)
    with pytest.raises(UnsupportedModel, match="text or embedding features"):
        export_model(model, rows, tmp_path, "model")
