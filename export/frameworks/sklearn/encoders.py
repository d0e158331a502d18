"""Encoders of categories: a lookup of the category, then a table of what the encoder answers for it.

The table is not derived from the encoder's parameters but asked of the encoder itself, one row per category and one for
a value it does not know, so that drop, infrequent categories, encoded missing values and whatever comes need no code.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from app.signature import MISSING, Array
from export.errors import UnsupportedModel
from export.frameworks import transformer
from export.graph import ML, Column, Columns, Graph

_UNKNOWN = "\ue001"
"""A text that no encoder was trained on."""


@transformer(OneHotEncoder, OrdinalEncoder, TargetEncoder)
def encoder(graph: Graph, model: Any, columns: Columns) -> Columns:
    encoded: list[Column] = []
    for column, categories, table in zip(columns, model.categories_, _tables(model), strict=True):
        graph.note_categories(
            column,
            [value.item() if isinstance(value, np.generic) else value for value in categories if not pd.isna(value)],
        )
        index = _text_index(graph, column, categories) if column.text else _number_index(graph, column, categories)
        answers = graph.op("Gather", graph.constant(table), index, axis=0)
        encoded += graph.columns(answers, table.shape[1])
    return tuple(encoded)


def _tables(model: Any) -> list[Array]:
    """Per column, what the encoder answers: first for an unknown value, then for each category."""
    known = model.categories_
    names = getattr(model, "feature_names_in_", range(len(known)))
    deepest = max(map(len, known))
    asked = pd.DataFrame({name: np.resize(values, deepest) for name, values in zip(names, known, strict=True)})
    answers = _answers(model, asked)
    unknown = np.zeros((1, answers.shape[1]))
    if getattr(model, "handle_unknown", "value") != "error":
        strangers = {name: _stranger(values) for name, values in zip(names, known, strict=True)}
        unknown = _answers(model, pd.DataFrame(strangers))
    edges = np.cumsum([0, *_widths(model, answers.shape[1])])
    return [
        np.vstack([unknown[:, start:end], answers[: len(values), start:end]])
        for values, (start, end) in zip(known, pairwise(edges), strict=True)
    ]


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


def _text_index(graph: Graph, column: Column, categories: Array) -> str:
    words = [MISSING if pd.isna(value) else value for value in categories]
    if not all(isinstance(word, str) for word in words):
        raise UnsupportedModel(f"an encoder of column '{column.feature}' was trained on other values than text")
    if len(set(words)) < len(words):
        raise UnsupportedModel(f"an encoder of column '{column.feature}' tells None from NaN; use only one of them")
    flat = graph.op("Reshape", graph.matrix((column,)), graph.constant([-1], np.int64))
    return graph.op(
        "LabelEncoder",
        flat,
        domain=ML,
        keys_strings=words,
        values_int64s=list(range(1, len(words) + 1)),
        default_int64=0,
    )


def _number_index(graph: Graph, column: Column, categories: Array) -> str:
    """1 + the position of the equal category, 0 if there is none: a sum of at most one term."""
    if any(isinstance(value, str) for value in categories):
        raise UnsupportedModel(
            f"an encoder of column '{column.feature}' was trained on text, and the sample has numbers"
        )
    matrix = graph.matrix((column,))
    numbers = np.array([np.nan if pd.isna(value) else value for value in categories], dtype=np.float64)
    equal = graph.op("Equal", matrix, graph.constant(numbers.reshape(1, -1)))
    if np.isnan(numbers).any():
        missing = graph.op("And", graph.op("IsNaN", matrix), graph.constant(np.isnan(numbers).reshape(1, -1)))
        equal = graph.op("Or", equal, missing)
    positions = graph.constant(np.arange(1.0, len(numbers) + 1))
    found = graph.op("MatMul", graph.cast(equal, TensorProto.DOUBLE), positions)
    return graph.cast(found, TensorProto.INT64)
