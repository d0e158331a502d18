"""Estimators that have no function of their own: converted by skl2onnx, and embedded. The parity check decides."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.base import is_classifier, is_outlier_detector, is_regressor
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.svm import SVC, NuSVC
from sklearn.tree._tree import Tree

from export.errors import UnsupportedModel, first_line
from export.graph import ML, OPSETS, Columns, Graph

_INPUT = "X"


def transform(graph: Graph, model: Any, columns: Columns) -> Columns:
    """Embed a converted transformer."""
    found, converted = _embedded(graph, model, columns)
    width = converted.graph.output[0].type.tensor_type.shape.dim[-1].dim_value or _width(model.transform, columns)
    return graph.columns(graph.cast(found[0], TensorProto.DOUBLE), width)


def predict(graph: Graph, model: Any, columns: Columns) -> dict[str, str]:
    """Embed a converted predictor, its answers brought to our shapes and types."""
    found, converted = _embedded(graph, model, columns)
    if is_classifier(model):
        kind = "probabilities" if hasattr(model, "predict_proba") else "scores"
        numbers = graph.cast(found[1], TensorProto.DOUBLE)
        if kind == "scores" and len(model.classes_) == 2:
            numbers = _binary_score(graph, model, numbers, converted)
        return {"label": _class_index(graph, model, found[0], converted), kind: numbers}
    flat = graph.constant([-1], np.int64)
    if is_outlier_detector(model):
        inlier = graph.op("Greater", graph.op("Reshape", found[0], flat), graph.constant(0, np.int64))
        return {
            "label": graph.cast(inlier, TensorProto.INT64),
            "scores": graph.op("Reshape", graph.cast(found[1], TensorProto.DOUBLE), flat),
        }
    if is_regressor(model):
        value = graph.cast(found[0], TensorProto.DOUBLE)
        return {"value": value if _width(model.predict, columns) > 1 else graph.op("Reshape", value, flat)}
    answers = {"label": graph.op("Reshape", graph.cast(found[0], TensorProto.INT64), flat)}
    if len(found) > 1:
        answers["scores"] = graph.cast(found[1], TensorProto.DOUBLE)
    return answers


def _embedded(graph: Graph, model: Any, columns: Columns) -> tuple[list[str], onnx.ModelProto]:
    converted = _converted(model, columns)
    graph.note_thresholds(columns, ((index, split) for index, split in _splits(model, set()) if index < len(columns)))
    tensor = graph.matrix(columns)
    if _element(converted.graph.input[0]) == TensorProto.FLOAT:
        tensor = graph.cast(tensor, TensorProto.FLOAT)
    return graph.embed(converted, [tensor]), converted


def _converted(model: Any, columns: Columns) -> onnx.ModelProto:
    """The first conversion, in double or else in float32, that onnxruntime loads. Raises UnsupportedModel."""
    reasons = []
    for kind in (StringTensorType,) if columns[0].text else (DoubleTensorType, FloatTensorType):
        try:
            converted = _convert(model, [(_INPUT, kind([None, len(columns)]))])
            ort.InferenceSession(converted.SerializeToString(), _quiet(), providers=["CPUExecutionProvider"])
        except Exception as error:  # skl2onnx raises whatever its converters happen to
            reasons.append(f"{type(error).__name__}: {first_line(error)}")
        else:
            return converted
    raise UnsupportedModel(
        f"{type(model).__name__} has no conversion that works ({reasons[-1]}). Use another estimator for this step"
    )


def _splits(model: Any, seen: set[int]) -> Iterator[tuple[int, float]]:
    """Where any tree splits that an estimator holds, however deep, as if each saw the estimator's own columns."""
    if id(model) in seen:
        return
    seen.add(id(model))
    if isinstance(model, Tree):
        inner = model.feature >= 0
        yield from zip(model.feature[inner].tolist(), model.threshold[inner].tolist(), strict=True)
    elif isinstance(model, TreePredictor):
        nodes = model.nodes[model.nodes["is_leaf"] == 0]
        yield from zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True)
    else:
        for part in _parts(model):
            yield from _splits(part, seen)


def _parts(held: Any) -> Iterable[Any]:
    if isinstance(held, dict):
        return held.values()
    if isinstance(held, np.ndarray):
        return held.ravel().tolist() if held.dtype == np.object_ else ()
    if isinstance(held, list | tuple):
        return held
    return vars(held).values() if type(held).__module__.startswith("sklearn.") and hasattr(held, "__dict__") else ()


def _convert(model: Any, types: list[Any]) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("skl2onnx").setLevel(logging.ERROR)
        try:
            found = convert_sklearn(model, initial_types=types, target_opset=OPSETS, options=_options(model))
        except NameError:  # how skl2onnx says that a converter does not know an option
            found = convert_sklearn(model, initial_types=types, target_opset=OPSETS)
    return cast(onnx.ModelProto, found)


def _options(model: Any) -> dict[int, Any] | None:
    return {id(model): {"zipmap": False}} if is_classifier(model) else None


def _quiet() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return options


def _class_index(graph: Graph, model: Any, found: str, converted: onnx.ModelProto) -> str:
    classes = model.classes_.tolist()
    flat = graph.op("Reshape", found, graph.constant([-1], np.int64))
    if _element(converted.graph.output[0]) == TensorProto.STRING:
        keys: dict[str, Any] = {"keys_strings": [str(label) for label in classes]}
    else:
        keys = {"keys_int64s": [int(label) for label in classes]}
    if len(set(next(iter(keys.values())))) < len(classes):
        raise UnsupportedModel(f"{type(model).__name__} with classes {classes}, which are equal as integers; use text")
    return graph.op("LabelEncoder", flat, domain=ML, **keys, values_int64s=list(range(len(classes))), default_int64=0)


def _binary_score(graph: Graph, model: Any, numbers: str, converted: onnx.ModelProto) -> str:
    """The decision of a binary classifier [rows]: skl2onnx has it in column 0 for SVC, in the last one for others."""
    wide = converted.graph.output[1].type.tensor_type.shape.dim[-1].dim_value > 1
    column = 0 if isinstance(model, SVC | NuSVC) or not wide else 1
    return graph.op("Gather", numbers, graph.constant(column, np.int64), axis=1)


def _element(value: onnx.ValueInfoProto) -> int:
    return int(value.type.tensor_type.elem_type)


def _width(method: Any, columns: Columns) -> int:
    """How many numbers a method answers per row, which not every converter says."""
    asked = [""] if columns[0].text else np.zeros((1, len(columns)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return int(np.prod(method(asked).shape[1:]))
