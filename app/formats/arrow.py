"""An Arrow IPC stream: columns as they lie in memory, so that most need not be touched to be read."""

from __future__ import annotations

from struct import unpack_from
from typing import Any

from app import arrow, columns
from app.columns import Question, Table, Terms
from app.errors import MalformedBody
from app.extras import pyarrow as pa
from app.media import Answer, Format
from app.predictor import Model

_DICTIONARY, _RECORDS = 2, 3


def decode(model: Model, content: bytes, terms: Terms) -> Question:
    return columns.question(model.codec, table(model, content, terms), terms)


def table(model: Model, content: bytes, terms: Terms) -> Table:
    """The columns of a stream. Raises MalformedBody, TooLarge or InvalidRequest."""
    with arrow.reading("an Arrow stream"):
        _check_plain(content)
        stream = pa.ipc.open_stream(content)
        return arrow.taken(model, arrow.collected(stream, stream.schema, terms), terms)


def encode(answer: Answer) -> bytes:
    table = arrow.answered(answer)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _check_plain(content: bytes) -> None:
    """Refuse buffers that are compressed one by one: nothing would bound what they unfold to. Raises MalformedBody."""
    source = pa.BufferReader(content)
    while True:
        try:
            message = pa.ipc.read_message(source)
        except EOFError:
            return
        if _compressed(message.metadata.to_pybytes()):
            raise MalformedBody("The buffers of the Arrow stream are compressed; compress the whole body instead.")


def _compressed(message: bytes) -> bool:
    """Whether the flatbuffer of a message says so: Message.header is a RecordBatch, or a DictionaryBatch with one."""
    root = unpack_from("<I", message)[0]
    kind_at = _slot(message, root, 1)
    kind = message[kind_at] if kind_at else 0
    if kind not in (_DICTIONARY, _RECORDS):
        return False
    table = _referred(message, _slot(message, root, 2))
    if kind == _DICTIONARY:
        table = _referred(message, _slot(message, table, 1))
    return bool(_slot(message, table, 3))


def _slot(message: bytes, table: int, number: int) -> int:
    """Where a table has its field of this number; 0 if it has none."""
    vtable = table - unpack_from("<i", message, table)[0]
    offset = 4 + 2 * number
    there = offset < unpack_from("<H", message, vtable)[0]
    found: int = unpack_from("<H", message, vtable + offset)[0] if there else 0
    return found and table + found


def _referred(message: bytes, at: int) -> int:
    found: Any = unpack_from("<I", message, at)[0]
    return at + int(found)


FORMAT = Format(
    media_types=("application/vnd.apache.arrow.stream",),
    decode=decode,
    encode=encode,
    description="An Arrow IPC stream; text may be dictionary-encoded, buffers may not be compressed.",
    binary=True,
    extra="arrow",
    available=bool(pa),
)
