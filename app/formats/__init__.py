"""The formats that bodies and answers may have: one module each, with a `FORMAT`. A module put here is found."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from app.media import Format

FORMATS: dict[str, Format] = {
    media_type: module.FORMAT
    for found in iter_modules(__path__)
    for module in [import_module(f"{__name__}.{found.name}")]
    for media_type in module.FORMAT.media_types
}
"""Media type -> its format."""

JSON = FORMATS["application/json"]
