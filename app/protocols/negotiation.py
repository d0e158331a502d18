"""What comes in by its Content-Type, what goes out by Accept, and packed how by Accept-Encoding (RFC 9110)."""

from __future__ import annotations

from typing import NamedTuple

from starlette.types import Scope

from app.errors import NotAcceptable, UnsupportedMedia
from app.formats import FORMATS, JSON
from app.media import Format
from app.protocols.coding import WRITERS


class Head(NamedTuple):
    """What the headers of a request say of its body and of the answer."""

    given: Format
    wanted: Format
    coding: bytes


def head(scope: Scope) -> Head:
    """Raises UnsupportedMedia or NotAcceptable."""
    headers = dict(scope["headers"])
    given = _given(_essence(headers.get(b"content-type", b"")))
    return Head(
        given, wanted(headers.get(b"accept", b""), given), headers.get(b"content-encoding", b"").strip().lower()
    )


def packing(scope: Scope) -> str:
    """The content coding that the client takes and that packs best, or ''."""
    accepted = _weights(dict(scope["headers"]).get(b"accept-encoding", b""))
    weights = {coding: accepted.get(coding, accepted.get("*", 0.0)) for coding in WRITERS}
    best = max(weights, key=lambda coding: weights[coding])
    return best if weights[best] > 0 else ""


def _given(media_type: str) -> Format:
    if media_type == "" or media_type.endswith("+json"):
        return JSON
    found = FORMATS.get(media_type)
    if found is None:
        raise UnsupportedMedia(f"Send one of the content types {_listed()}.")
    if not found.available:
        raise UnsupportedMedia(found.missing)
    return found


def wanted(accept: bytes, given: Format) -> Format:
    """The format with the greatest weight; among equals the one of the request, then the one named first, then JSON."""
    ranges = _weights(accept)
    if not ranges:
        return given
    order = [*given.media_types, *(name for name in ranges if name in FORMATS), *JSON.media_types, *FORMATS]
    offered = {name: _weight(name, ranges) for name in order if FORMATS[name].available}
    best = max(offered, key=lambda name: offered[name])
    if offered[best] > 0:
        return FORMATS[best]
    wished = [FORMATS[name] for name in ranges if name in FORMATS]
    hints = [found.missing for found in wished if not found.available]
    raise NotAcceptable(" ".join([f"Accept one of {_listed()}.", *hints]))


def _weight(name: str, ranges: dict[str, float]) -> float:
    """What the most specific range says of a media type."""
    for covering in (name, f"{name.partition('/')[0]}/*", "*/*"):
        if covering in ranges:
            return ranges[covering]
    return 0.0


def _weights(header: bytes) -> dict[str, float]:
    """The elements of a header with their weights, in order; what cannot be read weighs nothing."""
    weights: dict[str, float] = {}
    for element in header.split(b","):
        if name := _essence(element):
            quality = [part.strip()[2:] for part in element.lower().split(b";")[1:] if part.strip().startswith(b"q=")]
            weights[name] = _float(quality[0]) if quality else 1.0
    return weights


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _essence(element: bytes) -> str:
    return element.partition(b";")[0].strip().lower().decode("latin-1")


def _listed() -> str:
    return ", ".join(dict.fromkeys(found.media_type for found in FORMATS.values() if found.available))
