"""The Open Inference Protocol v2 over REST, as KServe, Triton and MLServer speak it, with Triton's extensions.

    GET  /v2 · /v2/health/live · /v2/health/ready
    GET  /v2/models · /v2/models/{name} · /v2/models/{name}/ready · /v2/models/{name}/config · /v2/models/{name}/stats
    POST /v2/models/{name}/infer
    POST /v2/repository/index · /v2/repository/models/{name}/load · /v2/repository/models/{name}/unload

What is of one model is also under /v2/models/{name}/versions/{version}. A request is read by app.inference_body, and a
model seen through app.open_inference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPMethod, HTTPStatus
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import descriptions, inference_body, open_inference
from app.admission import Place
from app.callers import Scope
from app.errors import MalformedBody
from app.faults import parse
from app.inference_body import Inference
from app.media import Answer
from app.predictor import Model
from app.protocols import body
from app.protocols.calls import Asked, Call, asked, rows, target
from app.protocols.tables import Reply
from app.protocols.v2_document import paths
from app.protocols.wire import Host, Need, WireProtocol
from app.service import Service
from app.statistics import Statistics

LENGTH = "inference-header-content-length"
LONGEST = 18
"""Digits of it."""

MODEL = "/v2/models/{name}"
VERSION = f"{MODEL}/versions/{{version}}"


def protocol(host: Host) -> WireProtocol:
    found = WireProtocol(claims=lambda _, parts: parts[0] == "v2", need=_need, error=_error, paths=paths)
    infer = Call(host.service, found.refusal, partial(_found, host.service), partial(_decoded, host.service), _encoded)
    routes = [Route(f"{path}/infer", infer, methods=["POST"]) for path in (MODEL, VERSION)]
    return replace(
        found, routes=[*routes, *_health(host.service), *_models(host.service, host.statistics), *_repository(host)]
    )


def _need(method: str, parts: Sequence[str]) -> Need | None:
    match parts[1:]:
        case ["health", *_]:
            return None
        case ["models", name, *_, "infer"] if method == HTTPMethod.POST:
            return Need(Scope.PREDICT, name)
        case ["models", name, *rest] if (name, rest) != ("stats", []):
            return Need(Scope.READ, name)
        case ["repository", "models", name, *_]:
            return Need(Scope.ADMIN, name)
    return Need(Scope.READ)


def _error(status: HTTPStatus, code: str, text: str) -> Mapping[str, Any]:  # noqa: ARG001  # it has place for no more
    return {"error": text}


def _found(service: Service, path: Mapping[str, str], _: Headers) -> Any:
    return target(service, path["name"], path.get("version"))


def _decoded(service: Service, model: Model, content: bytes, headers: Headers) -> tuple[Asked, Inference]:
    inference = inference_body.read(model.signature, content, _length(headers), service.max_rows)
    table, terms = open_inference.table(model.signature, inference.inputs, inference.parameters, service.max_rows)
    open_inference.check(model.signature, terms.key_field, inference.wanted)
    question = asked(model.codec, table, terms)
    open_inference.complete(question)
    return question, inference


def _length(headers: Headers) -> int | None:
    """That of the JSON, where raw tensors may follow it. Raises MalformedBody."""
    said = headers.get(LENGTH)
    if said is None:
        return None
    if not (said.isascii() and said.isdigit() and len(said) <= LONGEST):
        raise MalformedBody("The header Inference-Header-Content-Length must be a number of bytes.")
    return int(said)


def _encoded(answer: Answer, inference: Inference) -> Reply:
    model = answer.model
    about = {"model_name": model.name, "model_version": model.version, "parameters": descriptions.said(answer)}
    content, length = inference_body.written(about, open_inference.answered(answer, inference.wanted), inference)
    if length is None:
        return Reply(content, [(b"content-type", b"application/json")], rows(answer))
    headers = [(b"content-type", b"application/octet-stream"), (LENGTH.encode(), str(length).encode())]
    return Reply(content, headers, rows(answer))


def _health(service: Service) -> Sequence[Route]:
    async def server(_: Request) -> Response:
        return _json(descriptions.server("binary_tensor_data"))

    async def live(_: Request) -> Response:
        return _json({"live": True})

    async def ready(_: Request) -> Response:
        service.check()
        return _json({"ready": True})

    return [Route("/v2", server), Route("/v2/health/live", live), Route("/v2/health/ready", ready)]


def _models(service: Service, statistics: Statistics) -> Sequence[Route]:
    """What there is to know of models, each for one version."""

    def of(told: Callable[[Model], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return _json(told(service.model(**request.path_params)))

        return answer

    async def listed(_: Request) -> Response:
        return _json({"models": list(service.repository.catalogue.models)})

    async def every(_: Request) -> Response:
        return _json({"model_stats": [descriptions.tally(model, statistics) for model in service.repository.catalogue]})

    told = {
        "": of(lambda model: descriptions.metadata(service, model)),
        "/ready": of(lambda model: {"name": model.name, "ready": True}),
        "/config": of(descriptions.configuration),
        "/stats": of(lambda model: {"model_stats": [descriptions.tally(model, statistics)]}),
    }
    each = [Route(f"{path}{what}", answer) for path in (MODEL, VERSION) for what, answer in told.items()]
    return [Route("/v2/models", listed), Route("/v2/models/stats", every), *each]


def _repository(host: Host) -> Sequence[Route]:
    async def index(request: Request) -> Response:
        ready = (await _asked(host.service, request)).get("ready", False)
        if not isinstance(ready, bool):
            raise MalformedBody("'ready' must be true or false.")
        return _json(descriptions.index(host.service.repository, ready=ready))

    async def load(request: Request) -> Response:
        if (await _asked(host.service, request)).get("parameters"):
            raise MalformedBody("A bundle is loaded as it was published: parameters cannot change it.")
        await host.keeper.restore(request.path_params["name"])
        return Response()

    async def unload(request: Request) -> Response:
        await _asked(host.service, request)
        await host.keeper.withdraw(request.path_params["name"])
        return Response()

    of_model = "/v2/repository/models/{name}"
    paths = {"/v2/repository/index": index, f"{of_model}/load": load, f"{of_model}/unload": unload}
    return [Route(path, endpoint, methods=["POST"]) for path, endpoint in paths.items()]


async def _asked(service: Service, request: Request) -> dict[str, Any]:
    """The object in a body, which may be empty. Raises MalformedBody."""
    with Place(service.admission, body.announced(request.scope)) as place:
        receive = body.taking(request.receive, place, service.body_seconds)
        coding = request.headers.get("content-encoding", "").strip().lower().encode()
        content = await body.decoded(request.scope, receive, coding, service.max_body_bytes, place)
    document = parse(content) if content.strip() else {}
    if not isinstance(document, dict):
        raise MalformedBody("The body must be an object, or empty.")
    return document


def _json(document: Any) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
