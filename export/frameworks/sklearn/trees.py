"""Decision trees, forests and gradient boosting, exact but for the exponentials of some probabilities.

Which leaf a row ends in is exact as export.frameworks.trees argues; scikit-learn's own comparison is of float32(x) with
a double in trees, forests and GradientBoosting, and of doubles in HistGradientBoosting. Then

- a forest adds its trees' answers in their order, from zero, and divides by their number, all in double. With several
  jobs the order is that in which threads finish: then nothing is claimed.
- GradientBoosting starts from its first guess and adds `learning_rate * value`, stage by stage, in double. On x86-64 a
  product is rounded before it is added; where compilers fuse the two, as on ARM, nothing is claimed.
- HistGradientBoosting starts from its baseline and adds the leaves' values, stage by stage, in double.

Labels are decided by the sums themselves, as in `predict`, and never by a rounded probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from platform import machine
from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import Answers, exact, predict, predictor
from export.frameworks.categories import Subsets, codes, members
from export.frameworks.sklearn.links import flat, label, labels, likeliest, logistic, sliced, two_sided
from export.frameworks.trees import Tree, leaf_values, note_splits, summed
from export.graph import Column, Columns, Graph

_ROUNDS_PRODUCTS = ("x86_64", "AMD64")
"""Processors for which scikit-learn's wheels are compiled without fused multiply-add."""


@predictor(DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier)
@exact
def tree_classifier(graph: Graph, model: Any, columns: Columns) -> Answers:
    chances = _mean(graph, model, columns)
    if model.n_outputs_ == 1:
        return likeliest(graph, chances)
    edges = np.cumsum([0, *model.n_classes_])
    parts = [sliced(graph, chances, start, end) for start, end in pairwise(edges)]
    best = [label(graph, one, binary=False) for one in parts]
    return {"label": labels(graph, model.classes_, best), "probabilities": chances}


@predictor(DecisionTreeRegressor, ExtraTreeRegressor, RandomForestRegressor, ExtraTreesRegressor)
@exact
def tree_regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    mean = _mean(graph, model, columns)
    return {"value": flat(graph, mean) if model.n_outputs_ == 1 else mean}


@predictor(GradientBoostingClassifier)
@exact
def gradient_boosting_classifier(graph: Graph, model: Any, columns: Columns) -> Answers:
    raw = _boosted(graph, model, columns)
    if model.n_trees_per_iteration_ > 1:
        return logistic(graph, raw, binary=False)
    decision = flat(graph, raw)
    doubled = graph.op("Mul", decision, graph.constant(2.0)) if model.loss == "exponential" else decision
    chances = two_sided(graph, graph.op("Sigmoid", doubled))
    return {"label": label(graph, decision, binary=True, at_zero=1), "probabilities": chances, "scores": decision}


@predictor(GradientBoostingRegressor)
@exact
def gradient_boosting_regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    return {"value": flat(graph, _boosted(graph, model, columns))}


@predictor(HistGradientBoostingClassifier)
@exact
def hist_gradient_boosting_classifier(graph: Graph, model: Any, columns: Columns) -> Answers:
    raw, binary = _hist_boosted(graph, model, columns), model.n_trees_per_iteration_ == 1
    return logistic(graph, flat(graph, raw) if binary else raw, binary=binary)


@predictor(HistGradientBoostingRegressor)
@exact
def hist_gradient_boosting_regressor(graph: Graph, model: Any, columns: Columns) -> Answers:
    raw = flat(graph, _hist_boosted(graph, model, columns))
    return {"value": graph.op("Exp", raw) if type(model._loss.link).__name__ == "LogLink" else raw}


def _mean(graph: Graph, model: Any, columns: Columns) -> str:
    """The mean over a forest's trees [rows, outputs]; a single tree is a forest of one."""
    members = getattr(model, "estimators_", [model])
    if getattr(model, "n_jobs", None) not in (None, 1):
        graph.doubt("the sum over a forest's trees, in the order in which its jobs finish")
    trees = [_tree(member.tree_, _values(member)) for member in members]
    total = summed(graph, _leaves(graph, trees, columns, single=True))
    return total if len(trees) == 1 else graph.op("Div", total, graph.constant(float(len(trees))))


def member_values(
    graph: Graph, members: Sequence[Any], chosen: Sequence[Array], columns: Columns, classes: int = 0
) -> str:
    """The values [rows, trees, outputs] of trees fitted on some of the columns each; probabilities of all the classes.

    A tree's own classes are indices into them.
    """
    values = [_values(member) for member in members]
    if classes:
        own = [np.asarray(member.classes_, dtype=int) for member in members]
        values = [one @ np.eye(classes)[indices] for one, indices in zip(values, own, strict=True)]
    return valued_leaves(graph, members, chosen, values, columns)


def valued_leaves(
    graph: Graph, members: Sequence[Any], chosen: Sequence[Array], values: Sequence[Array], columns: Columns
) -> str:
    """[rows, trees, outputs] of trees fitted on some of the columns each, with these values [nodes, outputs]."""
    trees = [_tree(member.tree_, found) for member, found in zip(members, values, strict=True)]
    features = [np.asarray(indices)[np.maximum(tree.feature, 0)] for tree, indices in zip(trees, chosen, strict=True)]
    placed = [replace(tree, feature=feature) for tree, feature in zip(trees, features, strict=True)]
    return _leaves(graph, placed, columns, single=True)


def _boosted(graph: Graph, model: Any, columns: Columns) -> str:
    if machine() not in _ROUNDS_PRODUCTS:
        graph.doubt("the sum over stages, fused with its products on this processor")
    start = _first_guess(graph, model, columns)
    stages = [
        [_tree(member.tree_, model.learning_rate * member.tree_.value[:, 0, :]) for member in stage]
        for stage in model.estimators_
    ]
    return _stages(graph, stages, columns, start, single=True)


def _first_guess(graph: Graph, model: Any, columns: Columns) -> str:
    """What GradientBoosting starts from [1 or rows, 1, outputs]; another estimator guesses for rows in float32."""
    if isinstance(model.init_, str | DummyClassifier | DummyRegressor):
        guess = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
        return graph.constant(np.asarray(guess, dtype=np.float64)[:, None, :])
    if not isinstance(model, GradientBoostingRegressor):
        raise UnsupportedModel(f"{type(model).__name__} with init={type(model.init_).__name__}; leave init out")
    rounded = graph.cast(graph.cast(graph.matrix(columns), TensorProto.FLOAT), TensorProto.DOUBLE)
    value = predict(graph, model.init_, graph.columns(rounded, len(columns)))["value"]
    return graph.op("Reshape", value, graph.constant([-1, 1, 1], np.int64))


def _hist_boosted(graph: Graph, model: Any, columns: Columns) -> str:
    subsets = Subsets(_hist_columns(graph, model, columns))
    stages = [[_hist_tree(member, subsets) for member in stage] for stage in model._predictors]
    start = graph.constant(np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1, 1, -1))
    return _stages(graph, stages, subsets.extended(graph), start, single=False)


def _hist_columns(graph: Graph, model: Any, columns: Columns) -> Columns:
    """The columns as the trees know them: those of categories come first, each as the category's number."""
    if model.is_categorical_ is None:
        return columns
    found = []
    chosen = [column for column, categorical in zip(columns, model.is_categorical_, strict=True) if categorical]
    for column, known in zip(chosen, model._preprocessor.named_transformers_["encoder"].categories_, strict=True):
        found.append(codes(graph, column, _numbered(column, known.tolist())))
        graph.note_categories(column, [category for category in known.tolist() if not pd.isna(category)])
    return (*found, *(column for column in columns if column not in chosen))


def _numbered(column: Column, categories: list[Any]) -> list[Any]:
    """The categories that have a number: NaN has none, and None has one."""
    numbered = [category for category in categories if not (isinstance(category, float) and np.isnan(category))]
    if None in numbered and len(numbered) < len(categories):
        raise UnsupportedModel(f"HistGradientBoosting tells None from NaN in '{column.feature}'; use only one of them")
    return numbered


def _stages(graph: Graph, stages: Sequence[Sequence[Tree]], columns: Columns, start: str, *, single: bool) -> str:
    """The raw predictions [rows, outputs]: where they start, and then each stage's tree for each output."""
    outputs, matrix = len(stages[0]), graph.matrix(columns)
    trees = [tree for stage in stages for tree in stage]
    note_splits(graph, trees, columns)
    values = leaf_values(graph, matrix, trees, single=single)
    staged = graph.op("Reshape", values, graph.constant([-1, len(stages), outputs], np.int64))
    first = graph.op("Slice", staged, *(graph.constant([one], np.int64) for one in (0, 1, 1)))
    base = graph.op("Add", first, start)
    rest = graph.op("Slice", staged, *(graph.constant([one], np.int64) for one in (1, len(stages), 1)))
    return summed(graph, graph.op("Concat", base, rest, axis=1))


def _leaves(graph: Graph, trees: Sequence[Tree], columns: Columns, *, single: bool) -> str:
    note_splits(graph, trees, columns)
    return leaf_values(graph, graph.matrix(columns), trees, single=single)


def _values(member: Any) -> Array:
    """[nodes, numbers] of a tree: its outputs' values, or each output's probabilities one after the other."""
    value = member.tree_.value
    counts = np.atleast_1d(getattr(member, "n_classes_", 1))
    found: Array = np.hstack([value[:, index, :count] for index, count in enumerate(np.resize(counts, value.shape[1]))])
    return found


def _tree(tree: Any, values: Array) -> Tree:
    return Tree(tree.feature, tree.threshold, tree.children_left, tree.children_right, tree.missing_go_to_left, values)


def _hist_tree(member: Any, subsets: Subsets) -> Tree:
    nodes = member.nodes
    leaf = nodes["is_leaf"].astype(bool)
    left, right, feature = (nodes[name].astype(np.int64) for name in ("left", "right", "feature_idx"))
    threshold, missing_left = nodes["num_threshold"].copy(), nodes["missing_go_to_left"]
    for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf):
        categories = members(member.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        feature[node] = subsets.place(int(feature[node]), categories, bool(missing_left[node]))
        threshold[node] = 0.5
    return Tree(feature, threshold, np.where(leaf, -1, left), right, missing_left, nodes["value"].reshape(-1, 1))
