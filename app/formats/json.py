"""JSON: rows `{"instances": [{…}, …]}` or columns `{"columns": {name: [value, …]}}` in, predictions out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from app import columns, faults
from app.codec import Batch
from app.columns import Question, Terms
from app.decision import effective
from app.errors import InvalidRequest
from app.media import Answer, Format, refusal
from app.predictor import Model

_BEFORE = rb'"key_field"\s*:\s*"(?:[^"\\]|\\.)*"|"parameters"\s*:\s*(?:\{[^{}]*\}|[^{}"]*)'
columnar = re.compile(rb'\s*\{\s*(?:(?:%b)\s*,\s*){0,2}"columns"' % _BEFORE).match
"""Whether a body has columns. Says no to every body that the rows' decoder accepts."""


def decode(model: Model, content: bytes, terms: Terms) -> Question:
    """Rows or columns."""
    if columnar(content):
        return _columns(model, content, terms)
    read = model.codec.decode_keyed if terms.keyed else model.codec.decode
    return columns.asked(model.codec, read(content, terms.max_rows))


def encode(answer: Answer) -> bytes:
    question = answer.question
    if not answer.keyed:
        document = online(answer.model, question.parameters, answer.predictions())
        return orjson.dumps({**answer.identity, **document})
    batch = Batch(
        rows=[],
        key_field=question.key_field,
        keys=question.keys,
        errors=question.errors,
        parameters=question.parameters,
    )
    return orjson.dumps({**answer.identity, **keyed(answer.model, batch, answer.predictions())})


def online(model: Model, parameters: Mapping[str, float] | None, predictions: Sequence[Any]) -> dict[str, Any]:
    """The document that answers `predict`. With decisions in it, it says by what parameters they were made."""
    policy = model.signature.policy
    said = {faults.PARAMETERS: effective(policy, parameters)} if policy else {}
    return {**model.identity, **said, "predictions": predictions}


def keyed(model: Model, batch: Batch, predictions: Sequence[Any]) -> dict[str, Any]:
    """The document that answers `predict/keyed`."""
    field = batch.key_field
    rows = [{field: key, **answer} for key, answer in zip(batch.keys, predictions, strict=True)]
    return {
        **online(model, batch.parameters, rows),
        "errors": [refusal({field: key}, found) for key, found in batch.errors.items()],
    }


def _columns(model: Model, content: bytes, terms: Terms) -> Question:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = faults.parse(content)  # raises too, unless it is for NaN and the like, which have faults by row
    found = faults.around_columns(document, model.signature, keyed=terms.keyed)
    if found:
        raise InvalidRequest(found)
    key_field = document.get(faults.KEY_FIELD, model.signature.key) if terms.keyed else ""
    table = replace(columns.table(document[faults.COLUMNS]), records=lambda: _records(content))
    question = columns.question(model.codec, table, replace(terms, key_field=key_field))
    return replace(question, parameters=document.get(faults.PARAMETERS))


def _records(content: bytes) -> list[Any]:
    """The rows once more, with their integers as they stand: the fast parser makes floats of large ones."""
    return columns.table(faults.parse(content)[faults.COLUMNS]).records()


FORMAT = Format(
    media_types=("application/json", "text/json"),
    decode=decode,
    encode=encode,
    description="Rows, or columns of equal length.",
)
