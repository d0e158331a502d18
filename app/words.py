"""What a feature takes and what came instead, in words: for faults and for the documentation."""

from __future__ import annotations

import math
from typing import Any

from app.signature import Datatype, Feature


def expectation(feature: Feature) -> str:
    """What a feature takes, in words."""
    if feature.closed:
        words = [f"'{category}'" if isinstance(category, str) else str(category) for category in feature.categories]
        text = f"one of {', '.join(words[:30])}{', …' if len(words) > 30 else ''}"
    elif feature.datatype is Datatype.BOOL:
        text = "true or false"
    elif feature.datatype is Datatype.BYTES:
        text = "text"
    else:
        noun = "an integer" if feature.datatype is Datatype.INT64 else "a number"
        text = noun + _bounds(feature)
    return f"{text} or null" if feature.nullable else text


def _bounds(feature: Feature) -> str:
    match feature.minimum, feature.maximum:
        case None, None:
            return ""
        case low, None:
            return f" from {low:g}"
        case None, high:
            return f" up to {high:g}"
        case low, high:
            return f" from {low:g} to {high:g}"
    raise AssertionError


_TYPE_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def type_name(value: Any) -> str:
    """The type of a value, as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "an infinite or too large number"
    return _TYPE_NAMES.get(type(value), type(value).__name__)
