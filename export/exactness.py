"""Which answers equal the trained model's to the last bit, for every row that the contract takes.

The claim follows from the graph, not from trying rows, and has two premises:

1. Every estimator was written by a function that is marked `exact` in export.frameworks: it takes the estimator's own
   operations in their own order, and the function's docstring argues so.
2. Every node that an answer depends on has one right result, which any conforming implementation gives: it moves
   values, compares them, or is an operation that IEEE 754 demands to be correctly rounded (clause 5). So exp, and with
   it sigmoid and softmax, is no such node, and neither is a sum whose order is the library's affair, as in a matrix
   product. A `CumSum` is: each of its sums is one addition to the one before.

Trees are such nodes as export.frameworks.trees writes them: they compare, and answer the ordinal of a leaf.

Float32 features are only moved and put to trees: where all columns are of it scikit-learn computes and compares in
float32, and the graph in double.
"""

from __future__ import annotations

from collections.abc import Iterable

from export.graph import Graph

_MOVES = {"Cast", "Concat", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Unsqueeze"}
_TREES = {"TreeEnsembleRegressor"}
_COMPARES = {"ArgMax", "Equal", "Greater", "GreaterOrEqual", "IsNaN", "Less", "LessOrEqual", "ReduceMax", *_TREES}
_DECIDES = {"And", "Clip", "LabelEncoder", "Not", "Or", "Where"}
_ROUNDS = {"Abs", "Add", "CumSum", "Div", "Mul", "Neg", "Sqrt", "Sub"}

_OF_DOUBLES = _MOVES | _COMPARES | _DECIDES | _ROUNDS
_OF_SINGLES = _MOVES | _TREES


def exact_outputs(graph: Graph, names: Iterable[str]) -> tuple[str, ...]:
    """Those of a finished graph's outputs of which the claim holds."""
    return () if graph.doubts else rounded_right(graph, names)


def rounded_right(graph: Graph, names: Iterable[str]) -> tuple[str, ...]:
    """Those of a graph's tensors of which the second premise holds."""
    lost: set[str] = set()
    single = {graph.single} - {""}
    for node in graph.nodes:
        takes_single = not single.isdisjoint(node.input)
        if node.op_type not in (_OF_SINGLES if takes_single else _OF_DOUBLES) or not lost.isdisjoint(node.input):
            lost.update(node.output)
        elif takes_single and node.op_type in _MOVES:
            single.update(node.output)
    return tuple(name for name in names if name not in lost)
