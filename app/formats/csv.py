"""CSV (RFC 4180): UTF-8 with or without a byte order mark, the first line names the columns.

An empty cell is a missing value, but for text that may not be missing: there it is the empty text.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from app import columns
from app.columns import Question, Table, Terms
from app.errors import MalformedBody
from app.media import Answer, Format
from app.predictor import Model
from app.signature import Datatype, Feature

_BOOLEANS = {"true": True, "false": False, "": None}


def decode(model: Model, content: bytes, terms: Terms) -> Question:
    header, cells = _parsed(content)
    columns.unique(header)
    features = {feature.name: feature for feature in model.signature.features}
    texts = dict(zip(header, zip(*cells, strict=True) if cells else [()] * len(header), strict=True))

    def values(read: Callable[[Feature, Sequence[str]], Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
        return {name: read(features[name], text) if name in features else text for name, text in texts.items()}

    table = Table(values(_column), len(cells), lambda: columns.table(values(_exact)).records())
    return columns.question(model.codec, table, terms)


def encode(answer: Answer) -> bytes:
    """Lines end in a line feed alone, which every reader of CSV takes. What has no value is an empty cell."""
    return _written(answer.columns()).encode()


def example(rows: Sequence[Mapping[str, Any]]) -> str:
    return _written({name: [row[name] for row in rows] for name in rows[0]})


def _written(flat: Mapping[str, columns.Column]) -> str:
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(flat)
    writer.writerows(zip(*map(_cells, flat.values()), strict=True))
    return lines.getvalue()


def _parsed(content: bytes) -> tuple[list[str], list[list[str]]]:
    """The header and the lines, blank ones left out. Raises MalformedBody."""
    try:
        lines = [line for line in csv.reader(io.StringIO(str(content, "utf-8-sig"), newline=""), strict=True) if line]
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8: byte {error.start} does not belong there.") from error
    except csv.Error as error:
        raise MalformedBody(f"The body is not CSV: {error}.") from error
    if not lines:
        raise MalformedBody("The body is empty; send CSV whose first line names the columns.")
    header, *cells = lines
    for number, line in enumerate(cells):
        if len(line) != len(header):
            raise MalformedBody(f"row {number} has {len(line)} cells, and the header {len(header)}.")
    return header, cells


def _column(feature: Feature, cells: Sequence[str]) -> Sequence[Any]:
    """The values of a column: numbers by the parser of JSON, which is quick, or else one by one."""
    if feature.datatype in (Datatype.BOOL, Datatype.BYTES):
        return _exact(feature, cells)
    if "".join(cells).encode().translate(None, b"+-.0123456789eE"):
        return _exact(feature, cells)
    try:
        values = orjson.loads(f"[{','.join([cell or 'null' for cell in cells])}]")
    except orjson.JSONDecodeError:  # a number for people, such as 007 or .5
        return _exact(feature, cells)
    return list(values)


def _exact(feature: Feature, cells: Sequence[str]) -> list[Any]:
    """The values of a column as JSON would have them; what cannot be read stays text."""
    match feature.datatype:
        case Datatype.BOOL:
            return [_BOOLEANS.get(cell.lower(), cell) for cell in cells]
        case Datatype.BYTES:
            return [cell or None for cell in cells] if feature.nullable else list(cells)
    return [_number(cell) if cell else None for cell in cells]


def _number(cell: str) -> Any:
    """An integer if it is written as one, else a float, else the text."""
    if "_" in cell or not cell.isascii():
        return cell
    try:
        value = float(cell)
    except ValueError:
        return cell
    return int(cell) if math.isfinite(value) and cell.strip().lstrip("+-").isdigit() else value


def _cells(column: columns.Column) -> list[Any]:
    return [_cell(value) for value in columns.plain(column)]


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if isinstance(value, float) and not math.isfinite(value) else value


FORMAT = Format(
    media_types=("text/csv",),
    decode=decode,
    encode=encode,
    example=example,
    description="The first line names the columns; an empty cell is a missing value.",
)
