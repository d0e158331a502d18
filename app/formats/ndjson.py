"""NDJSON: one row of JSON in each line. Read whole here; `app.protocols.lines` answers it line by line as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app import columns
from app.columns import Question, Terms
from app.errors import MalformedBody
from app.media import Answer, Format
from app.predictor import Model


def decode(model: Model, content: bytes, terms: Terms) -> Question:
    """The lines as the rows of one document of JSON: they are decoded, and refused, as those are."""
    lines = [line for line in content.split(b"\n") if line.strip()]
    around = b'{"key_field":%b,"instances":[' % orjson.dumps(terms.key_field) if terms.keyed else b'{"instances":['
    read = model.codec.decode_keyed if terms.keyed else model.codec.decode
    question = columns.asked(model.codec, read(b"%b%b]}" % (around, b",\n".join(lines)), terms.max_rows))
    if question.rows + len(question.errors) != len(lines):
        raise MalformedBody("Each line must be one row, and one of them is not.")
    return question


def encode(answer: Answer) -> bytes:
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in answer.lines())


def example(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


FORMAT = Format(
    media_types=("application/x-ndjson", "application/jsonl", "application/jsonlines"),
    decode=decode,
    encode=encode,
    example=example,
    description="A row of JSON in each line, and an answer in each. Lines are answered as they come, without end.",
)
