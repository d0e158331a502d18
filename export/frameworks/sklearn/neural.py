"""Multi-layer perceptrons."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from export.frameworks import Answers, predictor
from export.frameworks.sklearn import links
from export.graph import Columns, Graph

_NODES = {"exp": "Exp", "logistic": "Sigmoid", "relu": "Relu", "tanh": "Tanh"}


@predictor(MLPRegressor)
def mlp_regressor(graph: Graph, model: MLPRegressor, columns: Columns) -> Answers:
    value = _forward(graph, model, columns)
    return {"value": links.flat(graph, value) if model.n_outputs_ == 1 else value}


@predictor(MLPClassifier)
def mlp_classifier(graph: Graph, model: MLPClassifier, columns: Columns) -> Answers:
    chances = _forward(graph, model, columns)
    if model._label_binarizer.y_type_.startswith("multilabel"):
        return {"label": links.labels_above(graph, chances, 0.5), "probabilities": chances}
    if model.n_outputs_ > 1:
        return links.likeliest(graph, chances)
    second = links.flat(graph, chances)
    return {"label": links.labels_above(graph, second, 0.5), "probabilities": links.two_sided(graph, second)}


def _forward(graph: Graph, model: Any, columns: Columns) -> str:
    """What the last layer gives [rows, outputs]."""
    found = graph.matrix(columns)
    last = len(model.coefs_) - 1
    for index, (weights, intercept) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        layer = links.linear(graph, found, np.asarray(weights), intercept)
        found = _activated(graph, layer, model.out_activation_ if index == last else model.activation)
    return found


def _activated(graph: Graph, layer: str, activation: str) -> str:
    if activation == "identity":
        return layer
    return graph.op("Softmax", layer, axis=1) if activation == "softmax" else graph.op(_NODES[activation], layer)
