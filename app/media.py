"""What a format is: media types, a way to read questions and a way to write answers.

Each is a module of `app.formats` with one function to read a whole body and one to write a whole answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from app.columns import Column, Question, Terms
from app.errors import Fault
from app.predictor import Model
from app.signature import Array, Output, Ranking, Scalar, Tensors
from app.traffic import VERSION, Split

ERROR = "error"
"""The column of keyed answers that says what is wrong with a row."""


@dataclass(frozen=True)
class Answer:
    """A question, and what the model answered to its good rows."""

    model: Model
    question: Question
    outputs: Tensors
    split: Split | None = None
    versions: Sequence[Model] = ()
    """Of a split: who answered each good row."""

    @property
    def identity(self) -> dict[str, Any]:
        """Who answered."""
        return self.split.identity if self.split else self.model.identity

    def predictions(self) -> list[dict[str, Any]]:
        """One mapping per good row."""
        answers = self.model.codec.predictions(self.outputs)
        if not self.split:
            return answers
        return [{VERSION: one.version, **answer} for one, answer in zip(self.versions, answers, strict=True)]

    def columns(self) -> dict[str, Column]:
        """The answer as a flat table: the keys, the versions of a split, every output, and the errors.

        An output that has columns has `output.column` for each.
        Rows stand in the order of the request. Those that were refused have an error and nothing else but their key.
        """
        columns: dict[str, Column] = {self.question.key_field: self._keys()} if self.keyed else {}
        if self.split:
            columns[VERSION] = self._spread(np.array([one.version for one in self.versions], np.object_))
        for output in self.model.signature.answers:
            for name, values in _flat(output, self.outputs[output.name]):
                columns[name] = self._spread(values)
        if self.keyed:
            columns[ERROR] = [self._refused[row][1] if row in self._refused else None for row in range(self.rows)]
        return columns

    def lines(self) -> Iterator[dict[str, Any]]:
        """One mapping per row of the request, in its order, with the key in it or with what is wrong."""
        answers = iter(self.predictions())
        if not self.keyed:
            yield from answers
            return
        field, errors = self.question.key_field, self.question.errors
        for key in self._keys():
            yield refusal({field: key}, errors[key]) if key in errors else {field: key, **next(answers)}

    @property
    def keyed(self) -> bool:
        return bool(self.question.key_field)

    @property
    def rows(self) -> int:
        """The rows of the request, good and bad."""
        return self.question.rows + len(self.question.errors)

    @cached_property
    def _refused(self) -> Mapping[int, tuple[Any, str]]:
        """Row -> its key and its errors."""
        return {
            found[0].row: (key, " ".join(fault.message for fault in found))
            for key, found in self.question.errors.items()
            if found[0].row is not None
        }

    @cached_property
    def _good(self) -> list[int]:
        return [row for row in range(self.rows) if row not in self._refused]

    def _keys(self) -> list[Any]:
        good = iter(self.question.keys)
        return [self._refused[row][0] if row in self._refused else next(good) for row in range(self.rows)]

    def _spread(self, values: Array) -> Array:
        """Values of the good rows, with nothing between them where a row was refused."""
        if not self._refused:
            return values
        spread: Array = np.full(self.rows, None, np.object_)
        spread[self._good] = values
        return spread


def _flat(output: Output, values: Array) -> Iterator[tuple[str, Array]]:
    """The columns of one output. Labels of several types, such as 1 and "abstain", are text, whichever there are."""
    if isinstance(output, Ranking):
        for index in range(values.shape[1]):
            label, probability = output.places(index)
            yield label, texts(output, values[:, index]["label"])
            yield probability, values[:, index]["probability"]
    elif output.columns:
        yield from ((f"{output.name}.{column}", values[:, index]) for index, column in enumerate(output.columns))
    else:
        yield output.name, texts(output, values)


def texts(output: Output, labels: Array) -> Array:
    """The labels, as text where they are of several types."""
    if len({type(label) for label in output.classes}) < 2:
        return labels
    return np.array([_text(label) for label in labels.tolist()], dtype=np.object_)


def _text(label: Scalar) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way to write tables down. The first of the media types is the one that answers carry.

    `decode` raises MalformedBody, TooLarge or InvalidRequest. `extra` names what to install where `available` is false.
    `example` writes rows down for the documentation.
    """

    media_types: tuple[str, ...]
    decode: Callable[[Model, bytes, Terms], Question]
    encode: Callable[[Answer], bytes]
    description: str
    binary: bool = False
    example: Callable[[Sequence[Mapping[str, Any]]], str] | None = None
    extra: str = ""
    available: bool = True

    @property
    def media_type(self) -> str:
        return self.media_types[0]

    @property
    def missing(self) -> str:
        """What to do to make it available."""
        return f"{self.media_type} needs the extra {self.extra}: pip install 'servefn[{self.extra}]'."


def refusal(place: Mapping[str, Any], found: Sequence[Fault], code: str = "invalid_request") -> dict[str, Any]:
    """What is said of a row that was not answered."""
    return {**place, "error": code, "faults": [fault.document() for fault in found]}
