"""Small tables to fit on: plain and scaled numbers, with holes, of strange labels, of mixed columns, of words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_iris, make_classification

_RANDOM = np.random.default_rng(7)
ROWS = 300


@dataclass(frozen=True, eq=False)
class Data:
    """Rows, and the target if there is one."""

    rows: Any
    target: Any = None


def _classes(count: int) -> tuple[Any, Any]:
    rows, target = make_classification(
        ROWS,
        6,
        n_informative=4,
        n_redundant=1,
        n_classes=count,
        n_clusters_per_class=1,
        flip_y=0.05,
        random_state=count,
    )
    return np.round(rows * [1, 10, 0.1, 1, 5, 2] + [0, 3, 0, 10, -7, 0], 4), target


_TWO_ROWS, _TWO = _classes(2)
_ROWS, _THREE = _classes(3)
_AMOUNT = _ROWS @ [1.0, 0.2, 5.0, -1.0, 0.3, 0.5] + np.sin(_ROWS[:, 0]) * _ROWS[:, 1] + _RANDOM.normal(size=ROWS) / 5
_HOLES = _RANDOM.random(_ROWS.shape) < 0.12
_HOLED = np.where(_HOLES, np.nan, _ROWS)
_POSITIVE = np.abs(_ROWS)
_WORDS = np.array(["three", "One", "zwei"])
_LABELS: dict[str, Any] = {
    "text labels": _WORDS[_THREE],
    "object labels": _WORDS.astype(object)[_THREE],
    "negative labels": np.array([-5, 0, 7])[_THREE],
    "float labels": np.array([0.0, 1.0, 2.0])[_THREE],
    "uint8 labels": _THREE.astype(np.uint8),
    "large labels": np.array([0, 2**40, -(2**50)])[_THREE],
}
_MULTI = np.c_[_THREE, (_AMOUNT > 0).astype(int)]
_MULTILABEL = np.c_[_AMOUNT > 0, _ROWS[:, 0] > 0, _THREE == 1].astype(int)


def _mixed() -> pd.DataFrame:
    """What a table from a company's database looks like."""
    size = (ROWS,)
    return pd.DataFrame(
        {
            "age": _RANDOM.integers(18, 90, size),
            "income": np.round(np.exp(_RANDOM.normal(10, 1, size)), 2),
            "score": np.where(_RANDOM.random(size) < 0.15, np.nan, _RANDOM.normal(size=size)),
            "city": np.array(["Oslo", "Łódź", "São Paulo", "北京", "New York"], dtype=object)[
                _RANDOM.integers(0, 5, size)
            ],
            "plan": pd.Series(np.array(["free", "pro", ""], dtype=object)[_RANDOM.integers(0, 3, size)]).where(
                _RANDOM.random(size) > 0.1, None
            ),
            "member": _RANDOM.random(size) < 0.4,
            "ratio": _RANDOM.random(size).astype(np.float32),
            "visits": _RANDOM.poisson(3, size).astype(np.int32),
        }
    )


def _extension(mixed: pd.DataFrame) -> pd.DataFrame:
    """The same as pandas' own types: category, nullable integers, booleans and strings."""
    hole = _RANDOM.random(ROWS) < 0.1
    return pd.DataFrame(
        {
            "age": mixed["age"].astype("Int64").mask(hole),
            "income": mixed["income"].astype("Float64"),
            "city": mixed["city"].astype("category"),
            "plan": mixed["plan"].fillna("none").astype("string"),
            "member": mixed["member"].astype("boolean"),
            "visits": mixed["visits"],
        }
    )


MIXED = _mixed()
EXTENSION = _extension(MIXED)
_MIXED_AMOUNT = (
    MIXED["age"] / 30 + np.log(MIXED["income"]) + MIXED["score"].fillna(1) + (MIXED["city"] == "Oslo") * 2
).to_numpy()
_MIXED_TWO = np.where(_MIXED_AMOUNT + _RANDOM.normal(size=ROWS) > np.median(_MIXED_AMOUNT), "stay", "leave")

_NOUNS = ["red", "blue", "car", "bike", "fast", "slow", "café", "über", "naïve", "house", "tree", "a", "I", "x2"]
TEXTS = [
    " ".join(_RANDOM.choice(_NOUNS, _RANDOM.integers(3, 9))) + _RANDOM.choice(["", ".", "!", " ?"]) for _ in _THREE
]
_TEXT_TWO = np.array(["yes" if "red" in text or "car" in text else "no" for text in TEXTS])

_GROUPS = np.c_[_RANDOM.integers(0, 4, ROWS), _RANDOM.integers(0, 6, ROWS), _RANDOM.integers(0, 3, ROWS)]
_IRIS, _DIABETES = load_iris(as_frame=True), load_diabetes(as_frame=True)

DATA: dict[str, Data] = {
    "two classes": Data(_TWO_ROWS, _TWO),
    "three classes": Data(_ROWS, _THREE),
    "amount": Data(_ROWS, _AMOUNT),
    "two amounts": Data(_ROWS, np.c_[_AMOUNT, _AMOUNT**2 / 10]),
    "counts": Data(_ROWS, np.floor(np.maximum(_AMOUNT, 0))),
    "positive amounts": Data(_ROWS, np.exp(_AMOUNT / 10)),
    "fractions": Data(_ROWS, 1 / (1 + np.exp(-_AMOUNT / 5))),
    "numbers": Data(_ROWS),
    "positive numbers": Data(_POSITIVE),
    "positive numbers, three classes": Data(_POSITIVE, _THREE),
    "positive numbers, amount": Data(_POSITIVE, _AMOUNT),
    "scaled, three classes": Data((_ROWS - _ROWS.mean(0)) / _ROWS.std(0), _THREE),
    "scaled, two classes": Data((_TWO_ROWS - _TWO_ROWS.mean(0)) / _TWO_ROWS.std(0), _TWO),
    "scaled, amount": Data((_ROWS - _ROWS.mean(0)) / _ROWS.std(0), _AMOUNT),
    "scaled, counts": Data((_ROWS - _ROWS.mean(0)) / _ROWS.std(0), np.floor(np.maximum(_AMOUNT, 0))),
    "scaled, positive amounts": Data((_ROWS - _ROWS.mean(0)) / _ROWS.std(0), np.exp(_AMOUNT / 10)),
    "scaled, two amounts": Data((_ROWS - _ROWS.mean(0)) / _ROWS.std(0), np.c_[_AMOUNT, _AMOUNT**2 / 10]),
    "missing": Data(_HOLED),
    "missing, two classes": Data(np.where(_HOLES, np.nan, _TWO_ROWS), _TWO),
    "missing, three classes": Data(_HOLED, _THREE),
    "missing, amount": Data(_HOLED, _AMOUNT),
    "one column, amount": Data(_ROWS[:, :1], _AMOUNT),
    "small integers": Data(_GROUPS),
    "small integers, three classes": Data(_GROUPS, _THREE),
    "large integers, amount": Data((1.7e9 + _ROWS * 1e6).astype(np.int64), _AMOUNT),
    "float32, three classes": Data(_ROWS.astype(np.float32), _THREE),
    "float32, amount": Data(_ROWS.astype(np.float32), _AMOUNT),
    "several targets": Data(_ROWS, _MULTI),
    "multilabel": Data(_ROWS, _MULTILABEL),
    "boolean labels": Data(_TWO_ROWS, _TWO.astype(bool)),
    "two text labels": Data(_TWO_ROWS, np.where(_TWO > 0, "yes", "no")),
    "iris numbers": Data(_IRIS.data, _IRIS.target.to_numpy()),
    "iris": Data(_IRIS.data, _IRIS.target_names[_IRIS.target]),
    "diabetes": Data(_DIABETES.data, _DIABETES.target.to_numpy()),
    "mixed": Data(MIXED),
    "mixed, two classes": Data(MIXED, _MIXED_TWO),
    "mixed, amount": Data(MIXED, _MIXED_AMOUNT),
    "extension types, two classes": Data(EXTENSION, _MIXED_TWO),
    "extension types, amount": Data(EXTENSION, _MIXED_AMOUNT),
    "texts": Data(TEXTS),
    "texts, two classes": Data(TEXTS, _TEXT_TWO),
    "texts, three classes": Data(TEXTS, _WORDS[_THREE]),
} | {name: Data(_ROWS, labels) for name, labels in _LABELS.items()}
