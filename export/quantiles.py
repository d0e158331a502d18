"""Regression as a distribution: the answer has quantiles, and where 0.5 is one of them, the median as its value.

Quantiles that were fitted apart may cross. They are sorted, row by row: what was meant as the larger one is the larger
one, and the sorted curve is never further from the true one (Chernozhukov, Fernández-Val and Galichon, 2010, "Quantile
and probability curves without crossing").
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

from app.signature import Array
from app.uncertainty import PROBABILITIES, QUANTILES, VALUE
from export.errors import ExportError, UnsupportedModel
from export.frameworks import Answers, predict, predictor
from export.graph import Columns, Graph

MEDIAN = 0.5


class Distribution(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted estimator that answers quantiles: those of `levels_`, in ascending order."""

    def __init__(self, levels: Sequence[float]) -> None:
        """Raises ExportError for levels that are none."""
        if not levels or not all(0 < level < 1 for level in levels) or list(levels) != sorted(set(levels)):
            raise ExportError(
                f"quantiles lie between 0 and 1, once each and ascending, and are given as {list(levels)}"
            )
        self.levels_ = tuple(float(level) for level in levels)

    @abstractmethod
    def predict_quantiles(self, X: Any) -> Array:  # noqa: N803  # the name that scikit-learn has for it
        """The quantiles of each row, [rows, levels]."""

    @available_if(lambda self: MEDIAN in self.levels_)  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> Array:  # noqa: N803  # likewise
        """The median of each row."""
        found: Array = self.predict_quantiles(X)[:, self.levels_.index(MEDIAN)]
        return found

    @property
    def names(self) -> list[str]:
        """The levels, as an answer names them."""
        return [f"{level:g}" for level in self.levels_]

    def fit(self, *_: Any) -> Distribution:
        """It is made of fitted models."""
        return self

    def _inherit(self, models: Sequence[Any]) -> None:
        """Take what the models say of their features. Raises ExportError if that differs."""
        for name, kind in (("n_features_in_", None), ("feature_names_in_", np.object_)):
            said = [np.asarray(getattr(model, name), kind) for model in models if hasattr(model, name)]
            if any(one.tolist() != said[0].tolist() for one in said):
                raise ExportError("the models of the quantiles were fitted on different features")
            if said:
                setattr(self, name, said[0] if kind else int(said[0]))


class ByModel(Distribution):
    """Quantiles by as many models, fitted on the same features, or by one that answers them all."""

    def __init__(self, levels: Sequence[float], models: Sequence[Any]) -> None:
        """Raises ExportError for levels or models that do not fit together."""
        super().__init__(levels)
        self.levels, self.models = levels, models
        self._inherit(models)

    def predict_quantiles(self, X: Any) -> Array:  # noqa: N803
        found = np.column_stack([np.asarray(model.predict(X), dtype=np.float64) for model in self.models])
        if found.shape[1] != len(self.levels_):
            raise UnsupportedModel(
                f"{found.shape[1]} numbers a row come of the models of {len(self.levels_)} quantiles"
            )
        return np.sort(found, axis=1)


class Buckets(Distribution):
    """Quantiles by a classifier of buckets, whose classes in their order are the intervals between `edges`.

    Within a bucket its probability is spread evenly, so that the distribution function is interpolated linearly. A
    level that a bucket without any probability lies at is that bucket's lower edge.

    Far from the training rows the buckets in between may be empty: there a quantile leaps by the last bit of a
    probability, and the parity check refuses it. Declare valid ranges that leave such rows out.
    """

    def __init__(self, classifier: Any, edges: Sequence[float], levels: Sequence[float] = (0.1, 0.5, 0.9)) -> None:
        """`edges` ascend, and are one more than the classes. Raises ExportError."""
        super().__init__(levels)
        if len(edges) != len(getattr(classifier, "classes_", ())) + 1 or not (np.diff(edges) > 0).all():
            raise ExportError("the edges of the buckets ascend, and are one more than the classifier's classes")
        if not hasattr(classifier, "predict_proba"):
            raise ExportError("buckets need a classifier with probabilities")
        self.classifier, self.edges, self.levels = classifier, edges, levels
        self._inherit([classifier])

    def predict_quantiles(self, X: Any) -> Array:  # noqa: N803
        shares = np.asarray(self.classifier.predict_proba(X), dtype=np.float64)
        before = np.cumsum(shares, axis=1) - shares
        with np.errstate(divide="ignore", invalid="ignore"):
            reached = [
                np.where(shares > 0, ((level - before) / shares).clip(0.0, 1.0), level > before)
                for level in self.levels_
            ]
        found: Array = np.column_stack([self.edges[0] + one @ np.diff(self.edges) for one in reached])
        return found


def by_quantile(models: Mapping[Any, Any]) -> ByModel:
    """The distribution of models by quantile: `{0.1: …, 0.5: …, 0.9: …}`. Raises ExportError."""
    if not models or not all(isinstance(level, int | float) for level in models):
        raise ExportError("a dictionary of models has a quantile, such as 0.5, as the key of each")
    levels = sorted(models)
    return ByModel(levels, [models[level] for level in levels])


def several_quantiles(model: Any) -> Any:
    """The distribution of a model that answers several quantiles at once; any other model as it is."""
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    package = type(last).__module__.partition(".")[0]
    levels = _LEVELS[package](last) if package in _LEVELS and hasattr(last, "fit") else None
    if levels is None or len(levels) < 2:
        return model
    if list(levels) != sorted(levels):
        raise UnsupportedModel(f"its quantiles are fitted in the order {levels}; fit them in ascending order")
    return ByModel(levels, [model])


@predictor(ByModel)
def _by_model(graph: Graph, model: ByModel, columns: Columns) -> Answers:
    count = len(model.levels_)
    shape = graph.constant([-1, count // len(model.models)], np.int64)
    parts = [graph.op("Reshape", predict(graph, one, columns)[VALUE], shape) for one in model.models]
    joined = parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1)
    size = graph.constant([count], np.int64)
    return _answers(graph, model, graph.ops("TopK", joined, size, outputs=2, axis=1, largest=0, sorted=1)[0])


@predictor(Buckets)
def _buckets(graph: Graph, model: Buckets, columns: Columns) -> Answers:
    shares = predict(graph, model.classifier, columns)[PROBABILITIES]
    before = graph.op("Sub", graph.op("CumSum", shares, graph.constant(1, np.int64)), shares)
    zero, one = graph.constant(0.0), graph.constant(1.0)
    widths = graph.constant(np.diff(model.edges).reshape(-1, 1).astype(np.float64))
    found = []
    for level in model.levels_:
        left = graph.op("Sub", graph.constant(level), before)
        within = graph.op("Clip", graph.op("Div", left, shares), zero, one)
        passed = graph.cast(graph.op("Greater", left, zero), TensorProto.DOUBLE)
        reached = graph.op("Where", graph.op("Greater", shares, zero), within, passed)
        found.append(graph.op("Add", graph.op("MatMul", reached, widths), graph.constant(float(model.edges[0]))))
    return _answers(graph, model, found[0] if len(found) == 1 else graph.op("Concat", *found, axis=1))


def _answers(graph: Graph, model: Distribution, quantiles: str) -> Answers:
    if MEDIAN not in model.levels_:
        return {QUANTILES: quantiles}
    middle = graph.constant(model.levels_.index(MEDIAN), np.int64)
    return {QUANTILES: quantiles, VALUE: graph.op("Gather", quantiles, middle, axis=1)}


def _xgboost(model: Any) -> list[float] | None:
    said = model.get_params() if hasattr(model, "get_params") else {}
    if said.get("objective") != "reg:quantileerror":
        return None
    return [float(level) for level in np.atleast_1d(said.get("quantile_alpha", []))]


def _catboost(model: Any) -> list[float] | None:
    loss = str((model.get_all_params() if hasattr(model, "get_all_params") else {}).get("loss_function", ""))
    name, _, said = loss.partition(":alpha=")
    return [float(level) for level in said.split(",")] if name == "MultiQuantile" else None


_LEVELS = {"xgboost": _xgboost, "catboost": _catboost}
"""Framework -> the levels that a model of it was fitted for, or None."""
