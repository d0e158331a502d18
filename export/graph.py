"""A builder of ONNX graphs, where a table is a list of columns, which are gathered only where a step needs a matrix.

Steps that merely select, reorder or join columns (most of a ColumnTransformer) therefore cost no node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.signature import NUMBERS, STRINGS, Array, Datatype, Feature, Scalar
from export.errors import UnsupportedModel

IR_VERSION = 10
OPSETS = {"": 21, "ai.onnx.ml": 3}
"""What onnxruntime loads, and what skl2onnx writes; newer of either are refused by the other."""

ML = "ai.onnx.ml"


@dataclass(frozen=True)
class Column:
    """A column of a matrix in the graph. `feature` names the input whose values stand here unchanged where present.

    `dtype` is what numpy or pandas has the column as, where it is an input as the trained model takes it.
    """

    tensor: str
    index: int
    text: bool = False
    feature: str | None = None
    dtype: Any = None


Columns = tuple[Column, ...]


@dataclass(frozen=True)
class Categories:
    """The values that encoders know of a feature. If `closed`, any other is refused even if the model answers it."""

    values: frozenset[Scalar] = frozenset()
    closed: bool = False


class Graph:
    """Nodes and constants, added one after the other; every name is given here, so two builds give equal bytes."""

    def __init__(self) -> None:
        self.thresholds: dict[str, set[float]] = {}
        self.categories: dict[str, Categories] = {}
        self.computed: dict[tuple[str, int], set[float]] = {}
        self.packages: set[str] = set()
        self.seen: dict[str, tuple[Scalar, ...]] = {}
        """The values that the sample has of each feature that can be of categories."""
        self.doubts: list[str] = []
        self.single = ""
        self._inputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._widths: dict[str, int] = {}
        self._opsets = dict(OPSETS)

    def inputs(self, features: Sequence[Feature], dtypes: Sequence[Any]) -> Columns:
        """Declare the graph's tensors for these features; the features' columns, in their order.

        `dtypes` are those that numpy or pandas has them as. A float32 feature is rounded to it, as it was before it
        came to the trained model.
        """
        numbers = [feature for feature in features if feature.datatype is not Datatype.BYTES]
        strings = [feature for feature in features if feature.datatype is Datatype.BYTES]
        tensors = {NUMBERS: (TensorProto.DOUBLE, numbers), STRINGS: (TensorProto.STRING, strings)}
        for name, (kind, held) in tensors.items():
            if held:
                self._inputs.append(helper.make_tensor_value_info(name, kind, [None, len(held)]))
                self._widths[name] = len(held)
        if any(feature.datatype is Datatype.FP32 for feature in numbers):
            self.single = self.cast(self.cast(NUMBERS, TensorProto.FLOAT), TensorProto.DOUBLE)
            self._widths[self.single] = len(numbers)
        columns = {feature.name: Column(STRINGS, index, True, feature.name) for index, feature in enumerate(strings)}
        for index, feature in enumerate(numbers):
            tensor = self.single if feature.datatype is Datatype.FP32 else NUMBERS
            columns[feature.name] = Column(tensor, index, False, feature.name)
        given = (columns[feature.name] for feature in features)
        return tuple(replace(column, dtype=dtype) for column, dtype in zip(given, dtypes, strict=True))

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        return self.ops(kind, *inputs, domain=domain, outputs=1, **attributes)[0]

    def ops(self, kind: str, *inputs: str, domain: str = "", outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs."""
        names = [f"{kind}_{len(self._nodes)}{f'_{index}' if index else ''}" for index in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, name=names[0], domain=domain, **attributes))
        self._opsets.setdefault(domain, 1)
        return names

    def constant(self, values: Any, dtype: Any = None) -> str:
        """A constant tensor; equal ones are kept once."""
        array = np.asarray(values, dtype=dtype)
        content = tuple(array.ravel().tolist()) if array.dtype == np.object_ else array.tobytes()
        identity = (array.dtype.str, array.shape, content)
        if identity not in self._constants:
            self._constants[identity] = name = f"constant_{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(array, name))
        return self._constants[identity]

    def cast(self, tensor: str, kind: int) -> str:
        return self.op("Cast", tensor, to=kind)

    def matrix(self, columns: Columns) -> str:
        """The tensor [rows, columns] of these columns: their own where they are all of it, else gathered and joined."""
        if not columns:
            raise UnsupportedModel("one step gives no columns, and another takes them; leave both out")
        if len({column.text for column in columns}) > 1:
            raise UnsupportedModel("one step takes text and numbers together; give each its own in a ColumnTransformer")
        runs = [(tensor, [column.index for column in run]) for tensor, run in groupby(columns, lambda c: c.tensor)]
        parts = [self._gathered(tensor, indices) for tensor, indices in runs]
        joined = parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=1)
        self._widths[joined] = len(columns)
        return joined

    def columns(self, tensor: str, width: int, *, text: bool = False, like: Columns = ()) -> Columns:
        """The columns of a matrix, holding the features of `like` if their present values are unchanged."""
        self._widths[tensor] = width
        names = [column.feature for column in like] or [None] * width
        return tuple(Column(tensor, index, text, name) for index, name in enumerate(names))

    def embed(self, model: onnx.ModelProto, inputs: Sequence[str]) -> list[str]:
        """Add a converted model as part of this one, fed by these tensors; its outputs."""
        prefix = f"part_{len(self._nodes)}_"
        names = {value.name: tensor for value, tensor in zip(model.graph.input, inputs, strict=True)} | {"": ""}
        for constant in model.graph.initializer:
            copied = onnx.TensorProto()
            copied.CopyFrom(constant)
            names[constant.name] = copied.name = prefix + constant.name
            self._initializers.append(copied)
        for node in model.graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{prefix}{node.name}"
            names |= {name: prefix + name for name in node.output if name}
            copy.input[:] = [names[name] for name in node.input]
            copy.output[:] = [names[name] for name in node.output]
            self._nodes.append(copy)
        self._opsets |= {opset.domain: opset.version for opset in model.opset_import if opset.domain not in OPSETS}
        return [names[value.name] for value in model.graph.output]

    def note_thresholds(self, columns: Columns, found: Iterable[tuple[int, float]]) -> None:
        """Remember where a tree splits its columns, for the parity check: features, or columns that a step computed."""
        for column, threshold in ((columns[index], threshold) for index, threshold in found):
            if column.feature:
                self.thresholds.setdefault(column.feature, set()).add(threshold)
            elif not column.text:
                self.computed.setdefault((column.tensor, column.index), set()).add(threshold)

    def width(self, tensor: str) -> int:
        """How many columns a matrix has."""
        return self._widths[tensor]

    def note_categories(self, column: Column, categories: Sequence[Scalar], *, closed: bool = False) -> None:
        """Remember what values an encoder knows of a column, for the contract. See Categories."""
        if column.feature:
            before = self.categories.get(column.feature, Categories())
            self.categories[column.feature] = Categories(before.values.union(categories), before.closed or closed)

    def doubt(self, step: str) -> None:
        """Remember a step that may differ from the trained model's in the last bits."""
        self.doubts.append(step)

    @property
    def nodes(self) -> Sequence[onnx.NodeProto]:
        """What was added until now; each node stands after those whose outputs it takes."""
        return self._nodes

    def model(self, outputs: Mapping[str, tuple[str, int, int]]) -> bytes:
        """The finished graph, its outputs name -> (tensor, element type, columns or 0 for one number per row)."""
        values = []
        for name, (tensor, kind, width) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"answer_{name}"))
            values.append(helper.make_tensor_value_info(name, kind, [None, width] if width else [None]))
        nodes = _needed(self._nodes, set(outputs))
        read = {name for node in nodes for name in node.input}
        constants = [constant for constant in self._initializers if constant.name in read]
        graph = helper.make_graph(nodes, "servefn", self._inputs, values, constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in sorted(self._opsets.items())]
        model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets, producer_name="servefn")
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _gathered(self, tensor: str, indices: list[int]) -> str:
        if indices == list(range(self._widths[tensor])):
            return tensor
        return self.op("Gather", tensor, self.constant(indices, np.int64), axis=1)


def rows(array: Array) -> Array:
    """A vector as the one row of a matrix, to be broadcast over rows."""
    return np.asarray(array, dtype=np.float64).reshape(1, -1)


def _needed(nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that these tensors come from; a model inside another may have answers that nobody asks for."""
    found = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            found.append(node)
    return found[::-1]
