"""What a certificate claims for every input: held on every threshold of every tree, and on its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from app import Model, load
from app.bundle import Certificate
from app.signature import Array
from export import export_model
from export.exactness import exact_outputs
from export.frameworks.sklearn import trees
from export.graph import Graph
from tests.export_models import AMOUNT, HOLED, MIXED, NUMBERS, THREE, TWO

Split = tuple[int, float]
"""A column, and a threshold that a tree has on it."""

SMALL: dict[str, Any] = {"n_estimators": 12, "random_state": 0}
CLASSIFIERS: dict[str, tuple[Any, Any, Any, set[str]]] = {
    "tree": (DecisionTreeClassifier(random_state=0), NUMBERS, THREE, {"label", "probabilities"}),
    "forest": (RandomForestClassifier(**SMALL), NUMBERS, THREE, {"label", "probabilities"}),
    "forest with holes": (RandomForestClassifier(**SMALL), HOLED, TWO, {"label", "probabilities"}),
    "forest of float32": (RandomForestClassifier(**SMALL), NUMBERS.astype(np.float32), TWO, {"label", "probabilities"}),
    "boosting": (GradientBoostingClassifier(**SMALL), NUMBERS, THREE, {"label"}),
    "boosting of two": (GradientBoostingClassifier(**SMALL, loss="exponential"), NUMBERS, TWO, {"label"}),
    "histogram boosting": (HistGradientBoostingClassifier(max_iter=12), NUMBERS, THREE, {"label"}),
    "histogram boosting with holes": (HistGradientBoostingClassifier(max_iter=12), HOLED, TWO, {"label"}),
}
REGRESSORS: dict[str, tuple[Any, Any]] = {
    "tree": (DecisionTreeRegressor(random_state=0), NUMBERS),
    "forest": (RandomForestRegressor(**SMALL), NUMBERS),
    "extra trees": (ExtraTreesRegressor(**SMALL), NUMBERS),
    "boosting": (GradientBoostingRegressor(**SMALL), NUMBERS),
    "histogram boosting": (HistGradientBoostingRegressor(max_iter=12), HOLED),
}
SCALERS = [StandardScaler(), RobustScaler(), MinMaxScaler(clip=True), make_pipeline(StandardScaler(), MinMaxScaler())]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Boosting of so few rows only waits for its threads."""
    with threadpool_limits(1):
        yield


def exported(model: Any, sample: Any, folder: Path) -> tuple[Model, Certificate]:
    path = export_model(model, sample, folder, "m").path
    loaded = load(path)
    return loaded, loaded.manifest.certificate


def splits(model: Any) -> Iterator[Split]:
    """Every split of every tree of a fitted model."""
    for stage in getattr(model, "_predictors", []):
        for predictor in stage:
            inner = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            yield from zip(inner["feature_idx"].tolist(), inner["num_threshold"].tolist(), strict=True)
    for member in np.ravel(getattr(model, "estimators_", [model])):
        if hasattr(member, "tree_"):
            inner = member.tree_.feature >= 0
            yield from zip(member.tree_.feature[inner].tolist(), member.tree_.threshold[inner].tolist(), strict=True)


def beside(threshold: float) -> list[float]:
    """A threshold, its neighbours in double, and its neighbours in float32 with theirs."""
    single = np.float32(threshold)
    around = [single, np.nextafter(single, np.float32(-np.inf)), np.nextafter(single, np.float32(np.inf))]
    middles = [(float(one) + float(single)) / 2 for one in around]  # where a double is rounded to the one or the other
    points = [threshold, *map(float, around), *middles]
    return [float(np.nextafter(point, side)) for point in points for side in (-np.inf, point, np.inf)]


def beside_splits(model: Any, sample: Array) -> Array:
    """Rows of a sample with one value on, or next to, each split."""
    known = dict.fromkeys(split for split in splits(model) if np.isfinite(split[1]))
    changes = [(column, value) for column, threshold in known for value in beside(threshold)]
    rows = np.resize(sample.astype(np.float64), (len(changes), sample.shape[1]))
    for row, (column, value) in zip(rows, changes, strict=True):
        row[column] = value
    return rows.astype(sample.dtype)


def mappings(rows: Array) -> list[dict[str, Any]]:
    """Rows as a client sends them, with None for a missing value."""
    return [{f"x{i}": None if np.isnan(v) else v for i, v in enumerate(row)} for row in rows.astype(float).tolist()]


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_classifiers_decide_as_trained_beside_every_split(case: str, tmp_path: Path) -> None:
    model, sample, target, exact = CLASSIFIERS[case]
    model = model.fit(sample, target)
    served, certificate = exported(model, sample, tmp_path)
    assert set(certificate.exact) == exact
    rows = beside_splits(model, sample)
    answers = served.predict(mappings(rows))
    assert len(rows) > 200
    assert (answers["label"] == model.predict(rows)).all()
    if "probabilities" in exact:
        assert (answers["probabilities"] == model.predict_proba(rows)).all()


@pytest.mark.parametrize("case", REGRESSORS)
def test_regressors_answer_as_trained_beside_every_split(case: str, tmp_path: Path) -> None:
    model, sample = REGRESSORS[case]
    model = model.fit(sample, AMOUNT)
    served, certificate = exported(model, sample, tmp_path)
    assert certificate.exact == ("value",)
    rows = beside_splits(model, sample)
    assert (served.predict(mappings(rows))["value"] == model.predict(rows)).all()


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_scalers_before_trees_are_exact_too(scaler: Any, tmp_path: Path) -> None:
    """At the neighbouring doubles between which the scaled value crosses a split, found by bisection."""
    model = make_pipeline(scaler, RandomForestRegressor(6, random_state=0)).fit(NUMBERS, AMOUNT)
    served, certificate = exported(model, NUMBERS, tmp_path)
    assert certificate.exact == ("value",)
    known = list(dict.fromkeys(splits(model[-1])))
    columns = np.array([column for column, _ in known])
    thresholds = np.array([threshold for _, threshold in known])
    picked = np.arange(len(known))
    low, high = (np.resize(NUMBERS, (len(known), 4)) for _ in range(2))
    low[picked, columns], high[picked, columns] = NUMBERS.min(axis=0)[columns], NUMBERS.max(axis=0)[columns]
    for _ in range(70):
        middle = (low + high) / 2
        left = model[0].transform(middle)[picked, columns].astype(np.float32) <= thresholds
        low, high = np.where(left[:, None], middle, low), np.where(left[:, None], high, middle)
    rows = np.vstack([low, high])
    assert (served.predict(rows)["value"] == model.predict(rows)).all()
    assert (np.nextafter(low, high)[picked, columns] == high[picked, columns]).mean() > 0.9


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_scalers_compute_in_float32_where_scikit_learn_does(scaler: Any, tmp_path: Path) -> None:
    """Beside the splits, where a double that was never rounded is on the other side."""
    single = NUMBERS.astype(np.float32)
    model = make_pipeline(scaler, RandomForestRegressor(6, random_state=0)).fit(single, AMOUNT)
    served, _ = exported(model, single, tmp_path)
    known = list(dict.fromkeys(splits(model[-1])))
    columns = np.array([column for column, _ in known])
    low, high = (np.resize(single, (len(known), 4)) for _ in range(2))
    picked = np.arange(len(known))
    low[picked, columns], high[picked, columns] = single.min(axis=0)[columns], single.max(axis=0)[columns]
    for _ in range(40):
        middle = low + (high - low) / np.float32(2)
        left = model[0].transform(middle)[picked, columns] <= [threshold for _, threshold in known]
        low, high = np.where(left[:, None], middle, low), np.where(left[:, None], high, middle)
    rows = np.vstack([low, high])
    assert (served.predict(rows.astype(float))["value"] == model.predict(rows)).all()


def test_encoders_and_selection_are_exact(tmp_path: Path) -> None:
    frame = MIXED[["count", "shop", "colour"]].assign(colour=MIXED["colour"].fillna("none"))
    unknown = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((OneHotEncoder(), ["shop"]), (unknown, ["colour"]), remainder="passthrough")
    model = make_pipeline(columns, RandomForestClassifier(**SMALL)).fit(frame, TWO)
    served, certificate = exported(model, frame, tmp_path)
    assert set(certificate.exact) == {"label", "probabilities"}
    odd = pd.concat([frame.assign(colour=colour) for colour in ("", "é", "red ", "RED", "nan")], ignore_index=True)
    answers = served.predict(odd.to_dict("records"))
    assert (answers["probabilities"] == model.predict_proba(odd)).all()


@pytest.mark.parametrize(
    "model",
    [
        Ridge(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        VotingRegressor([("forest", RandomForestRegressor(**SMALL)), ("ridge", Ridge())]),
        RandomForestRegressor(**SMALL, n_jobs=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_nothing_is_claimed_of_products_and_of_jobs(model: Any, tmp_path: Path) -> None:
    target = TWO if hasattr(model, "predict_proba") else AMOUNT
    assert exported(model.fit(NUMBERS, target), NUMBERS, tmp_path)[1].exact == ()


def test_nothing_is_claimed_of_a_link(tmp_path: Path) -> None:
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=5).fit(NUMBERS, np.abs(AMOUNT))
    assert exported(model, NUMBERS, tmp_path)[1].exact == ()


def test_nothing_is_claimed_of_arithmetic_on_float32(tmp_path: Path) -> None:
    single = NUMBERS.astype(np.float32)
    assert exported(StandardScaler().fit(single), single, tmp_path)[1].exact == ()
    assert exported(StandardScaler().fit(NUMBERS), NUMBERS, tmp_path)[1].exact == ("transformed",)


def test_nothing_is_claimed_where_products_and_sums_are_fused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "machine", lambda: "aarch64")
    boosting = GradientBoostingRegressor(**SMALL).fit(NUMBERS, AMOUNT)
    assert exported(boosting, NUMBERS, tmp_path)[1].exact == ()
    forest = RandomForestRegressor(**SMALL).fit(NUMBERS, AMOUNT)
    assert exported(forest, NUMBERS, tmp_path)[1].exact == ("value",)


def graph(build: Callable[[Graph], str]) -> tuple[str, ...]:
    built = Graph()
    built.model({"value": (build(built), 11, 0)})
    return exact_outputs(built, ["value"])


def test_the_claim_is_lost_behind_any_node_that_has_no_one_result() -> None:
    assert graph(lambda g: g.op("Add", "numbers", g.constant(1.0))) == ("value",)
    assert graph(lambda g: g.op("Neg", g.op("Exp", "numbers"))) == ()
    assert graph(lambda g: g.op("MatMul", "numbers", g.constant([[1.0]]))) == ()
