"""Classifiers of many classes made of binary ones: one against the rest, one against one, error-correcting codes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.base import is_regressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier, _ConstantPredictor

from export.frameworks import Answers, predict, predictor
from export.frameworks.sklearn import links
from export.graph import Columns, Graph


@predictor(OneVsRestClassifier)
def one_vs_rest(graph: Graph, model: OneVsRestClassifier, columns: Columns) -> Answers:
    found = [predict(graph, one, columns) for one in model.estimators_]
    scores = [_binary(graph, one, answers) for one, answers in zip(model.estimators_, found, strict=True)]
    each = links.joined(graph, [links.as_column(graph, score) for score in scores])
    if model.label_binarizer_.y_type_ == "multiclass":
        answers = {"label": links.label(graph, each, binary=False), "scores": each}
    else:
        answers = {"label": links.labels_above(graph, each, _threshold(model.estimators_[0])), "scores": each}
    if len(scores) == 1:
        answers = {name: links.flat(graph, tensor) for name, tensor in answers.items()}
    if not all("probabilities" in one for one in found):
        return answers
    chances = [links.column(graph, one["probabilities"], 1) for one in found]
    if len(chances) == 1:
        return {**answers, "probabilities": links.two_sided(graph, chances[0])}
    together = links.joined(graph, [links.as_column(graph, chance) for chance in chances])
    return {**answers, "probabilities": together if model.multilabel_ else links.normalised(graph, together, 0.0)}


@predictor(_ConstantPredictor)
def constant_predictor(graph: Graph, model: Any, columns: Columns) -> Answers:
    """Of a class that every row of the training data had, or none."""
    second = float(model.y_[0])
    return {
        "label": links.everywhere(graph, columns, model.y_[:1].astype(np.int64)),
        "probabilities": links.everywhere(graph, columns, np.array([[1.0 - second, second]])),
        "scores": links.everywhere(graph, columns, np.array([second])),
    }


@predictor(OneVsOneClassifier)
def one_vs_one(graph: Graph, model: OneVsOneClassifier, columns: Columns) -> Answers:
    chosen = model.pairwise_indices_ or [range(len(columns))] * len(model.estimators_)
    found = [
        predict(graph, one, tuple(columns[index] for index in indices))
        for one, indices in zip(model.estimators_, chosen, strict=True)
    ]
    scores = [_binary(graph, one, answers) for one, answers in zip(model.estimators_, found, strict=True)]
    votes = [links.as_column(graph, answers["label"]) for answers in found]
    second = graph.cast(links.joined(graph, votes), TensorProto.BOOL)
    confidences = links.joined(graph, [links.as_column(graph, score) for score in scores])
    decision = pairwise_votes(graph, second, confidences, len(model.classes_))
    if len(model.classes_) > 2:
        return {"label": links.label(graph, decision, binary=False), "scores": decision}
    second_class = links.column(graph, decision, 1)
    return {
        "label": links.labels_above(graph, second_class, _threshold(model.estimators_[0])),
        "scores": second_class,
    }


@predictor(OutputCodeClassifier)
def output_code(graph: Graph, model: OutputCodeClassifier, columns: Columns) -> Answers:
    """The class whose code is nearest to what the binary classifiers say."""
    scores = [_binary(graph, one, predict(graph, one, columns)) for one in model.estimators_]
    words = links.joined(graph, [links.as_column(graph, score) for score in scores])
    book = np.asarray(model.code_book_, dtype=np.float64)
    products = graph.op("MatMul", words, graph.constant(-2.0 * book.T))
    distances = graph.op("Add", products, graph.constant((book**2).sum(axis=1).reshape(1, -1)))
    return {"label": graph.op("ArgMin", distances, axis=1, keepdims=0)}


def pairwise_votes(graph: Graph, second: str, confidences: str, classes: int) -> str:
    """The decision [rows, classes] of one classifier per pair of classes.

    `second` [rows, pairs] says which pairs vote for the second of their classes; `confidences` how sure they are of it.
    As in sklearn.utils.multiclass._ovr_decision_function: votes, and less than one more by confidence.
    """
    firsts, seconds = (np.array(side) for side in zip(*combinations(range(classes), 2), strict=True))
    first, last = np.eye(classes)[firsts], np.eye(classes)[seconds]
    ayes = graph.cast(second, TensorProto.DOUBLE)
    noes = graph.op("Sub", graph.constant(1.0), ayes)
    votes = graph.op(
        "Add", graph.op("MatMul", ayes, graph.constant(last)), graph.op("MatMul", noes, graph.constant(first))
    )
    sure = graph.op("MatMul", confidences, graph.constant(last - first))
    bounded = graph.op("Mul", graph.constant(3.0), graph.op("Add", graph.op("Abs", sure), graph.constant(1.0)))
    return graph.op("Add", votes, graph.op("Div", sure, bounded))


def _binary(graph: Graph, model: Any, answers: Answers) -> str:
    """How sure a binary classifier is of its second class [rows]: its decision if it has one, else the probability."""
    if is_regressor(model):
        return answers["value"]
    if hasattr(model, "decision_function"):
        return links.wanted(model, answers, "scores")
    return links.column(graph, links.wanted(model, answers, "probabilities"), 1)


def _threshold(model: Any) -> float:
    return 0.0 if hasattr(model, "decision_function") and not is_regressor(model) else 0.5
