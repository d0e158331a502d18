"""The contract: read from the sample, from what is declared, and found by asking the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.kernel_approximation import PolynomialCountSketch, RBFSampler
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from app import InvalidRequest, load
from app.signature import Datatype, Feature
from export import ExportError, export_model
from tests.export_models import AMOUNT, HOLED, MIXED, NUMBERS, THREE, TWO, mixed_pipeline


def features(model: Any, sample: Any, models: Path, **options: Any) -> dict[str, Feature]:
    report = export_model(model, sample, models, "model", **options)
    return {feature.name: feature for feature in report.signature.features}


@pytest.fixture
def mixed() -> Any:
    return mixed_pipeline(LogisticRegression(max_iter=2000)).fit(MIXED, THREE)


def test_names_types_and_missing_values_come_from_the_sample(mixed: Any, tmp_path: Path) -> None:
    found = features(mixed, MIXED, tmp_path)
    assert {name: (feature.datatype, feature.nullable) for name, feature in found.items()} == {
        "size (cm)": (Datatype.FP64, True),
        "count": (Datatype.INT64, False),
        "colour": (Datatype.BYTES, True),
        "1st": (Datatype.BOOL, False),
        "weight": (Datatype.FP32, False),
        "shop": (Datatype.BYTES, False),
    }
    assert found["colour"].categories == ("", "blå", "green", "none", "red")
    assert found["colour"].unseen
    training = found["size (cm)"].training
    assert training.missing == pytest.approx(MIXED["size (cm)"].isna().mean())
    assert (training.minimum, training.maximum) == (MIXED["size (cm)"].min(), MIXED["size (cm)"].max())
    assert len(training.quantiles) == 11


def test_the_training_shares_are_those_of_the_sample(mixed: Any, tmp_path: Path) -> None:
    found = features(mixed, MIXED, tmp_path)
    for name in ("size (cm)", "count", "weight"):
        training, values = found[name].training, MIXED[name].dropna().to_numpy(float)
        bins = zip((-np.inf, *training.edges), (*training.edges, np.inf), strict=True)
        expected = [((values > low) & (values <= high)).mean() for low, high in bins]
        assert training.shares == pytest.approx(expected)
    colours = MIXED["colour"].dropna()
    assert found["colour"].training.shares == pytest.approx(
        [(colours == one).mean() for one in found["colour"].categories]
    )
    assert found["1st"].training.shares == pytest.approx([1 - MIXED["1st"].mean(), MIXED["1st"].mean()])


def test_the_examples_are_one_row_that_works(mixed: Any, tmp_path: Path) -> None:
    report = export_model(mixed, MIXED, tmp_path, "model")
    row = {feature.name: feature.example for feature in report.signature.features}
    assert None not in row.values()
    trained = mixed.predict(MIXED[(MIXED["count"] == row["count"]) & (MIXED["size (cm)"] == row["size (cm)"])])
    assert load(report.path).predict([row])["label"].tolist() == trained.tolist()


def test_what_the_model_refuses_is_closed(tmp_path: Path) -> None:
    frame = MIXED[["shop", "count"]]
    found = features(make_pipeline(OneHotEncoder(), Ridge()).fit(frame, AMOUNT), frame, tmp_path)
    assert found["shop"].categories == ("north", "south")
    assert found["shop"].closed
    assert found["count"].closed
    assert found["count"].categories == tuple(sorted(map(int, frame["count"].unique())))
    with pytest.raises(InvalidRequest):
        load(tmp_path / "model/1").predict([{"shop": "east", "count": 3}])


def test_categories_that_only_the_encoder_knows_are_listed(tmp_path: Path) -> None:
    frame = MIXED[["shop"]]
    model = make_pipeline(OneHotEncoder(categories=[["east", "north", "south"]]), Ridge()).fit(frame, AMOUNT)
    assert features(model, frame, tmp_path)["shop"].categories == ("east", "north", "south")


def test_a_valid_range_ends_where_the_model_gives_up(tmp_path: Path) -> None:
    forest = RandomForestClassifier(3, random_state=0).fit(NUMBERS, TWO)
    limit = float(np.finfo(np.float32).max)
    assert features(forest, NUMBERS, tmp_path)["x0"].range == (-limit, limit)


def test_a_valid_range_ends_where_the_graph_and_the_model_part(tmp_path: Path) -> None:
    model = make_pipeline(PolynomialFeatures(), StandardScaler()).fit(NUMBERS)
    found = features(model, NUMBERS, tmp_path)["x0"]
    assert found.maximum is not None
    assert 1e15 <= found.maximum <= 1e150


def test_small_integers_are_limited_by_their_type(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 255, (100, 3)).astype(np.uint8)
    model = HistGradientBoostingClassifier(max_iter=3).fit(rows, rows[:, 0] > 100)
    found = features(model, rows, tmp_path)["x1"]
    assert (found.datatype, found.minimum, found.maximum) == (Datatype.INT64, 0, 255)


def test_declared_features_win(tmp_path: Path) -> None:
    model = HistGradientBoostingClassifier(max_iter=3).fit(HOLED[:, :2], TWO)
    declared = {
        "x0": {"description": "Size", "unit": "cm", "minimum": -100, "maximum": 100.5, "example": 1.25},
        "x1": {"nullable": True},
    }
    found = features(model, NUMBERS[:, :2], tmp_path, features=declared)
    assert (found["x0"].description, found["x0"].unit, found["x0"].range) == ("Size", "cm", (-100, 100.5))
    assert (found["x0"].example, found["x0"].nullable, found["x1"].nullable) == (1.25, False, True)


def test_declared_categories_are_added(mixed: Any, tmp_path: Path) -> None:
    found = features(mixed, MIXED, tmp_path, features={"shop": {"categories": ["west"]}})
    assert found["shop"].categories == ("west", "north", "south")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"sizes (cm)": {}}, "Did you mean 'size \\(cm\\)'"),
        ({"count": {"minimun": 0}}, "Did you mean 'minimum'"),
        ({"count": {"minimum": "low"}}, "contract of 'count'"),
        ({"count": {"minimum": 40}}, "breaks the contract.*'count' must be an integer from 40"),
        ({"shop": {"maximum": 3}}, "'shop' holds no numbers"),
        ({"size (cm)": {"nullable": False}}, "breaks the contract.*'size \\(cm\\)' must be a number"),
    ],
)
def test_a_declaration_that_cannot_be_is_an_error(mixed: Any, declared: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        export_model(mixed, MIXED, tmp_path, "model", features=declared)
    assert not list(tmp_path.iterdir())


def test_missing_values_that_the_model_refuses_cannot_be_declared(tmp_path: Path) -> None:
    model = Ridge().fit(NUMBERS, AMOUNT)
    with pytest.raises(ExportError, match="'x1' may be missing, and the model refuses that"):
        export_model(model, NUMBERS, tmp_path, "model", features={"x1": {"nullable": True}})


def test_categories_that_the_model_refuses_cannot_be_declared(tmp_path: Path) -> None:
    frame = MIXED[["shop"]]
    model = make_pipeline(OneHotEncoder(), Ridge()).fit(frame, AMOUNT)
    with pytest.raises(ExportError, match="category 'west' of 'shop', and the model refuses it"):
        export_model(model, frame, tmp_path, "model", features={"shop": {"categories": ["west"]}})


def test_the_key_is_taken_off_the_sample(tmp_path: Path) -> None:
    frame = pd.DataFrame(NUMBERS, columns=list("abcd"))
    model = Ridge().fit(frame, AMOUNT)
    report = export_model(model, frame.assign(order=range(len(frame))), tmp_path, "model", key="order")
    assert (report.signature.key, len(report.signature.features)) == ("order", 4)
    with pytest.raises(ExportError, match=r"no column 'ordr' to be the key\. Did you mean 'order'"):
        export_model(model, frame.assign(order=1), tmp_path, "model", key="ordr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="b"), "lacks 'b'"),
        (lambda frame: frame.assign(e=1), "has 'e' too"),
        (lambda frame: frame.head(0), "no rows"),
        (lambda frame: frame.assign(b=np.nan), "'b' has no value"),
        (lambda frame: frame.set_axis(["a", "b", "b", "d"], axis=1), "several columns named 'b'"),
        (lambda frame: frame.set_axis(["a", 'b"', "c", "d"], axis=1), "a quote, a backslash or a control character"),
        (lambda frame: frame.set_axis(range(4), axis=1), "lacks 'a', 'b'"),
        (lambda frame: frame.assign(b=pd.Timestamp("2026-01-01")), "dtype datetime"),
        (lambda frame: frame.assign(b=pd.Series(["x", *range(len(frame) - 1)], dtype=object)), "mixes 'int', 'str'"),
        (lambda frame: frame.assign(b=np.inf), "refuses"),
        (lambda frame: frame.to_numpy(), "fitted on a DataFrame"),
    ],
)
def test_a_sample_that_does_not_fit_is_an_error(change: Any, message: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(NUMBERS, columns=list("abcd"))
    model = Ridge().fit(frame, AMOUNT)
    with pytest.raises(ExportError, match=message) as raised:
        export_model(model, change(frame), tmp_path, "model")
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_columns_in_another_order_are_put_right(tmp_path: Path) -> None:
    frame = pd.DataFrame(NUMBERS, columns=list("abcd"))
    assert list(features(Ridge().fit(frame, AMOUNT), frame[list("dcba")], tmp_path)) == list("abcd")


@pytest.mark.parametrize("model", [RBFSampler(n_components=8, random_state=0), PolynomialCountSketch(random_state=0)])
def test_a_range_ends_where_a_transformer_answers_no_numbers(model: Any, tmp_path: Path) -> None:
    """Far out both sides answer NaN, which are equal and yet say nothing of what lies before."""
    signature = export_model(model.fit(NUMBERS), NUMBERS, tmp_path, "m").signature
    assert all(abs(end) <= 1e15 for feature in signature.features for end in feature.range)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_a_narrow_integer_is_valid_as_far_as_its_dtype_goes(dtype: Any, tmp_path: Path) -> None:
    rows = pd.DataFrame({"n": (np.arange(len(NUMBERS)) % 50).astype(dtype)})
    signature = export_model(Ridge().fit(rows, AMOUNT), rows, tmp_path, "m").signature
    assert signature.features[0].range == (np.iinfo(dtype).min, np.iinfo(dtype).max)
