"""What SageMaker and MLflow both have at /invocations and /ping: one union, as a body says itself of whom it is.

    POST /invocations       a data frame in JSON, JSON Lines, CSV, Parquet, Arrow or numpy's format, by its Content-Type
    GET  /ping              200 with nothing in it; 503 while the models are still being loaded

The answer is `{"predictions": […]}`, or what Accept names: CSV has one line for each record then, and no header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any, NamedTuple

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import frame_schema, frames
from app.callers import Scope
from app.codec import Batch
from app.columns import Terms
from app.errors import InvalidRequest, NotReady, Overloaded, ServingError, UnsupportedMedia, quoted
from app.formats import FORMATS, JSON, arrow, csv, ndjson, parquet
from app.frames import Frame
from app.media import ERROR, Answer, Format
from app.predictor import Model
from app.protocols.calls import Asked, Call, Target, asked, rows, target
from app.protocols.negotiation import wanted
from app.protocols.tables import VARY, Reply
from app.protocols.wire import SOLE, Host, Need
from app.repository import Catalogue

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
"""What SageMaker's clients may send along, and get back from a container that sends it on, as this one does."""

NUMPY = "application/x-npy"

_ATTRIBUTES = re.compile(r"[\x20-\x7e]{1,1024}")

_CODES = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "RESOURCE_DOES_NOT_EXIST",
    HTTPStatus.CONFLICT: "RESOURCE_ALREADY_EXISTS",
    HTTPStatus.TOO_MANY_REQUESTS: "REQUEST_LIMIT_EXCEEDED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
"""MLflow's, by status; of what the contract refuses it is another than of what cannot be read."""


class Notes(NamedTuple):
    """How an answer is to be written, and what goes back with it."""

    wanted: Format
    media_type: str
    attributes: str | None


def error(status: HTTPStatus, code: str, text: str) -> Mapping[str, Any]:
    """MLflow's error, which has a place for the text where SageMaker's clients and others look too."""
    if code == InvalidRequest.code:
        return {"error": text, "error_code": "INVALID_PARAMETER_VALUE", "message": text}
    return {"error": text, "error_code": _CODES.get(status, "BAD_REQUEST"), "message": text}


def claims(method: str, parts: Sequence[str]) -> bool:  # noqa: ARG001  # as a protocol's
    return parts in (["invocations"], ["ping"])


def need(method: str, parts: Sequence[str]) -> Need | None:  # noqa: ARG001
    return Need(Scope.PREDICT, SOLE) if parts == ["invocations"] else None


def routes(host: Host, refusal: Callable[[ServingError], Response]) -> Sequence[BaseRoute]:
    return [
        Route("/invocations", call(host, refusal, lambda *_: target(host.service, SOLE)), methods=["POST"]),
        Route("/ping", pinged(host, b""), methods=["GET"]),
    ]


def paths(host: Host, catalogue: Catalogue) -> Mapping[str, Any]:
    """The routes as OpenAPI has them, typed by the model that answers where none is named."""
    try:
        model = catalogue.default(host.service.sole)
    except (ServingError, KeyError):
        model = None
    about = {"summary": "A data frame in, predictions out", "operationId": "invocations"}
    return {
        "/invocations": {"post": frame_schema.prediction(model, **about)},
        "/ping": {"get": health("ping")},
    }


def health(name: str) -> Mapping[str, Any]:
    """What `pinged` answers, as OpenAPI has it."""
    responses = {"200": {"description": "Requests may come."}, **frame_schema.refused(503)}
    return {"tags": ["health"], "summary": "Whether requests may come", "operationId": name, "responses": responses}


def call(
    host: Host, refusal: Callable[[ServingError], Response], find: Callable[[Mapping[str, str], Headers], Target]
) -> Call[Notes]:
    """A prediction at a path that says which model is meant, or none."""
    return Call(host.service, refusal, find, Reader(host), encode)


def pinged(host: Host, said: bytes) -> Callable[[Request], Any]:
    """What answers whether requests may come. One that is overloaded for a moment is in good health."""

    async def ping(_: Request) -> Response:
        with suppress(Overloaded):
            _check(host)
        return Response(said, media_type="application/json" if said else None)

    return ping


def _check(host: Host) -> None:
    """Raises NotReady. Where a platform brings the models later there are none to wait for."""
    brought = host.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"
    try:
        host.service.check()
    except NotReady:
        repository = host.service.repository
        if not (brought and repository.loaded and not repository.catalogue.models):
            raise


@dataclass(frozen=True)
class Reader:
    """Reads what a request asks. Raises UnsupportedMedia, NotAcceptable, MalformedBody, TooLarge or InvalidRequest."""

    host: Host

    def __call__(self, model: Model, content: bytes, headers: Headers) -> tuple[Asked, Notes]:
        media_type, header = _given(headers.get("content-type", ""))
        notes = _notes(headers)
        signature = model.signature
        terms = self._terms()
        frame = _READERS[media_type](model, content, terms, header)
        table = frames.narrowed(signature, frame.table)
        if not table.rows:
            frames.check_names(signature, table)
            return Batch(rows=[], parameters=frame.parameters), notes
        keyed = signature.key in table.columns or (
            not table.columns and any(signature.key in row for row in table.records())
        )
        found = asked(model.codec, table, self._terms(signature.key if keyed else "", frame.parameters))
        if found.errors:
            raise InvalidRequest(list(chain.from_iterable(found.errors.values())))
        return found, notes

    def _terms(self, key_field: str = "", parameters: Mapping[str, float] | None = None) -> Terms:
        return Terms(
            max_bytes=self.host.service.max_body_bytes,
            max_rows=self.host.service.max_rows,
            keyed=bool(key_field),
            key_field=key_field,
            parameters=parameters,
        )


def encode(answer: Answer, notes: Notes) -> Reply:
    headers = [(b"content-type", notes.media_type.encode()), VARY]
    headers += [(f"servefn-{what}".encode(), said.encode()) for what, said in answer.model.identity.items()]
    if notes.attributes:
        headers.append((ATTRIBUTES.encode(), notes.attributes.encode()))
    return Reply(_written(answer, notes.wanted), headers, rows(answer))


def _written(answer: Answer, wanted: Format) -> bytes:
    if wanted is JSON:
        return orjson.dumps({"predictions": predictions(answer)})
    if wanted is csv.FORMAT:
        flat = answer.columns()
        if answer.keyed:
            del flat[ERROR]  # no row is refused alone here
        return csv.written(flat, header=False).encode()
    return wanted.encode(answer)


def predictions(answer: Answer) -> Sequence[Any]:
    """One mapping per row, with its key if it has one; the bare value where that is all there is to a row."""
    outputs = answer.model.signature.answers
    if len(outputs) > 1 or answer.keyed or answer.split:
        return list(answer.lines())
    return [one[outputs[0].name] for one in answer.predictions()]


def _given(content_type: str) -> tuple[str, bool | None]:
    """The type of a body, and whether it has a header, if that says it. Raises UnsupportedMedia."""
    media_type, *rest = (part.strip().lower() for part in content_type.split(";"))
    if media_type not in _READERS:
        listed = ", ".join(dict.fromkeys([*(one.media_type for one in FORMATS.values() if one.available), NUMPY]))
        raise UnsupportedMedia(f"The content type {quoted(media_type)} is not read here. Send one of {listed}.")
    if media_type in FORMATS and not FORMATS[media_type].available:
        raise UnsupportedMedia(FORMATS[media_type].missing)
    header = None
    for part in filter(None, rest):
        name, _, value = (word.strip(' "') for word in part.partition("="))
        if (name, value) == ("charset", "utf-8"):
            continue
        if name != "header" or value not in _HEADER or media_type not in csv.FORMAT.media_types:
            raise UnsupportedMedia(f"The content type's {quoted(part)} is not understood here; bodies are UTF-8.")
        header = _HEADER[value]
    return media_type, header


_HEADER = {"present": True, "absent": False}


def _notes(headers: Headers) -> Notes:
    accept = headers.get("accept", "")
    found = wanted(accept.encode("latin-1"), JSON)
    named = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    media_type = next((name for name in named if name in found.media_types), found.media_type)
    attributes = headers.get(ATTRIBUTES, "")
    return Notes(found, media_type, attributes if _ATTRIBUTES.fullmatch(attributes) else None)


_Read = Callable[[Model, bytes, Terms, bool | None], Frame]

_READERS: Mapping[str, _Read] = {
    **dict.fromkeys(JSON.media_types, lambda model, content, *_: frames.of_json(model.signature, content)),
    **dict.fromkeys(
        ndjson.FORMAT.media_types, lambda model, content, *_: Frame(frames.of_lines(model.signature, content))
    ),
    **dict.fromkeys(
        csv.FORMAT.media_types,
        lambda model, content, _, header: Frame(csv.table(model.signature, content, header=header)),
    ),
    **dict.fromkeys(parquet.FORMAT.media_types, lambda *given: Frame(parquet.table(*given[:3]))),
    **dict.fromkeys(arrow.FORMAT.media_types, lambda *given: Frame(arrow.table(*given[:3]))),
    NUMPY: lambda model, content, terms, _: Frame(frames.of_array(model.signature, content, terms.max_rows)),
}
