"""HTML and SVG by construction: text becomes markup only through `tag`, which escapes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element. Children that are no Html are escaped, and so are attributes; `class_` is `class`, `a_b` is `a-b`."""
    said = "".join(f' {_name(key)}="{escape(_number(value))}"' for key, value in attributes.items())
    return Html(f"<{name}{said}>{joined(children)}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """Parts one after the other; what is no Html is escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(str(part)) for part in parts))


def table(head: Sequence[object], rows: Iterable[Sequence[object]], numeric: Sequence[int] = ()) -> Html:
    """A table that scrolls by itself where it is too wide; the columns at `numeric` are aligned as numbers."""

    def cells(kind: str, row: Sequence[object]) -> Html:
        kinds = ("number" if index in numeric else "words" for index in range(len(row)))
        return tag("tr", *(tag(kind, cell, class_=one) for cell, one in zip(row, kinds, strict=True)))

    body = joined(cells("td", row) for row in rows)
    return tag("div", tag("table", tag("thead", cells("th", head)), tag("tbody", body)), class_="wide")


def _name(key: str) -> str:
    return key if key == "viewBox" else key.rstrip("_").replace("_", "-")


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
