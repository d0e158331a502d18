"""Vertex AI's custom containers: a health and a predict route, wherever the platform says that they are.

    GET  AIP_HEALTH_ROUTE      200, or 503
    POST AIP_PREDICT_ROUTE     {"instances": [{…} or […]], "parameters": {…}} -> {"predictions": […]}

Where they are not set they are the endpoint's, by AIP_ENDPOINT_ID and AIP_DEPLOYED_MODEL_ID, or there are none. They
are before the paths of every other protocol, but for what is under /models and /admin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPMethod
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from app import instances, open_inference
from app.callers import Scope
from app.errors import Fault, InvalidRequest, ServingError
from app.faults import INSTANCES, PARAMETERS
from app.media import Answer
from app.predictor import Model
from app.protocols.calls import Asked, Call, Target, asked, rows, target
from app.protocols.documented import gotten, posted, refused, rows_of
from app.protocols.paths import Pattern
from app.protocols.tables import Reply, maker
from app.protocols.wire import SOLE, Host, Need, WireProtocol
from app.repository import Catalogue
from app.schema import Schema, answer, closed, example
from app.signature import Signature
from app.words import type_name

TAG = "Vertex AI"
ERROR = refused(["error", "code"])
KEY, INCLUDED, EXCLUDED = "keyField", "includedFields", "excludedFields"
OTHERS = ("models", "admin")
"""The first part of paths that stay the native protocol's."""

LARGEST = 2**63
"""From here on the writer of answers has no integers."""


@dataclass(frozen=True)
class Selection:
    """What of an instance is sent to the model, and what is its key, as a batch job's configuration says it."""

    key: str = ""
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.key or self.included or self.excluded)

    def of(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        """What the model is to have, and the key."""
        names = (
            name for name in instance if name not in self.excluded and (not self.included or name in self.included)
        )
        sent = {name: instance[name] for name in names}
        return {**sent, self.key: instance[self.key]} if self.key in instance else sent


@dataclass(frozen=True)
class Sent:
    """What an answer is put beside."""

    selection: Selection
    instances: Sequence[Mapping[str, Any]]


def protocol(host: Host) -> WireProtocol:
    health, predict = _routes(host.environ)

    def claims(method: str, parts: Sequence[str]) -> bool:
        path = "/" + "/".join(parts)
        return path == predict if method == HTTPMethod.POST else path == health and method in ("GET", "HEAD")

    async def ready(_: Request) -> Response:
        host.service.check()
        return Response(orjson.dumps({"ready": True}), media_type="application/json")

    found = WireProtocol(
        claims=claims,
        need=lambda method, _: Need(Scope.PREDICT, SOLE) if method == HTTPMethod.POST else None,
        error=lambda _, code, text: {"error": text, "code": code},
        paths=lambda catalogue: _paths(host, catalogue, health, predict),
        named=True,
    )
    routes = [_pattern(health, ready, HTTPMethod.GET)] if health else []
    routes += [_pattern(predict, _call(host, found), HTTPMethod.POST)] if predict else []
    return replace(found, routes=routes)


def _routes(environ: Mapping[str, str]) -> tuple[str, str]:
    """The decoded paths of health and predict; '' where there is none. Whoever names none has those of the endpoint."""
    endpoint, model = (environ.get(f"AIP_{name}_ID") for name in ("ENDPOINT", "DEPLOYED_MODEL"))
    usual = f"/v1/endpoints/{endpoint}/deployedModels/{model}" if endpoint and model else ""
    health = environ.get("AIP_HEALTH_ROUTE", usual)
    predict = environ.get("AIP_PREDICT_ROUTE", usual and f"{usual}:predict")
    return _route(health), _route(predict)


def _route(said: str) -> str:
    """The decoded path; '' if it is one of the native protocol's."""
    path = "/" + unquote(said).lstrip("/")
    return "" if not said or path.split("/")[1] in OTHERS else path


def _pattern(route: str, endpoint: Any, method: HTTPMethod) -> Pattern:
    return Pattern(re.compile(re.escape(route)), endpoint, [method])


def _call(host: Host, protocol: WireProtocol) -> Call[Sent]:
    max_rows = host.service.max_rows

    def find(_: Mapping[str, str], __: Headers) -> Target:
        return target(host.service, SOLE)

    def decode(model: Model, content: bytes, _: Headers) -> tuple[Asked, Sent]:
        document = instances.parse(content)
        selection, parameters = _selection(document.get(PARAMETERS))
        given = document.get(INSTANCES)
        sent = _selected(selection, given) if selection else []
        table = instances.by_row(model.signature, sent if selection else given, max_rows, exact=False)
        key_field = selection.key or model.signature.key
        terms = instances.terms(model.signature, {PARAMETERS: parameters}, table, max_rows, key_field)
        if selection.key:
            terms = replace(terms, keyed=True, key_field=key_field)
        question = asked(model.codec, table, terms)
        open_inference.complete(question)
        return question, Sent(selection, sent)

    def encode(answer: Answer, sent: Sent) -> Reply:
        content = orjson.dumps({"predictions": _predictions(answer, sent)})
        headers = maker(answer.model, answer.question.parameters, answer.split)
        return Reply(content, [(b"content-type", b"application/json"), *headers], rows(answer))

    return Call(host.service, protocol.refusal, find, decode, encode)


def _selection(parameters: Any) -> tuple[Selection, dict[str, Any]]:
    """What a request's parameters select, and the others of them. Raises InvalidRequest."""
    if parameters is None:
        return Selection(), {}
    if not isinstance(parameters, dict):
        raise _wrong(PARAMETERS, "an object", parameters)
    others = {name: value for name, value in parameters.items() if name not in (KEY, INCLUDED, EXCLUDED)}
    key = parameters.get(KEY) or ""
    if not isinstance(key, str):
        raise _wrong(KEY, "the name of a field", key)
    included, excluded = (_names(name, parameters.get(name) or []) for name in (INCLUDED, EXCLUDED))
    if included and excluded:
        message = f"{INCLUDED} and {EXCLUDED} exclude each other; give one of them."
        raise InvalidRequest([Fault(code="invalid", message=message, field=EXCLUDED)])
    return Selection(key, included, excluded), others


def _names(name: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _wrong(name, "a list of names of fields", value)
    return frozenset(value)


def _selected(selection: Selection, given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        message = f"{KEY}, {INCLUDED} and {EXCLUDED} need instances that are objects."
        raise InvalidRequest([Fault(code="wrong_type", message=message, field=INSTANCES)])
    return [selection.of(one) for one in given]


def _predictions(answer: Answer, sent: Sent) -> list[dict[str, Any]]:
    """As a batch job writes them: beside the key, else beside what was sent if that was selected, else alone."""
    told, question = answer.predictions(), answer.question
    if sent.selection.key:
        return [{"key": key, "prediction": one} for key, one in zip(question.keys, told, strict=True)]
    if sent.selection:
        return [{"instance": _told(row), "prediction": one} for row, one in zip(sent.instances, told, strict=True)]
    if question.key_field:
        return [{question.key_field: key, **one} for key, one in zip(question.keys, told, strict=True)]
    return told


def _told(value: Any) -> Any:
    """A value as it came, as far as it can be written."""
    if isinstance(value, dict):
        return {name: _told(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_told(one) for one in value]
    return float(value) if isinstance(value, int) and abs(value) >= LARGEST else value


def _wrong(field: str, expected: str, value: Any) -> InvalidRequest:
    got = type_name(value)
    message = f"'{field}' must be {expected}, and is {got}."
    return InvalidRequest([Fault(code="wrong_type", message=message, field=field, expected=expected, got=got)])


def _paths(host: Host, catalogue: Catalogue, health: str, predict: str) -> Schema:
    found: Schema = {}
    try:
        signature = catalogue.default(host.service.sole).signature
    except (ServingError, KeyError):  # nothing says which of several models is meant, or it is not served
        predict = ""
    if health:
        found[health] = gotten(
            TAG, "vertex_health", "Whether to send anything", closed({"ready": {"const": True}}), ERROR
        )
    if predict:
        summary = "Instances in, predictions out in the same order"
        operation = posted(TAG, "vertex_predict", summary, _request(signature), _response(signature), ERROR)
        found[predict] = {**found.get(predict, {}), **operation}
    return found


def _request(signature: Signature) -> Schema:
    fields: Schema = {INSTANCES: rows_of(signature), PARAMETERS: {"type": "object"}}
    return {**closed(fields, required=[INSTANCES]), "examples": [{INSTANCES: [example(signature)]}]}


def _response(signature: Signature) -> Schema:
    """What a prediction is; beside a key or an instance it is the member `prediction`."""
    one = {**answer(signature), "additionalProperties": True}
    beside = {"type": "object", "properties": {"prediction": one}, "required": ["prediction"]}
    return closed({"predictions": {"type": "array", "items": {"anyOf": [one, beside]}}})
