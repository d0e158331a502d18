"""A Parquet file is held against the limits by what its pages unfold to, whatever its footer says."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from app import pages
from app.errors import MalformedBody, TooLarge
from tests.test_formats import read

PARQUET = "application/vnd.apache.parquet"


def file(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, **options)
    return sink.getvalue()


def footer(content: bytes) -> Any:
    return parquet.read_metadata(io.BytesIO(content))


def varint(number: int) -> bytes:
    """As Thrift has an integer."""
    number, found = number << 1, b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_the_pages_of_an_honest_file_are_those_of_its_footer(
    compression: str, version: str, use_dictionary: bool
) -> None:
    table = pa.table({"n": range(5000), "t": [str(n % 7) for n in range(5000)], "f": [n / 3 for n in range(5000)]})
    options = {"compression": compression, "data_page_version": version, "use_dictionary": use_dictionary}
    content = file(table, row_group_size=1000, data_page_size=512, **options)
    said = sum(footer(content).row_group(number).total_byte_size for number in range(5))
    unfolded = pages.unfolded(content)
    assert 0.5 * said < unfolded <= said  # which counts the headers too


def test_a_footer_that_lies_is_not_believed() -> None:
    content = file(
        pa.table({"note": ["x" * 50_000_000]}), compression="zstd", use_dictionary=False, write_statistics=False
    )
    size = int.from_bytes(content[-8:-4], "little") + 8
    claimed = varint(footer(content).row_group(0).total_byte_size)
    less = bytes([130, *[128] * (len(claimed) - 2), 0])  # 1, in as many bytes
    lying = content[:-size] + content[-size:].replace(claimed, less)
    assert footer(lying).row_group(0).total_byte_size == 1
    found = read(PARQUET, lying)
    assert isinstance(found, TooLarge)
    assert "unfolds to" in found.message
    assert len(lying) < 10_000


def test_text_by_shared_prefixes_is_refused() -> None:
    table = pa.table({"note": ["x" * 1000 + str(number) for number in range(99)]})
    for version in ("1.0", "2.0"):
        content = file(table, use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY", data_page_version=version)
        found = read(PARQUET, content)
        assert isinstance(found, MalformedBody)
        assert "DELTA_BYTE_ARRAY" in found.message
