"""JSON: rows `{"instances": [{…}, …]}` or columns `{"columns": {name: [value, …]}}` in, predictions out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from app import columns, faults
from app.codec import Batch
from app.columns import Question, Terms
from app.errors import InvalidRequest
from app.media import Answer, Format, refusal
from app.predictor import Model

columnar = re.compile(rb'\s*\{\s*(?:"key_field"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*)?"columns"').match
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
        return orjson.dumps(online(answer.model, answer.predictions()))
    batch = Batch(rows=[], key_field=question.key_field, keys=question.keys, errors=question.errors)
    return orjson.dumps(keyed(answer.model, batch, answer.predictions()))


def online(model: Model, predictions: Sequence[Any]) -> dict[str, Any]:
    """The document that answers `predict`."""
    return {"model": model.name, "version": model.version, "predictions": predictions}


def keyed(model: Model, batch: Batch, predictions: Sequence[Any]) -> dict[str, Any]:
    """The document that answers `predict/keyed`."""
    field = batch.key_field
    return {
        **online(model, [{field: key, **answer} for key, answer in zip(batch.keys, predictions, strict=True)]),
        "errors": [refusal({field: key}, found) for key, found in batch.errors.items()],
    }


def _columns(model: Model, content: bytes, terms: Terms) -> Question:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = faults.parse(content)  # raises too, unless it is for NaN and the like, which have faults by row
    found = faults.around_columns(document, keyed=terms.keyed)
    if found:
        raise InvalidRequest(found)
    key_field = document.get(faults.KEY_FIELD, model.signature.key) if terms.keyed else ""
    table = replace(columns.table(document[faults.COLUMNS]), records=lambda: _records(content))
    return columns.question(model.codec, table, replace(terms, key_field=key_field))


def _records(content: bytes) -> list[Any]:
    """The rows once more, with their integers as they stand: the fast parser makes floats of large ones."""
    return columns.table(faults.parse(content)[faults.COLUMNS]).records()


FORMAT = Format(
    media_types=("application/json", "text/json"),
    decode=decode,
    encode=encode,
    description="Rows, or columns of equal length.",
)
