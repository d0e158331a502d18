"""LightGBM: its trees as it saves them, read from the text of the model, and answered exactly.

A number goes left if it is not above the threshold, both of them doubles. LightGBM takes numbers of at most 1e-35 for
zero wherever they come in, and has three ways with a missing one: it is zero, it goes to a default side, or zero goes
there with it (`Tree::NumericalDecision` and `Tree::CategoricalDecision` in LightGBM's tree.h). The trees' values are
added from zero, round by round, in double; a forest's sum is then divided by its rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import Booster, LGBMClassifier, LGBMModel, LGBMRanker, LGBMRegressor
from onnx import TensorProto

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import Answers, adapter, exact, predictor
from export.frameworks.categories import Subsets, codes, members
from export.frameworks.native import NativeModel
from export.frameworks.sklearn.links import flat, two_sided
from export.frameworks.trees import Tree, leaf_values, note_splits, summed
from export.graph import Columns, Graph

ZERO = float(np.float32(1e-35))
"""The largest magnitude that LightGBM takes for zero."""

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_IS_ZERO, _ZERO_IS_MISSING = 0, 1


@adapter(Booster)
class BoosterModel(NativeModel):
    """A Booster as `lightgbm.train` gives it or a file keeps it. One that was trained on a DataFrame takes those."""

    def __init__(self, model: Booster) -> None:
        super().__init__(model)
        self.n_features_in_ = model.num_feature()
        if model.pandas_categorical is not None:
            self.feature_names_in_ = np.array(model.feature_name(), dtype=np.object_)

    def predict(self, X: Any) -> Array:  # noqa: N803  # as scikit-learn names it
        return np.asarray(self.model.predict(X))


@predictor(BoosterModel)
@exact
def booster(graph: Graph, model: BoosterModel, columns: Columns) -> Answers:
    return {"value": _answer(graph, model.model, columns)}


@predictor(LGBMModel, LGBMRegressor, LGBMRanker)
@exact
def lgbm_regressor(graph: Graph, model: LGBMModel, columns: Columns) -> Answers:
    _check(model)
    return {"value": _answer(graph, model.booster_, columns)}


@predictor(LGBMClassifier)
@exact
def lgbm_classifier(graph: Graph, model: LGBMClassifier, columns: Columns) -> Answers:
    _check(model)
    if callable(model.objective_):
        raise UnsupportedModel(
            "an LGBMClassifier with an objective of its own answers scores for labels; use one of LightGBM's objectives"
        )
    answer = _answer(graph, model.booster_, columns)
    several = model.booster_.num_model_per_iteration() > 1
    chances = answer if several else two_sided(graph, answer)
    return {"label": graph.op("ArgMax", chances, axis=1, keepdims=0), "probabilities": chances}


def _check(model: LGBMModel) -> None:
    if model.get_params().get("pred_early_stop"):
        raise UnsupportedModel(f"{type(model).__name__} with pred_early_stop, which skips trees; leave it out")


@dataclass(frozen=True)
class _Saved:
    """The text of a model: what it says of itself, and of each tree."""

    about: Mapping[str, str]
    trees: Sequence[_SavedTree]

    @property
    def per_iteration(self) -> int:
        return int(self.about["num_tree_per_iteration"])

    @property
    def average(self) -> bool:
        return "average_output" in self.about


@dataclass(frozen=True)
class _SavedTree:
    """One tree's lines. Splits come first, 0 the root; a child that is a leaf is the complement of its number."""

    lines: Mapping[str, str]

    def integers(self, name: str) -> Array:
        return np.array(self.lines.get(name, "").split(), dtype=np.int64)

    def doubles(self, name: str) -> Array:
        return np.array(self.lines.get(name, "").split(), dtype=np.float64)

    @cached_property
    def decisions(self) -> Array:
        return self.integers("decision_type")

    @property
    def categorical(self) -> Array:
        found: Array = (self.decisions & _CATEGORICAL) > 0
        return found

    @property
    def zero_is_missing(self) -> Array:
        found: Array = (self.decisions >> 2 == _ZERO_IS_MISSING) & ~self.categorical
        return found

    def categories(self, split: int) -> tuple[int, ...]:
        """The categories that go left."""
        index = int(self.doubles("threshold")[split])
        start, end = self.integers("cat_boundaries")[index : index + 2]
        return members(self.integers("cat_threshold")[start:end])


def _answer(graph: Graph, model: Booster, columns: Columns) -> str:
    """What `Booster.predict` answers: [rows], or [rows, classes]."""
    saved = _read(model)
    columns = _numbers(graph, model, columns)
    values = _leaves(graph, saved, columns)
    shape = graph.constant([-1, len(saved.trees) // saved.per_iteration, saved.per_iteration], np.int64)
    raw = summed(graph, graph.op("Reshape", values, shape))
    if saved.average:
        raw = graph.op("Div", raw, graph.constant(float(len(saved.trees) // saved.per_iteration)))
    if saved.per_iteration == 1:
        raw = flat(graph, raw)
    return _converted(graph, saved.about.get("objective", "custom").split(), raw)


def _read(model: Booster) -> _Saved:
    head, *blocks = model.model_to_string().partition("\nend of trees")[0].split("\nTree=")
    if not blocks:
        raise UnsupportedModel("a LightGBM model without a tree; train it for one round or more")
    return _Saved(_lines(head), [_SavedTree(_lines(block)) for block in blocks])


def _lines(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, _, value in pairs if name}


def _converted(graph: Graph, objective: Sequence[str], raw: str) -> str:
    """The raw scores as the objective has them answered (`ConvertOutput` in LightGBM's objectives)."""
    name, options = objective[0], dict(one.partition(":")[::2] for one in objective[1:])
    if name in ("binary", "multiclassova", "cross_entropy"):
        return _logistic(graph, raw, float(options.get("sigmoid", 1.0)))
    if name == "multiclass":
        return graph.op("Softmax", raw, axis=1)
    if name in ("poisson", "gamma", "tweedie"):
        return graph.op("Exp", raw)
    if name == "cross_entropy_lambda":
        return graph.op("Log", graph.op("Add", graph.op("Exp", raw), graph.constant(1.0)))
    if name not in _AS_IT_IS:
        raise UnsupportedModel(f"LightGBM with the objective '{name}', which is not known here; use another one")
    return graph.op("Mul", raw, graph.op("Abs", raw)) if "sqrt" in options else raw


_AS_IT_IS = {
    "custom",
    "fair",
    "huber",
    "lambdarank",
    "mape",
    "quantile",
    "rank_xendcg",
    "regression",
    "regression_l1",
}


def _logistic(graph: Graph, raw: str, slope: float) -> str:
    one = graph.constant(1.0)
    return graph.op("Div", one, graph.op("Add", one, graph.op("Exp", graph.op("Mul", raw, graph.constant(-slope)))))


def _numbers(graph: Graph, model: Booster, columns: Columns) -> Columns:
    """The columns as LightGBM takes them: categories of pandas as their codes, an array of integers as float32."""
    known = model.pandas_categorical
    places = [index for index, column in enumerate(columns) if isinstance(column.dtype, pd.CategoricalDtype)]
    if len(places) != len(known or ()):
        raise UnsupportedModel(
            f"LightGBM was trained on {len(known or ())} columns of dtype category, and the sample has {len(places)}; "
            "give rows as it was trained on"
        )
    if known is None and all(getattr(column.dtype, "kind", "") in ("b", "i", "u") for column in columns):
        single = graph.cast(graph.cast(graph.matrix(columns), TensorProto.FLOAT), TensorProto.DOUBLE)
        return graph.columns(single, len(columns), like=columns)
    coded = list(columns)
    for index, categories in zip(places, known or (), strict=True):
        graph.note_categories(columns[index], categories)
        coded[index] = codes(graph, columns[index], categories)
    return tuple(coded)


def _leaves(graph: Graph, saved: _Saved, columns: Columns) -> str:
    """The value of each tree [rows, trees, 1]."""
    zeros = sorted({int(one) for tree in saved.trees for one in tree.integers("split_feature")[tree.zero_is_missing]})
    widened = columns + _zero_is_missing(graph, columns, zeros)
    places = {feature: len(columns) + place for place, feature in enumerate(zeros)}
    subsets = Subsets(widened)
    linear = sorted({int(one) for tree in saved.trees for one in tree.integers("leaf_features")})
    trees = [_tree(tree, places, subsets, linear) for tree in saved.trees]
    split_on = subsets.extended(graph)
    note_splits(graph, trees, split_on)
    values = leaf_values(graph, graph.matrix(split_on), trees, single=False)
    if not linear:
        return values
    return _linear(graph, values, graph.matrix(tuple(columns[index] for index in linear)), len(linear))


def _zero_is_missing(graph: Graph, columns: Columns, chosen: Sequence[int]) -> Columns:
    """These columns once more, with NaN for what LightGBM takes for zero."""
    if not chosen:
        return ()
    like = tuple(columns[index] for index in chosen)
    matrix = graph.matrix(like)
    zero = graph.op("LessOrEqual", graph.op("Abs", matrix), graph.constant(ZERO))
    return graph.columns(graph.op("Where", zero, graph.constant(np.nan), matrix), len(like), like=like)


def _tree(saved: _SavedTree, places: Mapping[int, int], subsets: Subsets, linear: Sequence[int]) -> Tree:
    splits = len(saved.decisions)
    feature, threshold, missing_left = _splits(saved, places, subsets)
    left, right = (_children(saved.integers(f"{side}_child"), splits) for side in ("left", "right"))
    values, at_leaves = _leaf_numbers(saved, linear), np.full(splits + 1, -1)
    return Tree(
        feature=np.concatenate([feature, at_leaves]),
        threshold=np.concatenate([threshold, np.zeros(splits + 1)]),
        left=np.concatenate([left, at_leaves]),
        right=np.concatenate([right, at_leaves]),
        missing_left=np.concatenate([missing_left, at_leaves]),
        values=np.vstack([np.zeros((splits, values.shape[1])), values]),
    )


def _children(found: Array, splits: int) -> Array:
    return np.where(found < 0, splits + ~found, found)


def _splits(saved: _SavedTree, places: Mapping[int, int], subsets: Subsets) -> tuple[Array, Array, Array]:
    """The column, the threshold, and whether a missing value goes left, of each split."""
    feature, threshold = saved.integers("split_feature"), saved.doubles("threshold")
    missing_is_zero = saved.decisions >> 2 == _MISSING_IS_ZERO
    missing_left = np.where(missing_is_zero, threshold >= 0, (saved.decisions & _DEFAULT_LEFT) > 0)
    beside = np.where(threshold < 0, np.nextafter(-ZERO, -1.0), ZERO)
    threshold = np.where(np.abs(threshold) <= ZERO, beside, threshold)
    for split in np.flatnonzero(saved.zero_is_missing):
        feature[split] = places[int(feature[split])]
    for split in np.flatnonzero(saved.categorical):
        feature[split] = subsets.place(int(feature[split]), saved.categories(int(split)))
        threshold[split] = 0.5
    return feature, threshold, missing_left


def _leaf_numbers(saved: _SavedTree, linear: Sequence[int]) -> Array:
    """Per leaf its value; with linear models also their constant, their coefficients, and which columns they take."""
    values = saved.doubles("leaf_value").reshape(-1, 1)
    if not linear:
        return values
    constants = saved.doubles("leaf_const").reshape(-1, 1) if "leaf_const" in saved.lines else values
    weights, taken = np.zeros((len(values), len(linear))), np.zeros((len(values), len(linear)))
    leaf = np.repeat(np.arange(len(values)), saved.integers("num_features")) if "num_features" in saved.lines else ()
    column = np.searchsorted(linear, saved.integers("leaf_features"))
    weights[leaf, column], taken[leaf, column] = saved.doubles("leaf_coeff"), 1.0
    return np.hstack([values, constants, weights, taken])


def _linear(graph: Graph, values: str, matrix: str, width: int) -> str:
    """The linear model of each row's leaf; the leaf's value where one of the numbers that it takes is missing."""
    edges = (0, 1, 2, 2 + width, 2 + 2 * width)
    value, constant, weights, taken = (
        graph.op("Slice", values, *(graph.constant([one], np.int64) for one in (start, end, 2)))
        for start, end in pairwise(edges)
    )
    wide, axis = graph.op("Unsqueeze", matrix, graph.constant([1], np.int64)), graph.constant([2], np.int64)
    missing = graph.op("IsNaN", wide)
    numbers = graph.op("Where", missing, graph.constant(0.0), wide)
    sums = graph.op("ReduceSum", graph.op("Mul", weights, numbers), axis, keepdims=1)
    holes = graph.cast(missing, TensorProto.DOUBLE)
    lacking = graph.op("ReduceSum", graph.op("Mul", taken, holes), axis, keepdims=1)
    return graph.op("Where", graph.op("Greater", lacking, graph.constant(0.0)), value, graph.op("Add", constant, sums))
