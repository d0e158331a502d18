"""Ensembles of any estimators: voting, stacking, bagging, boosting by weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from app.signature import Array
from export.errors import UnsupportedModel
from export.frameworks import Answers, predict, predictor
from export.frameworks.sklearn import links
from export.frameworks.sklearn.trees import member_values
from export.frameworks.trees import summed
from export.graph import Columns, Graph

_TREES = (DecisionTreeClassifier, ExtraTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor)


@predictor(VotingClassifier)
def voting_classifier(graph: Graph, model: VotingClassifier, columns: Columns) -> Answers:
    weights = model._weights_not_none
    if model.voting == "soft":
        chances = [_chances(graph, one, columns) for one in model.estimators_]
        return links.likeliest(graph, _average(graph, chances, weights))
    votes = [_one_hot(graph, one, predict(graph, one, columns), len(model.classes_)) for one in model.estimators_]
    return {"label": links.label(graph, _weighted_sum(graph, votes, weights), binary=False)}


@predictor(VotingRegressor)
def voting_regressor(graph: Graph, model: VotingRegressor, columns: Columns) -> Answers:
    values = [predict(graph, one, columns)["value"] for one in model.estimators_]
    return {"value": _average(graph, values, model._weights_not_none)}


@predictor(StackingRegressor, StackingClassifier)
def stacking(graph: Graph, model: Any, columns: Columns) -> Answers:
    parts: Columns = ()
    for one, method in zip(model.estimators_, model.stack_method_, strict=True):
        parts += _stacked(graph, one, method, columns)
    answers = predict(graph, model.final_estimator_, parts + (columns if model.passthrough else ()))
    if isinstance(getattr(model, "_label_encoder", None), list):
        raise UnsupportedModel("a StackingClassifier of several labels; train one per label")
    return answers


@predictor(BaggingClassifier)
def bagging_classifier(graph: Graph, model: BaggingClassifier, columns: Columns) -> Answers:
    classes = len(model.classes_)
    if all(type(one) in _TREES for one in model.estimators_):
        leaves = member_values(graph, model.estimators_, model.estimators_features_, columns, classes)
        total = summed(graph, leaves)
    else:
        members = zip(model.estimators_, model.estimators_features_, strict=True)
        chances = [_member(graph, one, tuple(columns[index] for index in chosen), classes) for one, chosen in members]
        total = links.added(graph, chances)
    return links.likeliest(graph, graph.op("Div", total, graph.constant(float(len(model.estimators_)))))


@predictor(BaggingRegressor)
def bagging_regressor(graph: Graph, model: BaggingRegressor, columns: Columns) -> Answers:
    members = zip(model.estimators_, model.estimators_features_, strict=True)
    if all(type(one) in _TREES for one in model.estimators_):
        leaves = member_values(graph, model.estimators_, model.estimators_features_, columns)
        total = summed(graph, leaves)
        single = model.estimators_[0].n_outputs_ == 1
        total = links.flat(graph, total) if single else total
    else:
        values = [predict(graph, one, tuple(columns[index] for index in chosen))["value"] for one, chosen in members]
        total = links.added(graph, values)
    return {"value": graph.op("Div", total, graph.constant(float(len(model.estimators_))))}


@predictor(AdaBoostClassifier)
def ada_boost_classifier(graph: Graph, model: AdaBoostClassifier, columns: Columns) -> Answers:
    """Each member's weight for the class it votes for, and a share of it against the others."""
    classes = len(model.classes_)
    if classes < 2:
        raise UnsupportedModel("an AdaBoostClassifier of one class")
    weights = model.estimator_weights_[: len(model.estimators_)]
    shares = [np.where(np.eye(classes, dtype=bool), one, -1 / (classes - 1) * one) for one in weights]
    votes = [
        _share(graph, one, predict(graph, one, columns), model, table)
        for one, table in zip(model.estimators_, shares, strict=True)
    ]
    raw = graph.op("Div", links.added(graph, votes), graph.constant(float(model.estimator_weights_.sum())))
    if classes > 2:
        scaled = graph.op("Div", raw, graph.constant(float(classes - 1)))
        return {**links.posterior(graph, scaled), "label": links.label(graph, raw, binary=False), "scores": raw}
    decision = graph.op("Add", graph.op("Neg", links.column(graph, raw, 0)), links.column(graph, raw, 1))
    halved = graph.op("Div", links.as_column(graph, decision), graph.constant(2.0))
    both = links.joined(graph, [graph.op("Neg", halved), halved])
    return {**links.posterior(graph, both), "label": links.label(graph, decision, binary=True), "scores": decision}


@predictor(AdaBoostRegressor)
def ada_boost_regressor(graph: Graph, model: AdaBoostRegressor, columns: Columns) -> Answers:
    """The weighted median of the members' answers."""
    values = _members_values(graph, model, columns)
    count = len(model.estimators_)
    ordered, order = graph.ops("TopK", values, graph.constant([count], np.int64), outputs=2, axis=1, largest=0)
    weights = links.picked(graph, model.estimator_weights_[:count], order, np.float64)
    running = graph.op("CumSum", weights, graph.constant(1, np.int64))
    half = graph.op("Mul", graph.constant(0.5), links.sliced(graph, running, count - 1, count))
    over = graph.cast(graph.op("GreaterOrEqual", running, half), TensorProto.INT32)
    place = graph.op("ArgMax", over, axis=1, keepdims=1)
    return {"value": links.flat(graph, graph.op("GatherElements", ordered, place, axis=1))}


def _members_values(graph: Graph, model: AdaBoostRegressor, columns: Columns) -> str:
    """[rows, members]"""
    if all(type(one) in _TREES for one in model.estimators_):
        everything = [np.arange(len(columns))] * len(model.estimators_)
        leaves = member_values(graph, model.estimators_, everything, columns)
        return graph.op("Squeeze", leaves, graph.constant([2], np.int64))
    values = [predict(graph, one, columns)["value"] for one in model.estimators_]
    return links.joined(graph, [links.as_column(graph, value) for value in values])


def _share(graph: Graph, member: Any, answers: Answers, model: AdaBoostClassifier, table: Array) -> str:
    return links.picked(graph, table[np.searchsorted(model.classes_, member.classes_)], answers["label"])


def _stacked(graph: Graph, model: Any, method: str, columns: Columns) -> Columns:
    """What one model of a stack gives the final one."""
    answers = predict(graph, model, columns)
    if method == "predict_proba":
        chances = links.wanted(model, answers, "probabilities")
        width = len(model.classes_)
        found = graph.columns(chances, width)
        return found[1:] if width == 2 else found
    if method == "decision_function":
        return _as_columns(graph, links.wanted(model, answers, "scores"), len(model.classes_))
    if "value" in answers:
        return graph.columns(graph.op("Reshape", answers["value"], graph.constant([0, 1], np.int64)), 1)
    return graph.columns(links.as_column(graph, links.class_values(graph, model, answers["label"])), 1)


def _as_columns(graph: Graph, scores: str, classes: int) -> Columns:
    return graph.columns(links.as_column(graph, scores), 1) if classes == 2 else graph.columns(scores, classes)


def _chances(graph: Graph, model: Any, columns: Columns) -> str:
    return links.wanted(model, predict(graph, model, columns), "probabilities")


def _member(graph: Graph, model: Any, columns: Columns, classes: int) -> str:
    """A bagged classifier's probabilities, or its vote; zero for classes that it never saw."""
    answers = predict(graph, model, columns)
    if not hasattr(model, "predict_proba"):
        return _one_hot(graph, model, answers, classes)
    chances = links.wanted(model, answers, "probabilities")
    if len(model.classes_) == classes:
        return chances
    return graph.op("MatMul", chances, graph.constant(np.eye(classes)[np.asarray(model.classes_, dtype=int)]))


def _one_hot(graph: Graph, model: Any, answers: Answers, classes: int) -> str:
    """A vote [rows, classes] of a member, whose own classes are indices into the ensemble's."""
    return links.picked(graph, np.eye(classes)[np.asarray(model.classes_, dtype=int)], answers["label"])


def _weighted_sum(graph: Graph, tensors: Sequence[str], weights: Any) -> str:
    if weights is None:
        return links.added(graph, tensors)
    pairs = zip(tensors, weights, strict=True)
    return links.added(graph, [graph.op("Mul", one, graph.constant(float(weight))) for one, weight in pairs])


def _average(graph: Graph, tensors: Sequence[str], weights: Any) -> str:
    total = float(len(tensors) if weights is None else np.sum(weights))
    return graph.op("Div", _weighted_sum(graph, tensors, weights), graph.constant(total))
