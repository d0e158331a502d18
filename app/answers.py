"""What a model gives, as a client is told it: one mapping per row, of values that JSON has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np

from app.decision import DECISION, decide, labels
from app.signature import Array, Output, Ranking, Signature, Subset, Tensors
from app.uncertainty import PROBABILITIES

Answers = list[dict[str, Any]]


class Writer:
    """Writes the answers that one signature describes."""

    def __init__(self, signature: Signature) -> None:
        self._outputs = signature.answers
        self._names = [output.name for output in signature.answers]
        self._policy = signature.policy
        self._classes = labels(signature.named["label"].classes) if signature.policy else None

    def predictions(self, outputs: Tensors) -> Answers:
        """One mapping per row: output name -> a number, a label, a list of labels, or numbers by column name."""
        answers = [_values(output, outputs[output.name]) for output in self._outputs]
        names = self._names
        if len(names) == 2:  # nearly always; a third faster
            first, second = names
            return [{first: one, second: other} for one, other in zip(*answers)]  # noqa: B905
        return [dict(zip(names, row)) for row in zip(*answers)]  # noqa: B905  # checking lengths costs a tenth

    def decided(self, answers: Answers, parameters: Mapping[str, float] | None) -> Answers:
        """The same answers, decided by the parameters of their request.

        Requests that set them share a run with others: a decision is made of nothing but the row's own answer.
        """
        if not (parameters and answers) or self._policy is None or self._classes is None:
            return answers
        probabilities = np.array([list(answer[PROBABILITIES].values()) for answer in answers])
        decisions = decide(self._policy, self._classes, probabilities, parameters)
        written = _values(self._outputs[-1], decisions)
        return [{**answer, DECISION: one} for answer, one in zip(answers, written, strict=True)]

    def outputs(self, answers: Answers) -> Tensors:
        """The arrays that such answers were made of: `predictions` the other way."""
        return {output.name: _array(output, [answer[output.name] for answer in answers]) for output in self._outputs}


def _array(output: Output, values: Sequence[Any]) -> Array:
    if isinstance(output, Subset):
        among = [[label in chosen for label in output.classes] for chosen in values]
        return np.array(among, dtype=np.bool_).reshape(len(values), len(output.classes))
    if isinstance(output, Ranking):
        kinds = [("label", labels(output.classes).dtype), ("probability", np.float64)]
        places = len(values[0]) if values else 0
        ranked = [[(one["label"], one["probability"]) for one in row] for row in values]
        return np.array(ranked, dtype=kinds).reshape(len(values), places)
    if output.columns:
        return np.array([list(row.values()) for row in values]).reshape(len(values), len(output.columns))
    return np.array(values, dtype=labels(output.classes).dtype if output.classes else None)


def _values(output: Output, values: Array) -> list[Any]:
    if isinstance(output, Subset):
        return [list(compress(output.classes, row)) for row in values.tolist()]
    if isinstance(output, Ranking):
        names = values.dtype.names or ()
        return [[dict(zip(names, one, strict=True)) for one in row] for row in values.tolist()]
    if not output.columns:
        return values.tolist()  # type: ignore[no-any-return]  # numpy types tolist() as Any
    columns = output.columns
    return [dict(zip(columns, row)) for row in values.tolist()]  # noqa: B905  # likewise
