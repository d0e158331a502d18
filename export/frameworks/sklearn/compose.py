"""Pipelines, column transformers and what else holds other estimators.

What is marked exact only hands columns on: the arithmetic is that of the estimators within.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # makes the Halving searches importable
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline

from export.frameworks import Answers, exact, predict, predictor, transform, transformer
from export.graph import Columns, Graph

_SEARCHES = (GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV)


@transformer(Pipeline)
@exact
def transform_pipeline(graph: Graph, model: Pipeline, columns: Columns) -> Columns:
    return _through(graph, model.steps, columns)


@predictor(Pipeline)
@exact
def predict_pipeline(graph: Graph, model: Pipeline, columns: Columns) -> Answers:
    return predict(graph, model.steps[-1][1], _through(graph, model.steps[:-1], columns))


@predictor(*_SEARCHES)
@exact
def predict_search(graph: Graph, model: Any, columns: Columns) -> Answers:
    return predict(graph, model.best_estimator_, columns)


@transformer(*_SEARCHES)
@exact
def transform_search(graph: Graph, model: Any, columns: Columns) -> Columns:
    return transform(graph, model.best_estimator_, columns)


@transformer(ColumnTransformer)
@exact
def column_transformer(graph: Graph, model: ColumnTransformer, columns: Columns) -> Columns:
    weights = model.transformer_weights or {}
    parts = [
        _weighted(graph, _part(graph, step, tuple(columns[index] for index in indices)), weights.get(name))
        for name, step, indices in _branches(model)
    ]
    return tuple(column for part in parts for column in part)


@transformer(FeatureUnion)
@exact
def feature_union(graph: Graph, model: FeatureUnion, columns: Columns) -> Columns:
    weights = model.transformer_weights or {}
    parts = [_weighted(graph, _part(graph, step, columns), weights.get(name)) for name, step in model.transformer_list]
    return tuple(column for part in parts for column in part)


def _through(graph: Graph, steps: Any, columns: Columns) -> Columns:
    for _, step in steps:
        columns = _part(graph, step, columns)
    return columns


def _part(graph: Graph, step: Any, columns: Columns) -> Columns:
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return columns
    return () if isinstance(step, str) else transform(graph, step, columns)


def _weighted(graph: Graph, columns: Columns, weight: float | None) -> Columns:
    if weight is None or not columns:
        return columns
    product = graph.op("Mul", graph.matrix(columns), graph.constant(float(weight)))
    return graph.columns(product, len(columns))


def _branches(model: ColumnTransformer) -> Iterator[tuple[str, Any, list[int]]]:
    """Each branch's name, fitted estimator and the positions of its columns, whatever they were given as."""
    names = list(getattr(model, "feature_names_in_", []))
    for name, step, chosen in model.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        if name == "remainder":
            yield name, step, [names.index(one) if isinstance(one, str) else int(one) for one in chosen]
        else:
            positions = np.atleast_1d(model._transformer_to_input_indices[name])
            if len(positions):
                yield name, step, [int(one) for one in positions]
