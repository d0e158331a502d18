"""A Parquet file. Its pages say how far they unfold, which is held against the limits before anything is read."""

from __future__ import annotations

from typing import Any

from app import arrow, columns, pages
from app.codec import bounded
from app.columns import Question, Table, Terms
from app.errors import TooLarge
from app.extras import parquet
from app.extras import pyarrow as pa
from app.media import Answer, Format
from app.predictor import Model


def decode(model: Model, content: bytes, terms: Terms) -> Question:
    return columns.question(model.codec, table(model, content, terms), terms)


def table(model: Model, content: bytes, terms: Terms) -> Table:
    """The columns of a file. Raises MalformedBody, TooLarge or InvalidRequest."""
    with arrow.reading("a Parquet file"):
        footer = parquet.read_metadata(pa.BufferReader(content))
        if not footer.num_rows:  # there may be column chunks without a page, which their offsets do not tell
            return columns.table(dict.fromkeys(footer.schema.to_arrow_schema().names, ()))
        file = _opened(content, footer, terms)
        batches = file.iter_batches(batch_size=terms.max_rows, use_threads=False)
        return arrow.taken(model, arrow.collected(batches, file.schema_arrow, terms), terms)


def encode(answer: Answer) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(arrow.answered(answer), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _opened(content: bytes, footer: Any, terms: Terms) -> Any:
    """The file, its text as dictionaries: a text that stands in many rows is then made once. Raises TooLarge."""
    bounded(footer.num_rows, terms.max_rows)
    size = pages.unfolded(content)
    if size > terms.max_bytes:
        raise TooLarge(f"The file unfolds to {size} bytes, and the limit is {terms.max_bytes}; send it in parts.")
    leaves = [footer.schema.column(number) for number in range(footer.num_columns)]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    return parquet.ParquetFile(pa.BufferReader(content), metadata=footer, read_dictionary=texts)


FORMAT = Format(
    media_types=("application/vnd.apache.parquet", "application/x-parquet"),
    decode=decode,
    encode=encode,
    description="A Parquet file.",
    binary=True,
    extra="arrow",
    available=bool(parquet),
)
