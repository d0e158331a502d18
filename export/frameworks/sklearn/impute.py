"""Imputers: what stands for a missing value, and where one was.

What is marked exact compares and replaces, and computes nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # makes the IterativeImputer importable
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer

from app.signature import MISSING, Array
from export.errors import UnsupportedModel
from export.frameworks import exact, predict, transform, transformer
from export.graph import Column, Columns, Graph, rows


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


@transformer(IterativeImputer)
def iterative_imputer(graph: Graph, model: IterativeImputer, columns: Columns) -> Columns:
    """A chain of regressors over the columns, each for one column's missing values, as often as the fit went round."""
    if model.sample_posterior:
        raise UnsupportedModel("IterativeImputer(sample_posterior=True) draws at random; use sample_posterior=False")
    if model.keep_empty_features and model._is_empty_feature.any():
        raise UnsupportedModel("IterativeImputer(keep_empty_features=True) with an empty column; drop the column")
    kept = tuple(column for column, empty in zip(columns, model._is_empty_feature, strict=True) if not empty)
    filled = list(transform(graph, model.initial_imputer_, columns))
    for step in model.imputation_sequence_ if model.n_iter_ else ():
        index, neighbours = int(step.feat_idx), tuple(filled[int(one)] for one in step.neighbor_feat_idx)
        value = predict(graph, step.estimator, neighbours)["value"]
        bounds = (graph.constant(float(limit[index])) for limit in (model._min_value, model._max_value))
        clipped = graph.op("Unsqueeze", graph.op("Clip", value, *bounds), graph.constant([1], np.int64))
        own = graph.matrix(kept[index : index + 1])
        absent = _absent(graph, own, model.missing_values, text=False)
        filled[index] = graph.columns(graph.op("Where", absent, clipped, own), 1)[0]
    return tuple(filled) + (missing_indicator(graph, model.indicator_, columns) if model.add_indicator else ())


@transformer(KNNImputer)
def knn_imputer(graph: Graph, model: KNNImputer, columns: Columns) -> Columns:
    """The mean of the nearest rows of the fit that have the column, by the columns that both have."""
    if model.metric != "nan_euclidean" or callable(model.weights) or model.keep_empty_features:
        raise UnsupportedModel(
            "KNNImputer with a metric or weights of your own, or keep_empty_features; use nan_euclidean, and 'uniform' "
            "or 'distance'"
        )
    matrix = graph.matrix(columns)
    absent = _absent(graph, matrix, model.missing_values, text=False)
    far = _far(graph, matrix, absent, model)
    found: list[Column] = []
    for index in np.flatnonzero(model._valid_mask).tolist():
        own = graph.matrix(columns[index : index + 1])
        value = _neighbours_mean(graph, far, model, index)
        hole = _absent(graph, own, model.missing_values, text=False)
        found += graph.columns(graph.op("Where", hole, value, own), 1, like=columns[index : index + 1])
    return tuple(found) + (missing_indicator(graph, model.indicator_, columns) if model.add_indicator else ())


def _far(graph: Graph, matrix: str, absent: str, model: KNNImputer) -> str:
    """Distances [rows, rows of the fit] by the columns that are present in both; infinite where there are none."""
    holes = model._mask_fit_X.astype(np.float64)
    points, zero = np.where(model._mask_fit_X, 0.0, model._fit_X), graph.constant(0.0)
    present = graph.op("Where", absent, zero, matrix)
    missing = graph.cast(absent, TensorProto.DOUBLE)
    square = graph.op("Mul", present, present)
    total = graph.op("ReduceSum", square, graph.constant([1], np.int64), keepdims=1)
    product = graph.op("MatMul", present, graph.constant(points.T))
    total = graph.op("Add", graph.op("Mul", product, graph.constant(-2.0)), total)
    total = graph.op("Max", graph.op("Add", total, graph.constant(rows((points**2).sum(axis=1)))), zero)
    total = graph.op("Sub", total, graph.op("MatMul", square, graph.constant(holes.T)))
    total = graph.op("Sub", total, graph.op("MatMul", missing, graph.constant((points**2).T)))
    shared = graph.op("MatMul", graph.op("Sub", graph.constant(1.0), missing), graph.constant(1.0 - holes.T))
    scaled = graph.op("Div", graph.op("Max", total, zero), graph.op("Max", shared, graph.constant(1.0)))
    distance = graph.op("Sqrt", graph.op("Mul", scaled, graph.constant(float(points.shape[1]))))
    return graph.op("Where", graph.op("Equal", shared, zero), graph.constant(np.inf), distance)


def _neighbours_mean(graph: Graph, far: str, model: KNNImputer, index: int) -> str:
    """What stands for a column's missing values [rows, 1]."""
    donors = np.flatnonzero(~model._mask_fit_X[:, index])
    values: Array = model._fit_X[donors, index].astype(np.float64)
    axis, zero, one = graph.constant([1], np.int64), graph.constant(0.0), graph.constant(1.0)
    near = graph.op("Gather", far, graph.constant(donors, np.int64), axis=1)
    count = graph.constant([min(model.n_neighbors, len(donors))], np.int64)
    distance, chosen = graph.ops("TopK", near, count, outputs=2, axis=1, largest=0)
    known = graph.cast(graph.op("Not", graph.op("IsInf", distance)), TensorProto.DOUBLE)
    weight = known
    if model.weights == "distance":
        touching = graph.cast(graph.op("Equal", distance, zero), TensorProto.DOUBLE)
        any_touching = graph.op("ReduceMax", touching, axis, keepdims=1)
        inverse = graph.op("Div", one, graph.op("Where", graph.op("Equal", distance, zero), one, distance))
        weight = graph.op("Where", graph.op("Equal", any_touching, one), touching, inverse)
    given = graph.op("Mul", weight, graph.op("Gather", graph.constant(values), chosen))
    total = graph.op("ReduceSum", weight, axis, keepdims=1)
    alone = graph.op("Equal", total, zero)
    mean = graph.op("ReduceSum", given, axis, keepdims=1)
    mean = graph.op("Div", mean, graph.op("Where", alone, one, total))
    return graph.op("Where", alone, graph.constant(float(np.ma.mean(values))), mean)


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
