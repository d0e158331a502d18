"""Python's regular expressions for words as RE2 has them, where both find the same words.

RE2 knows only ASCII as word characters and takes the longest match, Python the first. So each class of characters is
spelled out as Python has it, and a pattern is taken where the two matches are the same: characters and classes, one
after the other, each repeated as often as can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from app.signature import Array
from export.errors import UnsupportedModel

_parser: Any = re._parser  # the only one that reads Python's own dialect
_CODES = 0x110000
_CATEGORIES = {"WORD": r"\w", "DIGIT": r"\d", "SPACE": r"\s", "NOT_WORD": r"\W", "NOT_DIGIT": r"\D", "NOT_SPACE": r"\S"}


@dataclass(frozen=True)
class Words:
    """How RE2 finds the words of a token pattern: by `found`, of which those are words that `kept` matches whole."""

    found: str
    kept: str = ""
    spaces: bool = False
    """Whether a word may have a space in it."""


def words(pattern: str) -> Words:
    """Raises UnsupportedModel where RE2 would find other words."""
    compiled = re.compile(pattern)
    if compiled.flags & ~re.UNICODE or compiled.groups or compiled.fullmatch(""):
        raise _refused(pattern)
    items = list(_parser.parse(pattern))
    bounds = [str(kind) == "AT" and str(at) == "AT_BOUNDARY" for kind, at in items]
    inner = [_item(one, pattern) for one, bound in zip(items, bounds, strict=True) if not bound]
    body, taken = "".join(expression for expression, _ in inner), np.array([mask for _, mask in inner])
    if not any(bounds):
        return Words(body, spaces=bool(taken[:, ord(" ")].any()))
    if bounds != [True, *[False] * len(inner), True] or (taken & ~members(r"\w")).any():
        raise _refused(pattern)
    if (taken == members(r"\w")).all():
        return Words(body)
    return Words(in_class(members(r"\w")) + "+", body)


@cache
def members(expression: str) -> Array:
    """Which code points Python's class of characters has; half a surrogate is none."""
    found = np.zeros(_CODES, dtype=bool)
    every = "".join(map(chr, range(_CODES)))
    found[[match.start() for match in re.finditer(expression, every)]] = True
    found[0xD800:0xE000] = False
    return found


def in_class(taken: Array) -> str:
    """A class of RE2 with these code points."""
    edges = np.flatnonzero(np.diff(taken, prepend=False, append=False))
    return "[" + "".join(rf"\x{{{low:x}}}-\x{{{high - 1:x}}}" for low, high in edges.reshape(-1, 2).tolist()) + "]"


def _item(item: Any, pattern: str) -> tuple[str, Array]:
    """A character, a class or a repetition of one, and the characters that it takes."""
    kind, value = str(item[0]), item[1]
    if kind == "MAX_REPEAT" and len(value[2]) == 1 and str(value[2][0][0]) != "MAX_REPEAT":
        low, high, (inner,) = value
        expression, taken = _item(inner, pattern)
        most = "" if str(high) == "MAXREPEAT" else str(high)
        if max(int(low), int(most or 0)) > 1000:  # as many as RE2 counts to
            raise _refused(pattern)
        return f"{expression}{{{low},{most}}}", taken
    taken = _taken(kind, value, pattern)
    return in_class(taken), taken


def _taken(kind: str, value: Any, pattern: str) -> Array:
    if kind == "LITERAL":
        return members(re.escape(chr(value)))
    if kind == "NOT_LITERAL":
        return members(f"[^{re.escape(chr(value))}]")
    if kind == "RANGE":
        return members(f"[{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}]")
    if kind == "CATEGORY":
        return members(_CATEGORIES[str(value).removeprefix("CATEGORY_")])
    if kind == "ANY":
        return members(".")
    if kind == "IN":
        negated = str(value[0][0]) == "NEGATE"
        union: Array = np.logical_or.reduce([_taken(str(part), held, pattern) for part, held in value[negated:]])
        return ~union & members(r"[\s\S]") if negated else union
    raise _refused(pattern)


def _refused(pattern: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"token_pattern={pattern!r}, whose words RE2 would find otherwise; use characters and classes, each repeated, "
        r"with \b at both ends or at none, such as '(?u)\b\w\w+\b', '[a-z]+' or '\S+'"
    )
