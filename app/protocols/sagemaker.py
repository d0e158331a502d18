"""SageMaker: /invocations and /ping, which it shares with MLflow, and what it asks of containers for several models.

    GET    /execution-parameters        how many requests of which size a batch transform should send
    POST   /models                      {"model_name": "iris", "url": "/models/iris"}: serve it
    DELETE /models/{name}               serve it no more
    POST   /models/{name}/invoke        as /invocations

The two that only look, GET /models and GET /models/{name}, are the native protocol's, which say `modelName` and
`modelUrl` too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPMethod
from pathlib import Path
from typing import Any

import msgspec
import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import cpu, frame_schema, schema
from app.callers import Scope
from app.errors import Conflict, Fault, InvalidRequest, MalformedBody, ModelNotFound, quoted
from app.predictor import Model
from app.protocols import body, invocations
from app.protocols.calls import Target, target
from app.protocols.wire import Host, Need, WireProtocol
from app.repository import Catalogue, Repository

MEGABYTE = 2**20
LARGEST = 6
"""Megabytes of a request that SageMaker sends if nothing else is said."""

MOST = 64 * 2**10
"""Bytes of a request that says what to load."""


class Wished(msgspec.Struct, frozen=True):
    """The model that is to be served, and the directory that the platform has put it in."""

    model_name: str
    url: str


def protocol(host: Host) -> WireProtocol:
    found = WireProtocol(claims=_claims, need=_need, error=invocations.error)
    models = Models(host)
    routes = [
        *invocations.routes(host, found.refusal),
        Route("/execution-parameters", models.execution, methods=["GET"]),
        Route("/models", models.load, methods=["POST"]),
        Route("/models/{name}", models.unload, methods=["DELETE"]),
        Route("/models/{name}/invoke", invocations.call(host, found.refusal, models.find), methods=["POST"]),
    ]
    return replace(found, routes=routes, paths=partial(_paths, host))


@dataclass(frozen=True)
class Models:
    """The operations on models."""

    host: Host

    def find(self, path: Mapping[str, str], _: Headers) -> Target:
        """Raises ModelNotFound, also where the model has been unloaded, or NotReady."""
        self.host.service.repository.listed(path["name"])
        return target(self.host.service, path["name"])

    async def load(self, request: Request) -> Response:
        content = await body.read(request.receive, MOST)
        try:
            wished = msgspec.json.decode(content, type=Wished)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedBody(f"The body must say model_name and url: {error}.") from error
        name, keeper = wished.model_name, self.host.keeper
        if name in keeper.repository.catalogue.models:
            raise Conflict(f"Model {quoted(name)} is loaded already.")
        _check_place(keeper.repository, name, wished.url)
        try:
            await keeper.restore(name)
        except Conflict as error:  # which here means that it is loaded already
            raise InvalidRequest([Fault(code="bundle_error", message=error.message)]) from error
        return _json({"modelName": name, "modelUrl": wished.url})

    async def unload(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.host.service.repository.listed(name)
        await self.host.keeper.withdraw(name)
        return _json({"modelName": name})

    async def execution(self, _: Request) -> Response:
        """Several records in a request only if so many can never be more rows than are taken."""
        service = self.host.service
        size = min(max(service.max_body_bytes // MEGABYTE, 1), LARGEST)
        many = service.max_rows >= size * MEGABYTE // 2  # the shortest record is a digit and the end of its line
        return _json(
            {
                "MaxConcurrentTransforms": 2 * cpu.available(),
                "BatchStrategy": "MULTI_RECORD" if many else "SINGLE_RECORD",
                "MaxPayloadInMB": size,
            }
        )


def _check_place(repository: Repository, name: str, url: str) -> None:
    """Raises InvalidRequest if a model is to come from elsewhere than its place, ModelNotFound if nothing is there."""
    try:
        directory = repository.directory.resolve()
        place = Path(repository.directory, url).resolve()
        fits = place.is_relative_to(directory / name) and (directory / name).parent == directory
        there = place.is_dir()
    except (ValueError, OSError, RuntimeError):  # what no path can be, and links that lead to themselves
        fits = there = False
    if not fits:
        message = f"url must be the directory of {quoted(name)} among the models that are served."
        raise InvalidRequest([Fault(code="wrong_place", message=message, field="url")])
    if not there:
        raise ModelNotFound(name, repository.catalogue.models)


def _paths(host: Host, catalogue: Catalogue) -> Mapping[str, Any]:
    execution = {"tags": ["health"], "summary": "How a batch transform should send", "operationId": "execution"}
    load = {"tags": ["admin"], "summary": "Serve a model of the directory", "operationId": "load"}
    unload = {"tags": ["admin"], "summary": "Serve a model no more", "operationId": "unload"}
    named = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
    wished = schema.closed({name: {"type": "string"} for name in Wished.__struct_fields__})
    said = {"200": {"description": "It is so.", "content": {"application/json": {"schema": {"type": "object"}}}}}
    refused = frame_schema.refused
    body = {"required": True, "content": {"application/json": {"schema": wished}}}
    return {
        **invocations.paths(host, catalogue),
        "/execution-parameters": {"get": {**execution, "responses": said}},
        "/models": {"post": {**load, "requestBody": body, "responses": {**said, **refused(400, 403, 404, 409, 413)}}},
        "/models/{name}": {
            "delete": {**unload, "parameters": named, "responses": {**said, **refused(403, 404, 409, 503)}}
        },
        **{f"/models/{name}/invoke": {"post": _invoke(catalogue.default(name))} for name in catalogue.models},
    }


def _invoke(model: Model) -> Mapping[str, Any]:
    about = {"summary": "A data frame in, predictions out", "operationId": f"invoke_{model.name}"}
    return frame_schema.prediction(model, **about)


def _claims(method: str, parts: Sequence[str]) -> bool:
    match parts:
        case ["models"]:
            return method == HTTPMethod.POST
        case ["models", _]:
            return method == HTTPMethod.DELETE
        case ["execution-parameters"] | ["models", _, "invoke"]:
            return True
    return invocations.claims(method, parts)


def _need(method: str, parts: Sequence[str]) -> Need | None:
    match parts:
        case ["models"]:
            return Need(Scope.ADMIN)
        case ["models", name]:
            return Need(Scope.ADMIN, name)
        case ["models", name, "invoke"]:
            return Need(Scope.PREDICT, name)
        case ["execution-parameters"]:
            return None
    return invocations.need(method, parts)


def _json(document: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
