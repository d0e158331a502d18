"""Encoders of categories: a lookup of the category, then a table of what the encoder answers for it.

The table is not derived from the encoder's parameters but asked of the encoder itself, one row per category and one for
a value it does not know, so that drop, infrequent categories, encoded missing values and whatever comes need no code.
And so it is exact: whatever the value, the answer is the encoder's own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from app.signature import Array
from export.frameworks import exact, transformer
from export.frameworks.categories import position
from export.graph import Column, Columns, Graph

_UNKNOWN = "\ue001"
"""A text that no encoder was trained on."""


@transformer(OneHotEncoder, OrdinalEncoder, TargetEncoder)
@exact
def encoder(graph: Graph, model: Any, columns: Columns) -> Columns:
    encoded: list[Column] = []
    for column, categories, table in zip(columns, model.categories_, _tables(model), strict=True):
        graph.note_categories(
            column,
            [value.item() if isinstance(value, np.generic) else value for value in categories if not pd.isna(value)],
        )
        answers = graph.op("Gather", graph.constant(table), position(graph, column, categories), axis=0)
        encoded += graph.columns(answers, table.shape[1])
    return tuple(encoded)


def _tables(model: Any) -> list[Array]:
    """Per column, what the encoder answers: first for an unknown value, then for each category."""
    known = model.categories_
    names = getattr(model, "feature_names_in_", range(len(known)))
    deepest = max(map(len, known))
    answers = _answers(model, _table(names, known, [np.resize(values, deepest) for values in known]))
    unknown = np.zeros((1, answers.shape[1]))
    if getattr(model, "handle_unknown", "value") != "error":
        unknown = _answers(model, _table(names, known, [_stranger(values) for values in known]))
    edges = np.cumsum([0, *_widths(model, answers.shape[1])])
    return [
        np.vstack([unknown[:, start:end], answers[: len(values), start:end]])
        for values, (start, end) in zip(known, pairwise(edges), strict=True)
    ]


def _table(names: Iterable[Any], known: Sequence[Array], values: Sequence[Any]) -> pd.DataFrame:
    """Values of each column, objects where its categories are: pandas alone would make text of those, and None NaN."""
    objects = ((name, column, own.dtype == np.object_) for name, column, own in zip(names, values, known, strict=True))
    return pd.DataFrame({name: pd.Series(column, dtype=object if kept else None) for name, column, kept in objects})


def _answers(model: Any, frame: pd.DataFrame) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.transform(frame if hasattr(model, "feature_names_in_") else frame.to_numpy())
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)


def _stranger(categories: Array) -> list[Any]:
    present = [value for value in categories if not pd.isna(value)]
    if not present or isinstance(present[0], str):
        return [_UNKNOWN]
    return [max(present) + 1]


def _widths(model: Any, total: int) -> list[int]:
    if isinstance(model, OneHotEncoder):
        return [int(width) for width in model._n_features_outs]
    return [total // len(model.categories_)] * len(model.categories_)
