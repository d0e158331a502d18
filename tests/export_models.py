"""Small models fitted on small data, each to be exported: every emitter alone, and pipelines as people build them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn import linear_model as lm
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

Fitted = tuple[Any, Any]
"""A fitted model, and a sample for it."""

_RANDOM = np.random.default_rng(0)
ROWS, SCALES = 240, [1, 10, 0.1, 1000]
NUMBERS = np.round(_RANDOM.normal(size=(ROWS, 4)) * SCALES, 3)
AMOUNT = NUMBERS @ [1.0, 0.2, 5.0, 0.001] + NUMBERS[:, 0] * NUMBERS[:, 1]
THREE = np.array(["low", "middle", "high"])[np.digitize(AMOUNT, [-2.0, 2.0])]
TWO = np.where(AMOUNT > 0, "yes", "no")
HOLED = np.where(_RANDOM.random(NUMBERS.shape) < 0.1, np.nan, NUMBERS)


def mixed() -> pd.DataFrame:
    """Numbers, integers, booleans and strings, some of them missing, under names that no identifier could be."""
    words = np.array(["red", "green", "blå", ""], dtype=object)[_RANDOM.integers(0, 4, ROWS)]
    return pd.DataFrame(
        {
            "size (cm)": HOLED[:, 0],
            "count": _RANDOM.integers(0, 50, ROWS),
            "colour": pd.Series(words).where(_RANDOM.random(ROWS) > 0.1, None),
            "1st": _RANDOM.random(ROWS) < 0.5,
            "weight": NUMBERS[:, 3].astype(np.float32),
            "shop": np.array(["north", "south"])[_RANDOM.integers(0, 2, ROWS)],
        }
    )


MIXED = mixed()


def classifiers() -> dict[str, Callable[[], Fitted]]:
    models = {
        "logistic": lm.LogisticRegression(max_iter=10_000),
        "sgd_log": lm.SGDClassifier(loss="log_loss", random_state=0),
        "sgd_hinge": lm.SGDClassifier(random_state=0),
        "ridge": lm.RidgeClassifier(),
        "linear_svc": LinearSVC(),
        "perceptron": lm.Perceptron(),
        "lda": LinearDiscriminantAnalysis(),
        "tree": DecisionTreeClassifier(random_state=0),
        "forest": RandomForestClassifier(12, random_state=0),
        "extra_trees": ExtraTreesClassifier(12, random_state=0),
        "boosting": GradientBoostingClassifier(n_estimators=12, random_state=0),
        "hist": HistGradientBoostingClassifier(max_iter=12, random_state=0),
        "svc_by_skl2onnx": SVC(),
    }
    cases: dict[str, Callable[[], Fitted]] = {}
    for name, model in models.items():
        for suffix, target in (("three", THREE), ("two", TWO)):
            cases[f"{name}_{suffix}"] = _fits(model, NUMBERS, target)
    cases["boosting_exponential"] = _fits(
        GradientBoostingClassifier(loss="exponential", n_estimators=8, random_state=0), NUMBERS, TWO
    )
    return cases


def regressors() -> dict[str, Callable[[], Fitted]]:
    counts = np.maximum(AMOUNT, 0)
    return {
        "linear": _fits(lm.LinearRegression(), NUMBERS, AMOUNT),
        "linear_two_outputs": _fits(lm.LinearRegression(), NUMBERS, np.c_[AMOUNT, -AMOUNT]),
        "ridge": _fits(lm.Ridge(), NUMBERS, AMOUNT),
        "lasso": _fits(lm.Lasso(), NUMBERS, AMOUNT),
        "elastic_net": _fits(lm.ElasticNet(), NUMBERS, AMOUNT),
        "linear_svr": _fits(LinearSVR(), NUMBERS / SCALES, AMOUNT),
        "poisson": _fits(lm.PoissonRegressor(), NUMBERS / SCALES, counts),
        "tweedie": _fits(lm.TweedieRegressor(power=0), NUMBERS, counts),
        "tree": _fits(DecisionTreeRegressor(random_state=0), NUMBERS, AMOUNT),
        "tree_two_outputs": _fits(DecisionTreeRegressor(max_depth=4), NUMBERS, np.c_[AMOUNT, -AMOUNT]),
        "forest": _fits(RandomForestRegressor(12, random_state=0), NUMBERS, AMOUNT),
        "extra_trees": _fits(ExtraTreesRegressor(12, random_state=0), NUMBERS, AMOUNT),
        "boosting": _fits(GradientBoostingRegressor(n_estimators=12, random_state=0), NUMBERS, AMOUNT),
        "boosting_from_zero": _fits(GradientBoostingRegressor(init="zero", n_estimators=5), NUMBERS, AMOUNT),
        "hist": _fits(HistGradientBoostingRegressor(max_iter=12, random_state=0), NUMBERS, AMOUNT),
        "hist_poisson": _fits(HistGradientBoostingRegressor(loss="poisson", max_iter=12), NUMBERS, counts),
    }


def with_missing() -> dict[str, Callable[[], Fitted]]:
    return {
        "forest_learns_missing": _fits(RandomForestClassifier(12, random_state=0), HOLED, THREE),
        "tree_learns_missing": _fits(DecisionTreeRegressor(random_state=0), HOLED, AMOUNT),
        "hist_learns_missing": _fits(HistGradientBoostingClassifier(max_iter=12), HOLED, THREE),
        "imputer_indicator": _fits(
            make_pipeline(SimpleImputer(strategy="median", add_indicator=True), lm.Ridge()), HOLED, AMOUNT
        ),
        "imputer_constant": _fits(make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0)), HOLED, None),
        "indicator": _fits(MissingIndicator(), HOLED, None),
    }


def transformers() -> dict[str, Callable[[], Fitted]]:
    steps = {
        "standard": StandardScaler(),
        "standard_mean_only": StandardScaler(with_std=False),
        "min_max_clip": MinMaxScaler(clip=True),
        "max_abs": MaxAbsScaler(),
        "robust": RobustScaler(),
        "binarizer": Binarizer(threshold=0.5),
        "normalizer_l2": Normalizer(),
        "normalizer_max": Normalizer(norm="max"),
        "identity": FunctionTransformer(),
        "square": FunctionTransformer(np.square),
        "abs": FunctionTransformer(np.abs),
        "union": FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler()), ("c", "passthrough"), ("d", "drop")]),
    }
    return {name: _fits(step, NUMBERS, None) for name, step in steps.items()}


def encoders() -> dict[str, Callable[[], Fitted]]:
    words, numbers = MIXED[["colour", "shop"]], MIXED[["count", "1st"]]
    steps = {
        "one_hot": OneHotEncoder(),
        "one_hot_ignore": OneHotEncoder(handle_unknown="ignore"),
        "one_hot_drop": OneHotEncoder(drop="if_binary", handle_unknown="ignore"),
        "one_hot_infrequent": OneHotEncoder(max_categories=3, handle_unknown="infrequent_if_exist"),
        "ordinal": OrdinalEncoder(encoded_missing_value=-9),
        "ordinal_unknown": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        "target": TargetEncoder(random_state=0),
    }
    cases: dict[str, Callable[[], Fitted]] = {}
    for name, step in steps.items():
        cases[f"{name}_words"] = _fits(step, words, AMOUNT)
        cases[f"{name}_numbers"] = _fits(step, numbers, AMOUNT)
    return cases


def pipelines() -> dict[str, Callable[[], Fitted]]:
    texts = [f"{colour or 'no'} {shop} shop" for colour, shop in zip(MIXED["colour"], MIXED["shop"], strict=True)]
    return {
        "mixed": _fits(mixed_pipeline(lm.LogisticRegression(max_iter=2000)), MIXED, THREE),
        "mixed_forest": _fits(mixed_pipeline(RandomForestClassifier(10, random_state=0)), MIXED, TWO),
        "search": _fits(
            GridSearchCV(make_pipeline(StandardScaler(), lm.Ridge()), {"ridge__alpha": [1, 2]}, cv=2), NUMBERS, AMOUNT
        ),
        "text": _fits(make_pipeline(TfidfVectorizer(), lm.LogisticRegression()), texts, TWO),
        "outliers": _fits(IsolationForest(n_estimators=5, random_state=0), NUMBERS.astype(np.float32), None),
        "float32": _fits(RandomForestClassifier(8, random_state=0), NUMBERS.astype(np.float32), TWO),
        "frame_of_extension_types": _fits(
            make_pipeline(make_column_transformer((OneHotEncoder(), ["shop"]), ("passthrough", ["count"])), lm.Ridge()),
            MIXED[["shop", "count"]].assign(
                shop=MIXED["shop"].astype("category"), count=MIXED["count"].astype("Int64")
            ),
            AMOUNT,
        ),
    }


def mixed_pipeline(model: Any) -> Any:
    """Numbers by name, booleans by position, strings by a selector; one column dropped, the others passed through."""
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder(handle_unknown="ignore"))
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["size (cm)", "weight"]),
            ("flag", "passthrough", [3]),
            ("words", words, make_column_selector(pattern="colour|shop")),
        ],
        remainder="drop",
    )
    return make_pipeline(columns, model)


def _fits(model: Any, rows: Any, target: Any) -> Callable[[], Fitted]:
    return lambda: (model.fit(rows) if target is None else model.fit(rows, target), rows)


CASES = {
    f"{family.__name__}-{name}": case
    for family in (classifiers, regressors, with_missing, transformers, encoders, pipelines)
    for name, case in family().items()
}
