"""Whole pipelines on mixed frames, as people build them."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from catboost import CatBoostRegressor
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC

from tests.matrix.case import Case, Fitted, fits
from tests.matrix.data import DATA, MIXED, TEXTS

_SEED = {"random_state": 0}
NUMBERS, WORDS = ["age", "income", "score", "ratio", "visits"], ["city", "plan"]
TREES = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
ONE_HOT = OneHotEncoder(handle_unknown="ignore")


def columns(numbers: Any = None, words: Any = None, remainder: str = "drop") -> ColumnTransformer:
    """Numbers imputed and scaled, words one-hot, or as given."""
    imputed = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [("numbers", numbers or imputed, NUMBERS), ("words", words or ONE_HOT, WORDS)], remainder=remainder
    )


def classifiers() -> list[Case]:
    three = [("lr", LogisticRegression(max_iter=2000)), ("forest", RandomForestClassifier(8, **_SEED))]
    models = {
        "columns | LogisticRegression": LogisticRegression(max_iter=2000),
        "columns | RandomForest": RandomForestClassifier(10, **_SEED),
        "columns | HistGradientBoosting": HistGradientBoostingClassifier(max_iter=10, **_SEED),
        "columns | SVC": SVC(gamma=0.1),
        "columns | Voting": VotingClassifier(three, voting="soft"),
        "columns | Stacking": StackingClassifier(three, cv=3),
        "columns | LightGBM": lgb.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1),
    }
    dense = columns(words=OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    piped = {name: make_pipeline(clone(dense), model) for name, model in models.items()}
    piped["search over columns"] = GridSearchCV(
        make_pipeline(columns(), LogisticRegression(max_iter=2000)), {"logisticregression__C": [0.1, 1]}, cv=2
    )
    piped["ordinals | HistGradientBoosting"] = make_pipeline(
        columns("passthrough", TREES, "passthrough"), HistGradientBoostingClassifier(max_iter=10, **_SEED)
    )
    piped["ordinals as categories | HistGradientBoosting"] = make_pipeline(
        ColumnTransformer([("words", TREES, WORDS)], remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=10, categorical_features=[0, 1], **_SEED),
    )
    piped["targets | RandomForest"] = make_pipeline(
        columns("passthrough", TargetEncoder(cv=3, **_SEED)), SimpleImputer(), RandomForestClassifier(8, **_SEED)
    )
    piped["infrequent | LogisticRegression"] = make_pipeline(
        columns(words=OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=70)),
        LogisticRegression(max_iter=2000),
    )
    piped["strict categories | LogisticRegression"] = make_pipeline(
        columns(words=OneHotEncoder()), LogisticRegression(max_iter=2000)
    )
    piped["selectors | LogisticRegression"] = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), ONE_HOT), ["city", "plan"]),
            remainder="passthrough",
        ),
        LogisticRegression(max_iter=2000),
    )
    piped["chosen by SelectKBest | LogisticRegression"] = make_pipeline(
        clone(dense), SelectKBest(k=5), LogisticRegression(max_iter=2000)
    )
    return fits("pipelines", "mixed, two classes", **piped)


def regressors() -> list[Case]:
    models = {
        "columns | Ridge": make_pipeline(columns(), Ridge()),
        "columns | GradientBoosting": make_pipeline(columns(), GradientBoostingRegressor(n_estimators=10, **_SEED)),
        "columns | XGBoost": make_pipeline(columns(), xgb.XGBRegressor(n_estimators=10, n_jobs=1)),
        "columns | LightGBM": make_pipeline(columns(), lgb.LGBMRegressor(n_estimators=10, n_jobs=1, verbose=-1)),
        "columns | CatBoost": make_pipeline(
            columns(), CatBoostRegressor(iterations=10, thread_count=1, verbose=False, allow_writing_files=False)
        ),
        "columns | KNeighbors": make_pipeline(columns(), KNeighborsRegressor()),
        "columns | polynomials | Lasso": make_pipeline(
            columns(words=OneHotEncoder(sparse_output=False)), PolynomialFeatures(), Lasso(0.1, max_iter=5000)
        ),
        "power | Ridge": make_pipeline(columns(make_pipeline(SimpleImputer(), PowerTransformer())), Ridge()),
        "quantiles | RandomForest": make_pipeline(
            columns(make_pipeline(SimpleImputer(), QuantileTransformer(n_quantiles=40))),
            RandomForestRegressor(8, **_SEED),
        ),
        "bins | Ridge": make_pipeline(
            columns(make_pipeline(SimpleImputer(), KBinsDiscretizer(quantile_method="averaged_inverted_cdf"))), Ridge()
        ),
        "log of one column | Ridge": make_pipeline(
            ColumnTransformer(
                [
                    ("log", make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), ["income"]),
                    ("same", "passthrough", ["age", "member"]),
                    ("gone", "drop", ["score"]),
                ]
            ),
            Ridge(),
        ),
        "FeatureUnion | Ridge": make_pipeline(
            ColumnTransformer(
                [("both", FeatureUnion([("a", StandardScaler()), ("b", PolynomialFeatures())]), ["age", "income"])]
            ),
            Ridge(),
        ),
        "TransformedTarget of a pipeline": TransformedTargetRegressor(
            make_pipeline(columns(), Ridge()), func=np.log1p, inverse_func=np.expm1
        ),
        "weighted columns | Ridge": make_pipeline(
            ColumnTransformer(
                [("a", StandardScaler(), ["age"]), ("b", StandardScaler(), ["income"])], transformer_weights={"a": 3.0}
            ),
            Ridge(),
        ),
        "a lambda | Ridge": make_pipeline(
            ColumnTransformer([("f", FunctionTransformer(lambda rows: rows + 1), ["age"])]), Ridge()
        ),
        "by position | Ridge": make_pipeline(
            ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", ONE_HOT, slice(3, 4))]), Ridge()
        ),
        "by mask | Ridge": make_pipeline(
            ColumnTransformer([("a", StandardScaler(), [True, True] + [False] * 6)], remainder="drop"), Ridge()
        ),
        "a pipeline in a pipeline": Pipeline(
            [("columns", Pipeline([("inner", columns())])), ("model", Pipeline([("ridge", Ridge())]))]
        ),
        "pandas between steps": make_pipeline(
            columns(words=OneHotEncoder(sparse_output=False, handle_unknown="ignore")).set_output(transform="pandas"),
            Ridge(),
        ),
    }
    return fits("pipelines", "mixed, amount", **models)


def transformers_alone() -> list[Case]:
    imputed = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    dropped = ColumnTransformer([("numbers", "drop", NUMBERS), ("words", OneHotEncoder(drop="first"), ["city"])])
    same = ColumnTransformer([("words", TREES, WORDS)], remainder=StandardScaler())
    return fits(
        "pipelines", "mixed", columns=columns(), imputed=columns(words=imputed), dropped=dropped, remainder=same
    )


def extension_types() -> list[Case]:
    numbers, words = ["age", "income", "visits"], ["city", "plan"]
    models = {
        "one-hot | LogisticRegression": make_pipeline(
            ColumnTransformer(
                [
                    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
                    ("words", OneHotEncoder(handle_unknown="ignore"), words),
                ]
            ),
            LogisticRegression(max_iter=2000),
        ),
        "ordinals | HistGradientBoosting": make_pipeline(
            ColumnTransformer([("words", TREES, words), ("numbers", SimpleImputer(), numbers)]),
            HistGradientBoostingClassifier(max_iter=10, **_SEED),
        ),
    }
    return [
        *fits("pipelines", "extension types, two classes", **models),
        Case("pipelines", "HistGradientBoosting(categories from dtype)", _categories_from_dtype),
    ]


def of_words_and_numbers() -> list[Case]:
    return [
        Case("pipelines", "text beside numbers | LogisticRegression", _text_beside_numbers),
        Case("pipelines", "dates among the columns", _dates),
        Case("pipelines", "boolean columns only | RandomForest", _booleans),
        Case("pipelines", "a constant column | LogisticRegression", _constant),
        Case("pipelines", "numbers as categories | Ridge", _numeric_categories),
        Case("pipelines", "text categories with missing | RandomForest", _missing_words),
    ]


def _categories_from_dtype() -> Fitted:
    rows = MIXED[["age", "income", "score"]].assign(city=MIXED["city"].astype("category"))
    model = HistGradientBoostingClassifier(max_iter=10, **_SEED)
    return model.fit(rows, DATA["mixed, two classes"].target), rows


def _text_beside_numbers() -> Fitted:
    rows = MIXED[["age", "income"]].assign(words=TEXTS)
    step = ColumnTransformer([("words", TfidfVectorizer(), "words"), ("same", StandardScaler(), ["age", "income"])])
    return make_pipeline(step, LogisticRegression()).fit(rows, DATA["texts, two classes"].target), rows


def _dates() -> Fitted:
    rows = MIXED[["age"]].assign(day=pd.date_range("2026-01-01", periods=len(MIXED)))
    model = make_pipeline(ColumnTransformer([("age", StandardScaler(), ["age"])]), Ridge())
    return model.fit(rows, DATA["mixed, amount"].target), rows


def _booleans() -> Fitted:
    rows = pd.DataFrame({"member": MIXED["member"], "old": MIXED["age"] > 60, "rich": MIXED["income"] > 30_000})
    return RandomForestClassifier(8, **_SEED).fit(rows, DATA["mixed, two classes"].target), rows


def _constant() -> Fitted:
    rows = MIXED[["age", "income"]].assign(unit=1.0, kind="a")
    step = ColumnTransformer([("numbers", StandardScaler(), ["age", "income", "unit"]), ("words", ONE_HOT, ["kind"])])
    return make_pipeline(step, LogisticRegression()).fit(rows, DATA["mixed, two classes"].target), rows


def _numeric_categories() -> Fitted:
    rows = MIXED[["visits", "member", "income"]].assign(
        half=MIXED["visits"] / 2, big=MIXED["visits"].astype(np.int64) + 2**40
    )
    step = ColumnTransformer([("c", ONE_HOT, ["visits", "member", "half", "big"])], remainder="passthrough")
    return make_pipeline(step, Ridge()).fit(rows, DATA["mixed, amount"].target), rows


def _missing_words() -> Fitted:
    rows = MIXED[["city", "plan", "age"]].assign(city=MIXED["city"].mask(MIXED["age"] > 80))
    step = ColumnTransformer([("words", OneHotEncoder(handle_unknown="ignore"), WORDS)], remainder="passthrough")
    return make_pipeline(step, RandomForestClassifier(8, **_SEED)).fit(rows, DATA["mixed, two classes"].target), rows


GROUPS = [classifiers, regressors, transformers_alone, extension_types, of_words_and_numbers]
