"""Which function writes an estimator into a graph.

An estimator class is registered by its framework's module here, which is imported when the first estimator of that
framework is met: `export.frameworks.sklearn` for classes of `sklearn`, and so on. Classes are matched exactly, as a
subclass may well predict otherwise. What has no function of its own goes to skl2onnx.

A framework's native model that is no estimator, as the Booster that `train` gives, is adapted: its module registers an
`adapter` that makes a `NativeModel` of it, and a predictor for that, as for any other estimator.

A function marked `exact` takes the trained model's own operations, in their own order; export.exactness says what
follows from that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from export.frameworks import fallback
from export.frameworks.native import NativeModel
from export.graph import Columns, Graph

Answers = dict[str, str]
"""Output name -> tensor: `label` (an index into the classes, or the label of an outlier detector or clusterer),
`probabilities`, `scores` or `value`."""

Transformer = Callable[[Graph, Any, Columns], Columns]
Predictor = Callable[[Graph, Any, Columns], Answers]
Adapter = Callable[[Any], NativeModel]

Emitter = TypeVar("Emitter", Transformer, Predictor)

_TRANSFORMERS: dict[type, Transformer] = {}
_PREDICTORS: dict[type, Predictor] = {}
_ADAPTERS: dict[type, Adapter] = {}
_EXACT: set[Callable[..., Any]] = set()


def transformer(*classes: type) -> Callable[[Transformer], Transformer]:
    """Register how `transform` of these classes is written."""

    def register(function: Transformer) -> Transformer:
        _TRANSFORMERS.update(dict.fromkeys(classes, function))
        return function

    return register


def predictor(*classes: type) -> Callable[[Predictor], Predictor]:
    """Register how `predict`, `predict_proba` or `decision_function` of these classes are written."""

    def register(function: Predictor) -> Predictor:
        _PREDICTORS.update(dict.fromkeys(classes, function))
        return function

    return register


def adapter(*classes: type) -> Callable[[Adapter], Adapter]:
    """Register what makes an estimator of a model of these classes, which are none: a function, or a class itself."""

    def register(function: Adapter) -> Adapter:
        _ADAPTERS.update(dict.fromkeys(classes, function))
        return function

    return register


def adapt(model: Any) -> Any:
    """The estimator that its framework makes of a native model; any other model as it is. Raises UnsupportedModel."""
    _import_framework(type(model))
    found = _ADAPTERS.get(type(model))
    return found(model) if found else model


def exact(function: Emitter) -> Emitter:
    """Declare that a function writes the estimator's own operations, each in double or in float32 as the estimator
    has it, and sums in the estimator's order. Its docstring, or that of its module, says why that is so; a case for
    which it is not calls `graph.doubt`.
    """
    _EXACT.add(function)
    return function


def transform(graph: Graph, model: Any, columns: Columns) -> Columns:
    """Write a fitted transformer: columns in, columns out. Raises UnsupportedModel."""
    return _emitter(_TRANSFORMERS, fallback.transform, graph, model)(graph, model, columns)


def predict(graph: Graph, model: Any, columns: Columns) -> Answers:
    """Write a fitted predictor: columns in, answers out. Raises UnsupportedModel."""
    return _emitter(_PREDICTORS, fallback.predict, graph, model)(graph, model, columns)


def _emitter(registry: Mapping[type, Emitter], otherwise: Emitter, graph: Graph, model: Any) -> Emitter:
    graph.packages.add(_import_framework(type(model)))
    function = registry.get(type(model), otherwise)
    if function not in _EXACT:
        graph.doubt(type(model).__name__)
    return function


def _import_framework(kind: type) -> str:
    """Have a class's framework register what it writes; the package that it is."""
    package = kind.__module__.partition(".")[0]
    if find_spec(f"{__name__}.{package}"):
        import_module(f"{__name__}.{package}")
    return package
