"""Models of several targets made of one model per target, side by side or in a chain."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain

from export.frameworks import Answers, predict, predictor
from export.frameworks.sklearn import links
from export.graph import Columns, Graph


@predictor(MultiOutputRegressor)
def multi_output_regressor(graph: Graph, model: MultiOutputRegressor, columns: Columns) -> Answers:
    values = [predict(graph, one, columns)["value"] for one in model.estimators_]
    return {"value": _side_by_side(graph, values)}


@predictor(MultiOutputClassifier)
def multi_output_classifier(graph: Graph, model: MultiOutputClassifier, columns: Columns) -> Answers:
    found = [predict(graph, one, columns) for one in model.estimators_]
    answers = {"label": links.labels(graph, model.classes_, [one["label"] for one in found])}
    if all("probabilities" in one for one in found):
        answers["probabilities"] = links.joined(graph, [one["probabilities"] for one in found])
    return answers


@predictor(RegressorChain)
def regressor_chain(graph: Graph, model: RegressorChain, columns: Columns) -> Answers:
    values: list[str] = []
    for one in model.estimators_:
        values.append(predict(graph, one, columns)["value"])
        columns = columns + _as_columns(graph, values[-1])
    return {"value": _side_by_side(graph, _in_order(model, values))}


@predictor(ClassifierChain)
def classifier_chain(graph: Graph, model: ClassifierChain, columns: Columns) -> Answers:
    found: list[Answers] = []
    for one in model.estimators_:
        answers = predict(graph, one, columns)
        found.append(answers)
        columns = columns + _as_columns(graph, _passed_on(graph, model.chain_method_, one, answers))
    ordered = _in_order(model, found)
    result = {"label": links.labels(graph, _in_order(model, model.classes_), [one["label"] for one in ordered])}
    if all("probabilities" in one for one in found):
        chances = [links.column(graph, one["probabilities"], 1) for one in ordered]
        result["probabilities"] = _side_by_side(graph, chances)
    if all("scores" in one for one in found):
        result["scores"] = _side_by_side(graph, [one["scores"] for one in ordered])
    return result


def _passed_on(graph: Graph, method: str, model: Any, answers: Answers) -> str:
    """What the next classifier of a chain learns of this one [rows]."""
    if method == "predict":
        return links.class_values(graph, model, answers["label"])
    if method == "decision_function":
        return links.wanted(model, answers, "scores")
    return links.column(graph, links.wanted(model, answers, "probabilities"), 1)


def _in_order(model: Any, found: Any) -> list[Any]:
    """What a chain's models answer, in the order of the targets."""
    return [found[position] for position in np.argsort(model.order_)]


def _as_columns(graph: Graph, vector: str) -> Columns:
    return graph.columns(links.as_column(graph, vector), 1)


def _side_by_side(graph: Graph, vectors: list[str]) -> str:
    return links.joined(graph, [links.as_column(graph, vector) for vector in vectors])
