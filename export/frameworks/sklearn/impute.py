"""Imputers: what stands for a missing value, and where one was.

What is marked exact compares and replaces, and computes nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto
from sklearn.impute import MissingIndicator, SimpleImputer

from app.signature import MISSING
from export.frameworks import exact, transformer
from export.graph import Columns, Graph


@transformer(SimpleImputer)
@exact
def simple_imputer(graph: Graph, model: SimpleImputer, columns: Columns) -> Columns:
    """Each missing value becomes its column's statistic; columns without one are dropped, as scikit-learn does."""
    filled = [index for index, value in enumerate(model.statistics_) if not _is_missing(value)]
    kept = tuple(columns[index] for index in filled)
    matrix = graph.matrix(kept)
    text = kept[0].text
    statistics = np.array([[model.statistics_[index] for index in filled]], dtype=np.object_ if text else np.float64)
    absent = _absent(graph, matrix, model.missing_values, text)
    imputed = graph.op("Where", absent, graph.constant(statistics), matrix)
    result = graph.columns(imputed, len(kept), text=text, like=kept)
    return result + (missing_indicator(graph, model.indicator_, columns) if model.add_indicator else ())


@transformer(MissingIndicator)
@exact
def missing_indicator(graph: Graph, model: MissingIndicator, columns: Columns) -> Columns:
    watched = tuple(columns[int(index)] for index in model.features_)
    if not watched:
        return ()
    absent = _absent(graph, graph.matrix(watched), model.missing_values, watched[0].text)
    return graph.columns(graph.cast(absent, TensorProto.DOUBLE), len(watched))


def _absent(graph: Graph, matrix: str, missing: Any, text: bool) -> str:
    """Where a matrix holds what an imputer takes for missing."""
    if text:
        marker = MISSING if _is_missing(missing) else missing
        return graph.op("Equal", matrix, graph.constant(np.array(marker, dtype=np.object_)))
    if _is_missing(missing):
        return graph.op("IsNaN", matrix)
    return graph.op("Equal", matrix, graph.constant(float(missing)))


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))
