"""Feature selection: a mere choice of columns, and so exact."""

from __future__ import annotations

from typing import Any

from sklearn import feature_selection as fs

from export.frameworks import exact, transformer
from export.graph import Columns, Graph


@transformer(
    fs.GenericUnivariateSelect,
    fs.RFE,
    fs.RFECV,
    fs.SelectFdr,
    fs.SelectFpr,
    fs.SelectFromModel,
    fs.SelectFwe,
    fs.SelectKBest,
    fs.SelectPercentile,
    fs.SequentialFeatureSelector,
    fs.VarianceThreshold,
)
@exact
def selector(_graph: Graph, model: Any, columns: Columns) -> Columns:
    return tuple(columns[int(index)] for index in model.get_support(indices=True))
