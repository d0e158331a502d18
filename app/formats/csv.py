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
from app.signature import Datatype, Feature, Signature

_BOOLEANS = {"true": True, "false": False, "": None}


def decode(model: Model, content: bytes, terms: Terms) -> Question:
    return columns.question(model.codec, table(model.signature, content, header=True), terms)


def table(signature: Signature, content: bytes, *, header: bool | None) -> Table:
    """The columns of a file whose first line names them, or if there is no `header` of the features in their order.

    None leaves that to the line: it is a header if it has the name of a column. Raises MalformedBody or InvalidRequest.
    """
    features = {feature.name: feature for feature in signature.features}
    lines = _parsed(content)
    if header is None:
        header = not {signature.key, *features}.isdisjoint(next(filter(None, lines)))
    names, cells = _headed(lines) if header else _headless(lines, list(features))
    return _table(names, cells, features)


def _table(names: Sequence[str], cells: Sequence[Sequence[str]], features: Mapping[str, Feature]) -> Table:
    columns.unique(names)
    texts = dict(zip(names, zip(*cells, strict=True) if cells else [()] * len(names), strict=True))

    def values(read: Callable[[Feature, Sequence[str]], Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
        return {name: read(features[name], text) if name in features else text for name, text in texts.items()}

    return Table(values(_column), len(cells), lambda: columns.table(values(_exact)).records())


def encode(answer: Answer) -> bytes:
    """Lines end in a line feed alone, which every reader of CSV takes. What has no value is an empty cell."""
    return written(answer.columns()).encode()


def example(rows: Sequence[Mapping[str, Any]]) -> str:
    return written({name: [row[name] for row in rows] for name in rows[0]})


def written(flat: Mapping[str, columns.Column], *, header: bool = True) -> str:
    """Columns as CSV."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    if header:
        writer.writerow(flat)
    writer.writerows(zip(*map(_cells, flat.values()), strict=True))
    return lines.getvalue()


def _parsed(content: bytes) -> list[list[str]]:
    """The lines, blank ones as empty lists; not all are. Raises MalformedBody."""
    try:
        lines = list(csv.reader(io.StringIO(str(content, "utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8: byte {error.start} does not belong there.") from error
    except csv.Error as error:
        raise MalformedBody(f"The body is not CSV: {error}.") from error
    if not any(lines):
        raise MalformedBody("The body is empty; send CSV whose first line names the columns.")
    return lines


def _headed(lines: Sequence[list[str]]) -> tuple[list[str], list[list[str]]]:
    header, *cells = filter(None, lines)
    _check_lengths(cells, len(header), "the header")
    return header, cells


def _headless(lines: Sequence[list[str]], names: list[str]) -> tuple[list[str], list[list[str]]]:
    """Blank lines are left out, but for a model of one feature, to which they are missing values."""
    cells = [line or [""] for line in lines] if len(names) == 1 else list(filter(None, lines))
    _check_lengths(cells, len(names), "the model, as there is no header,")
    return names, cells


def _check_lengths(cells: Sequence[list[str]], expected: int, whose: str) -> None:
    for number, line in enumerate(cells):
        if len(line) != expected:
            raise MalformedBody(f"row {number} has {len(line)} cells, and {whose} {expected}.")


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
