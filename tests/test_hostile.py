"""The rows that the parity check makes: where they stand, and that no contract refuses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor, StackingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from app import load
from app.signature import Datatype, Feature
from export import ParityError, export_model
from export.conversion import compiled, unbounded
from export.frameworks import Answers, fallback, predictor
from export.graph import Columns, Graph
from export.hostile import Hostile
from export.original import Original
from export.reading import read_sample
from export.sample import Row
from tests.export_models import AMOUNT, HOLED, NUMBERS, TWO
from tests.matrix.data import DATA


def rows_by_check(model: Any, sample: Any, tmp_path: Path) -> dict[str, list[Row]]:
    """What the export of a model tries, by check."""
    served = load(export_model(model, sample, tmp_path, "m", tolerance=1e9).path)
    original = Original(model, read_sample(sample, model, None))
    graph, _ = compiled(original, unbounded(original, "key"))
    return {
        trial.check: list(trial.rows) for trial in Hostile(served, original.sample.spread(16), graph).checks(original)
    }


@pytest.mark.parametrize(("step", "apart"), [(StandardScaler(), 1e-14), (FunctionTransformer(np.tanh), 2e-9)])
def test_trees_behind_a_step_are_tried_on_both_sides_of_their_splits(step: Any, apart: float, tmp_path: Path) -> None:
    rows = NUMBERS / [1, 10, 0.1, 1000]
    model = make_pipeline(step, DecisionTreeRegressor(max_depth=3, random_state=0)).fit(rows, AMOUNT)
    tried = rows_by_check(model, rows, tmp_path)["computed_thresholds"]
    computed = model[0].transform(np.array([[row[f"x{index}"] for index in range(4)] for row in tried]))
    tree = model[-1].tree_
    for column, threshold in zip(tree.feature, tree.threshold, strict=True):
        if column >= 0:
            off = (computed[:, column] - threshold) / max(abs(threshold), 1e-3)
            assert ((off > 0) & (off < apart)).any()
            assert ((off <= 0) & (off > -apart)).any()


def test_integers_stand_beside_the_split(tmp_path: Path) -> None:
    rows = pd.DataFrame({"n": np.arange(240) * 10})
    model = make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=1)).fit(rows, np.arange(240) >= 100)
    tried = {row["n"] for row in rows_by_check(model, rows, tmp_path)["computed_thresholds"]}
    assert {994, 996} <= tried
    assert all(isinstance(value, int) for value in tried)


class Rounded(DecisionTreeRegressor):  # type: ignore[misc]  # scikit-learn is untyped
    """A tree whose conversion, below, goes the other way at one double."""


@predictor(Rounded)
def rounded(graph: Graph, model: Any, columns: Columns) -> Answers:
    """One split, read in double: wrong for what rounds to the threshold in float32 and is above it."""
    tree, column = model.tree_, int(model.tree_.feature[0])
    graph.note_thresholds(columns, [(column, float(tree.threshold[0]))])
    over = graph.op("Greater", graph.matrix((columns[column],)), graph.constant(float(tree.threshold[0])))
    left, right = (graph.constant(float(tree.value[side, 0, 0])) for side in (1, 2))
    return {"value": graph.op("Reshape", graph.op("Where", over, right, left), graph.constant([-1], np.int64))}


@pytest.mark.parametrize("step", [FunctionTransformer(), StandardScaler()])
def test_a_split_that_is_wrong_between_two_floats_is_found(step: Any, tmp_path: Path) -> None:
    rows = np.round(NUMBERS)
    model = make_pipeline(step, Rounded(max_depth=1, random_state=0)).fit(rows, AMOUNT)
    with pytest.raises(ParityError) as raised:
        export_model(model, rows, tmp_path, "m")
    checks = {mismatch.check for mismatch in raised.value.mismatches}
    assert checks & ({"thresholds"} if isinstance(step, FunctionTransformer) else {"computed_thresholds"})


def test_trees_inside_what_skl2onnx_writes_are_tried_at_their_splits() -> None:
    stack = StackingRegressor([("tree", DecisionTreeRegressor(max_depth=3, random_state=0))], Ridge(), cv=2)
    stack.fit(NUMBERS, AMOUNT)
    tree = stack.estimators_[0].tree_
    graph = Graph()
    columns = graph.inputs([Feature(name=f"x{i}", datatype=Datatype.FP64) for i in range(4)], [np.float64] * 4)
    fallback.predict(graph, stack, columns)
    found = {value for values in graph.thresholds.values() for value in values}
    assert found == set(tree.threshold[tree.feature >= 0])


def test_several_missing_at_once(tmp_path: Path) -> None:
    model = make_pipeline(SimpleImputer(), HistGradientBoostingRegressor(max_iter=3)).fit(HOLED, AMOUNT)
    holes = [[value is None for value in row.values()] for row in rows_by_check(model, HOLED, tmp_path)["missing"]]
    assert len(holes) == 7
    assert [True] * 4 in holes


def test_all_columns_far_out_at_once(tmp_path: Path) -> None:
    """Each alone may be 1e150, as its square still is a number; the product of three may not."""
    steps = PolynomialFeatures(3, interaction_only=True)
    rows = NUMBERS / [1, 10, 0.1, 1000]
    model = make_pipeline(steps, LinearRegression()).fit(rows, AMOUNT)
    signature = export_model(model, rows, tmp_path, "m").signature
    widest = {f"x{index}": feature.range[1] for index, feature in enumerate(signature.features)}
    assert all(1e6 <= value < 1e104 for value in widest.values())
    served = load(tmp_path / "m/1").predict([widest])["value"]
    assert np.isfinite(served).all()
    assert served == pytest.approx(model.predict([list(widest.values())]), rel=1e-5)


def test_a_row_far_out_is_answered_alone_as_among_others(tmp_path: Path) -> None:
    """At the largest doubles, a product of one row overflows where that of several rows does not."""
    rows = DATA["scaled, three classes"].rows
    model = SGDClassifier(loss="log_loss", random_state=0).fit(rows, DATA["scaled, three classes"].target)
    signature = export_model(model, rows, tmp_path, "m").signature
    for side in (0, 1):
        row = np.array([[feature.range[side] for feature in signature.features]])
        with np.errstate(all="ignore"):
            assert np.isfinite(model.predict_proba(row)).all()


def test_what_was_declared_is_not_narrowed(tmp_path: Path) -> None:
    model = Ridge().fit(NUMBERS, AMOUNT)
    report = export_model(model, NUMBERS, tmp_path, "m", features={"x0": {"maximum": 1e305, "minimum": -3.5}})
    assert report.signature.features[0].range == (-3.5, 1e305)


def test_texts_are_rewritten(tmp_path: Path) -> None:
    texts = [f"{word} Shop" for word in TWO]
    model = make_pipeline(CountVectorizer(), LinearRegression()).fit(texts, AMOUNT)
    tried = {row["text"] for row in rows_by_check(model, texts, tmp_path)["unseen"]}
    assert {"", "日本語", texts[0].upper(), texts[0][::-1], f"{texts[0]} {texts[0]}"} <= tried


def test_tiny_magnitudes_are_tried(tmp_path: Path) -> None:
    tried = rows_by_check(RandomForestRegressor(3, random_state=0).fit(NUMBERS, AMOUNT), NUMBERS, tmp_path)[
        "magnitudes"
    ]
    values = {row["x0"] for row in tried}
    assert {0.0, float(np.float32(1e-35)), -float(np.float32(1e-35)), 5e-324} <= values
