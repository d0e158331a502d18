"""XGBoost, LightGBM and CatBoost: objectives, boosters, missing values, categories; native Boosters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor

from tests.matrix.case import Case, Fitted, fits
from tests.matrix.data import DATA, MIXED

_XGB: dict[str, Any] = {"n_estimators": 12, "random_state": 0, "n_jobs": 1}
_LGB: dict[str, Any] = {"n_estimators": 12, "random_state": 0, "n_jobs": 1, "verbose": -1, "min_child_samples": 5}
_CAT: dict[str, Any] = {
    "iterations": 12,
    "random_seed": 0,
    "thread_count": 1,
    "verbose": False,
    "allow_writing_files": False,
}

CATEGORIES = MIXED[["age", "income", "score", "ratio"]].assign(
    city=MIXED["city"].astype("category"), plan=MIXED["plan"].astype("category"), member=MIXED["member"]
)
_TEXT_CATEGORIES = MIXED[["age", "income", "score", "city"]].assign(plan=MIXED["plan"].fillna("none"))
_RELEVANCE, _QUERIES = DATA["three classes"].target, np.repeat(np.arange(30), 10)


def xgboost_models() -> list[Case]:
    classifier, regressor = _of(xgb.XGBClassifier, **_XGB), _of(xgb.XGBRegressor, **_XGB)
    both = [
        classifier(),
        classifier(booster="dart", rate_drop=0.3),
        classifier(booster="gblinear"),
        classifier(tree_method="exact", max_depth=3),
        classifier(subsample=0.7, colsample_bytree=0.5, learning_rate=0.5),
        classifier(grow_policy="lossguide", max_leaves=6),
        ("XGBRFClassifier()", xgb.XGBRFClassifier(**_XGB)),
    ]
    regressions = [
        regressor(),
        regressor(booster="dart", rate_drop=0.3, one_drop=True),
        regressor(booster="gblinear"),
        regressor(objective="reg:absoluteerror"),
        regressor(objective="reg:pseudohubererror"),
        regressor(objective="reg:quantileerror", quantile_alpha=0.8),
        regressor(objective="reg:quantileerror", quantile_alpha=np.array([0.1, 0.9])),
        regressor(base_score=3.5),
        regressor(num_parallel_tree=3, subsample=0.6),
        regressor(monotone_constraints=(1, 0, 0, -1, 0, 0)),
        ("XGBRFRegressor()", xgb.XGBRFRegressor(**_XGB)),
    ]
    positive = [regressor(objective=f"reg:{name}") for name in ("gamma", "tweedie", "squaredlogerror")]
    return [
        *_fits("three classes", *both, classifier(objective="multi:softmax")),
        *_fits("two classes", *both, classifier(objective="binary:hinge"), classifier(objective="binary:logitraw")),
        *_fits("two classes", classifier(scale_pos_weight=3.0), classifier(objective="reg:squarederror")),
        *_fits("boolean labels", classifier()),
        *_fits("iris numbers", classifier()),
        *_fits("float32, three classes", classifier()),
        *_fits("missing, three classes", both[0], both[1]),
        *_fits("missing, two classes", classifier()),
        *_fits("missing, amount", regressor(), regressor(missing=0.0)),
        *_fits("amount", *regressions),
        *_fits("positive amounts", *positive),
        *_fits("counts", regressor(objective="count:poisson")),
        *_fits("fractions", regressor(objective="reg:logistic")),
        *_fits("two amounts", regressor(), regressor(multi_strategy="multi_output_tree")),
        *_fits("multilabel", classifier()),
        *_fits("diabetes", regressor()),
        *_fits("large integers, amount", regressor()),
        _case("xgboost", "XGBClassifier(categories by one-hot)", lambda: _categorical(classifier(), 100)),
        _case("xgboost", "XGBClassifier(categories by partition)", lambda: _categorical(classifier(), 1)),
        _case("xgboost", "XGBClassifier(early stopping)", lambda: _xgb_stopped(xgb.XGBClassifier, "three classes")),
        _case("xgboost", "XGBRegressor(early stopping)", lambda: _xgb_stopped(xgb.XGBRegressor, "amount")),
        _case("xgboost", "XGBRanker()", lambda: _ranked(xgb.XGBRanker(**_XGB), qid=_QUERIES)),
        *(_xgb_booster(*given) for given in _XGB_BOOSTERS),
    ]


_XGB_BOOSTERS: list[tuple[str, str, dict[str, Any]]] = [
    ("binary:logistic", "two classes", {}),
    ("multi:softprob", "three classes", {"num_class": 3}),
    ("multi:softmax", "three classes", {"num_class": 3}),
    ("reg:squarederror", "amount", {}),
    ("reg:squarederror", "missing, amount", {}),
    ("count:poisson", "counts", {}),
    ("reg:squarederror", "diabetes", {}),
    ("reg:squarederror", "amount", {"booster": "dart", "rate_drop": 0.2}),
    ("reg:squarederror", "amount", {"booster": "gblinear"}),
]


def lightgbm_models() -> list[Case]:
    classifier, regressor = _of(lgb.LGBMClassifier, **_LGB), _of(lgb.LGBMRegressor, **_LGB)
    bagged = {"subsample": 0.7, "subsample_freq": 1}
    both = [
        classifier(),
        classifier(boosting_type="dart"),
        classifier(boosting_type="rf", **bagged),
        classifier(data_sample_strategy="goss"),
        classifier(zero_as_missing=True),
        classifier(use_missing=False),
        classifier(extra_trees=True, num_leaves=7),
    ]
    regressions = [
        regressor(),
        regressor(boosting_type="dart"),
        regressor(boosting_type="rf", **bagged),
        regressor(linear_tree=True),
        regressor(zero_as_missing=True),
        *(regressor(objective=one) for one in ("l1", "huber", "fair", "quantile", "mape")),
        regressor(monotone_constraints=[1, 0, 0, -1, 0, 0]),
        regressor(reg_sqrt=True),
    ]
    return [
        *_fits("three classes", *both, classifier(objective="multiclassova")),
        *_fits("two classes", *both, classifier(is_unbalance=True), classifier(objective="cross_entropy")),
        *_fits("text labels", classifier()),
        *_fits("boolean labels", classifier()),
        *_fits("iris", classifier()),
        *_fits("float32, three classes", classifier()),
        *_fits("missing, three classes", classifier(), classifier(use_missing=False), classifier(zero_as_missing=True)),
        *_fits("missing, amount", regressor()),
        *_fits("amount", *regressions),
        *_fits("positive amounts", regressor(objective="gamma"), regressor(objective="tweedie")),
        *_fits("counts", regressor(objective="poisson")),
        *_fits("fractions", regressor(objective="cross_entropy"), regressor(objective="cross_entropy_lambda")),
        *_fits("diabetes", regressor()),
        *_fits("large integers, amount", regressor()),
        _case("lightgbm", "LGBMClassifier(categories)", lambda: _fitted(classifier()[1], CATEGORIES)),
        _case("lightgbm", "LGBMClassifier(category columns by number)", _numbered_categories),
        _case("lightgbm", "LGBMClassifier(early stopping)", _lgb_stopped),
        _case("lightgbm", "LGBMRanker()", lambda: _ranked(lgb.LGBMRanker(**_LGB), group=[10] * 30)),
        *(_lgb_booster(*given) for given in _LGB_BOOSTERS),
    ]


_LGB_BOOSTERS: list[tuple[str, str, dict[str, Any]]] = [
    ("binary", "two classes", {}),
    ("multiclass", "three classes", {"num_class": 3}),
    ("regression", "amount", {}),
    ("regression", "missing, amount", {}),
    ("poisson", "counts", {}),
    ("regression", "diabetes", {}),
    ("regression", "amount", {"boosting": "dart"}),
]


def catboost_models() -> list[Case]:
    classifier, regressor = _of(CatBoostClassifier, **_CAT), _of(CatBoostRegressor, **_CAT)
    both = [
        classifier(),
        classifier(grow_policy="Lossguide", max_leaves=6),
        classifier(grow_policy="Depthwise", depth=3),
        classifier(boosting_type="Plain", auto_class_weights="Balanced"),
        classifier(boost_from_average=False, learning_rate=0.5),
    ]
    losses = ["MAE", "Quantile:alpha=0.8", "MAPE", "Huber:delta=2", "LogCosh", "Expectile:alpha=0.3", "Lq:q=1.5"]
    return [
        *_fits("three classes", *both[:4], classifier(loss_function="MultiClassOneVsAll")),
        *_fits("two classes", *both, classifier(loss_function="CrossEntropy")),
        *_fits("text labels", classifier()),
        *_fits("two text labels", classifier()),
        *_fits("boolean labels", classifier()),
        *_fits("negative labels", classifier()),
        *_fits("iris", classifier()),
        *_fits("multilabel", classifier(loss_function="MultiLogloss")),
        *_fits("missing, three classes", classifier(), classifier(nan_mode="Max")),
        *_fits("missing, amount", regressor()),
        *_fits("amount", regressor(), *(regressor(loss_function=one) for one in losses)),
        *_fits("amount", regressor(loss_function="RMSEWithUncertainty"), regressor(grow_policy="Lossguide")),
        *_fits("counts", regressor(loss_function="Poisson")),
        *_fits("positive amounts", regressor(loss_function="Tweedie:variance_power=1.5")),
        *_fits("two amounts", regressor(loss_function="MultiRMSE")),
        *_fits("diabetes", regressor()),
        *_fits("large integers, amount", regressor()),
        _case("catboost", "CatBoostClassifier(cat_features)", lambda: _cat_features(classifier()[1])),
        _case("catboost", "CatBoostClassifier(cat_features, one-hot)", lambda: _cat_features(_one_hot())),
        _case("catboost", "CatBoostClassifier(categories)", lambda: _cat_features(classifier()[1], "category")),
        _case("catboost", "CatBoostClassifier(text_features)", _text_features),
        _case("catboost", "CatBoostRanker()", lambda: _ranked(CatBoostRanker(**_CAT), group_id=_QUERIES)),
    ]


def _of(kind: Callable[..., Any], **common: Any) -> Callable[..., tuple[str, Any]]:
    """Models of a class, under a name that says only what is particular to each."""

    def build(**special: Any) -> tuple[str, Any]:
        said = ", ".join(f"{name}={value!r}" for name, value in special.items())
        return f"{kind.__name__}({said})", kind(**common | special)

    return build


def _fits(data: str, *models: tuple[str, Any]) -> list[Case]:
    family = next(name for name in ("xgboost", "lightgbm", "catboost") if name in type(models[0][1]).__module__)
    return fits(family, data, **dict(models))


def _case(family: str, name: str, build: Callable[[], Fitted]) -> Case:
    return Case(family, name, build)


def _fitted(model: Any, rows: pd.DataFrame) -> Fitted:
    return model.fit(rows, (DATA["mixed, two classes"].target == "stay").astype(int)), rows


def _categorical(named: tuple[str, Any], max_cat_to_onehot: int) -> Fitted:
    model = named[1].set_params(enable_categorical=True, max_cat_to_onehot=max_cat_to_onehot)
    return _fitted(model, CATEGORIES)


def _xgb_stopped(kind: Any, name: str) -> Fitted:
    data = DATA[name]
    model = kind(**_XGB | {"n_estimators": 200}, learning_rate=0.6, early_stopping_rounds=3)
    fitted = model.fit(data.rows[:200], data.target[:200], eval_set=[(data.rows[200:], data.target[200:])], verbose=0)
    return fitted, data.rows


def _lgb_stopped() -> Fitted:
    data = DATA["three classes"]
    model = lgb.LGBMClassifier(**_LGB | {"n_estimators": 200}, learning_rate=0.6)
    held = [(data.rows[200:], data.target[200:])]
    stop: list[Callable[..., Any]] = [lgb.early_stopping(3, verbose=False)]
    return model.fit(data.rows[:200], data.target[:200], eval_set=held, callbacks=stop), data.rows


def _ranked(model: Any, **groups: Any) -> Fitted:
    rows = DATA["three classes"].rows
    return model.fit(rows, _RELEVANCE, **groups), rows


def _numbered_categories() -> Fitted:
    data = DATA["small integers, three classes"]
    return lgb.LGBMClassifier(**_LGB, min_data_per_group=5).fit(
        data.rows, data.target, categorical_feature=[1]
    ), data.rows


def _xgb_booster(objective: str, name: str, special: dict[str, Any]) -> Case:
    def build() -> Fitted:
        rows, target = DATA[name].rows, DATA[name].target
        given = {"objective": objective, "seed": 0, "nthread": 1} | special
        return xgb.train(given, xgb.DMatrix(rows, target), num_boost_round=12), rows

    said = ", ".join([repr(objective), *(f"{key}={value!r}" for key, value in special.items())])
    return Case("xgboost", f"xgboost.Booster({said}) · {name}", build)


def _lgb_booster(objective: str, name: str, special: dict[str, Any]) -> Case:
    def build() -> Fitted:
        rows, target = DATA[name].rows, DATA[name].target
        given = {"objective": objective, "seed": 0, "num_threads": 1, "verbose": -1} | special
        return lgb.train(given, lgb.Dataset(rows, target), num_boost_round=12), rows

    said = ", ".join([repr(objective), *(f"{key}={value!r}" for key, value in special.items())])
    return Case("lightgbm", f"lightgbm.Booster({said}) · {name}", build)


def _one_hot() -> CatBoostClassifier:
    return CatBoostClassifier(**_CAT, one_hot_max_size=10)


def _cat_features(model: Any, dtype: str = "object") -> Fitted:
    rows = _TEXT_CATEGORIES.astype({"city": dtype, "plan": dtype})
    return model.fit(rows, DATA["mixed, two classes"].target, cat_features=["city", "plan"]), rows


def _text_features() -> Fitted:
    rows = pd.DataFrame({"size": DATA["amount"].target, "words": DATA["texts"].rows})
    model = CatBoostClassifier(**_CAT)
    return model.fit(rows, DATA["texts, two classes"].target, text_features=["words"]), rows


GROUPS = [xgboost_models, lightgbm_models, catboost_models]
