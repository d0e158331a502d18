"""Categories that models take as they are: HistGradientBoosting's own handling of them, whatever type they are of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from app import InvalidRequest, load
from export import ExportError, UnsupportedModel, export_model
from tests.test_export_lightgbm import AMOUNT, CASES, FRAME, HOLED, ROWS, WORTH

FRAME_OF_TEXT = FRAME.assign(letter=FRAME["letter"].astype(object).where(FRAME["letter"].notna(), None))
SMALL: dict[str, Any] = {"max_iter": 8, "max_leaf_nodes": 6, "min_samples_leaf": 5, "random_state": 0}
POSITIVE = np.abs(WORTH) + 0.1
CODES = np.where(np.isnan(HOLED[:, 1]), np.nan, HOLED[:, 1] % 5)
NUMBERED = np.c_[HOLED[:, 0], CODES, HOLED[:, 2]]

Case = Callable[[], tuple[Any, Any]]


def regressor(rows: Any = FRAME, target: Any = WORTH, **options: Any) -> Case:
    return lambda: (HistGradientBoostingRegressor(**SMALL | options).fit(rows, target), rows)


def encoded() -> tuple[Any, Any]:
    words = FRAME[["letter", "even"]]
    steps = OrdinalEncoder(), HistGradientBoostingRegressor(**SMALL, categorical_features=[0])
    return make_pipeline(*steps).fit(words, WORTH), words


MODELS: dict[str, Case] = {
    "from_dtype": regressor(),
    "by_name": regressor(FRAME_OF_TEXT, categorical_features=["letter", "kind"]),
    "by_mask": regressor(NUMBERED, AMOUNT, categorical_features=[False, True, False]),
    "by_index": regressor(NUMBERED, AMOUNT, categorical_features=[1]),
    "poisson": regressor(target=POSITIVE, loss="poisson"),
    "gamma": regressor(target=POSITIVE, loss="gamma"),
    "quantile": regressor(loss="quantile", quantile=0.8),
    "absolute_error": regressor(loss="absolute_error"),
    "stopped_early": regressor(early_stopping=True, n_iter_no_change=1),
    "monotonic": regressor(NUMBERED, AMOUNT, monotonic_cst=[1, 0, 0]),
    "classifier": lambda: (HistGradientBoostingClassifier(**SMALL).fit(FRAME, np.digitize(WORTH, [2, 4])), FRAME),
    "after_an_encoder": encoded,
}


@pytest.mark.parametrize("case", MODELS)
def test_an_exported_model_answers_as_it_was_trained(case: str, tmp_path: Path) -> None:
    model, sample = MODELS[case]()
    report = export_model(model, sample, tmp_path, "model")
    assert report.certificate.flips == 0
    assert report.certificate.worst < 1e-14


def test_values_between_categories_are_unknown(tmp_path: Path) -> None:
    """And so are missing, to whose side they go."""
    model, sample = MODELS["by_mask"]()
    rows = np.array([[size, code, 0.5] for code in (-1, 0.5, 2, 2.000001, 7, 255, 256, 1e9) for size in (-1, 0, 1)])
    served = load(export_model(model, sample, tmp_path, "model").path)
    assert served.predict(rows)["value"].tolist() == model.predict(rows).tolist()


def test_categories_that_pandas_lost_are_refused_where_the_model_refuses_them(tmp_path: Path) -> None:
    """LightGBM takes no column that is not of the categories it knows, HistGradientBoosting any."""
    lightgbm, hist = CASES["frame"](), MODELS["from_dtype"]()
    found = {name: export_model(*case, tmp_path, name) for name, case in (("lightgbm", lightgbm), ("hist", hist))}
    row = {feature.name: feature.example for feature in found["hist"].signature.features} | {"letter": "z"}
    with pytest.raises(InvalidRequest, match="'letter' must be one of"):
        load(found["lightgbm"].path).predict([row])
    assert load(found["hist"].path).predict([row | {"letter": None}]) == load(found["hist"].path).predict([row])


def test_none_beside_nan_is_refused(tmp_path: Path) -> None:
    words = pd.DataFrame({"word": pd.Series(["a", "b", None, np.nan] * (ROWS // 4), dtype=object)})
    model = HistGradientBoostingRegressor(**SMALL, categorical_features=[0]).fit(words, WORTH)
    with pytest.raises(UnsupportedModel, match="None from NaN"):
        export_model(model, words, tmp_path, "model")


def test_categories_that_have_no_json_type_are_refused(tmp_path: Path) -> None:
    binned = pd.DataFrame({"bin": pd.cut(AMOUNT, 4)})
    model = HistGradientBoostingRegressor(**SMALL).fit(binned.assign(bin=binned["bin"].cat.codes), WORTH)
    with pytest.raises(ExportError, match="interval"):
        export_model(model, binned, tmp_path, "model")
