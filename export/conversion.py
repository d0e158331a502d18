"""A model as a graph: what the sample says of it, and every step of it written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto

from app.signature import Kind, Signature
from export.errors import ExportError, UnsupportedModel, first_line
from export.frameworks import predict, transform
from export.graph import Columns, Graph
from export.original import Original


def unbounded(original: Original, key: str) -> Signature:
    """What the sample says of itself, before the model is asked what it accepts."""
    answers = original.asked("sample", original.sample.rows(np.arange(1)))
    try:
        return Signature(original.kind, original.sample.features(), original.outputs(answers), key)
    except ValueError as error:
        raise ExportError(str(error)) from error


def compiled(original: Original, signature: Signature) -> tuple[Graph, bytes]:
    """The graph and its bytes. Raises UnsupportedModel."""
    graph, outputs = Graph(), signature.outputs
    try:
        dtypes = [column.values.dtype for column in original.sample.columns]
        graph.seen = {column.name: column.distinct() for column in original.sample.columns if column.categorical}
        answers = _answers(original, graph, graph.inputs(signature.features, dtypes))
    except ExportError:
        raise
    except Exception as error:  # an estimator that is not what its class promises
        kind = type(original.model).__name__
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UnsupportedModel(f"{kind} cannot be written as a graph ({reason})") from error
    if missing := {output.name for output in outputs} - set(answers):
        raise UnsupportedModel(f"the conversion of {type(original.model).__name__} gives no {', '.join(missing)}")
    types = {output.name: TensorProto.INT64 if output.name == "label" else TensorProto.DOUBLE for output in outputs}
    finished = {output.name: (answers[output.name], types[output.name], len(output.columns)) for output in outputs}
    return graph, graph.model(finished)


def _answers(original: Original, graph: Graph, columns: Columns) -> Mapping[str, str]:
    if original.kind is Kind.TRANSFORMER:
        return {"transformed": graph.matrix(transform(graph, original.model, columns))}
    return predict(graph, original.model, columns)
