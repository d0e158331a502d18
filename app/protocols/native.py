"""servefn's own protocol: typed rows in, predictions out, keys kept.

    POST /models/{name}/predict           {"instances": [{…}]}    every row is good, or 422 lists every fault
    POST /models/{name}/predict/keyed     {"instances": [{…}]}    a bad row is set apart under its key
    GET  /models                          what is served, and what is not
    GET  /models/{name}                   one model's contract

All but the list are also under /models/{name}/versions/{version}. The predictions are raw ASGI endpoints: nothing
stands between a body and its decoder. Their part of the OpenAPI document is made from the signatures, by app.openapi.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.bundle import Certificate
from app.codec import Batch
from app.errors import PredictionFailed, ServingError
from app.predictor import Model
from app.protocols import body
from app.protocols.problem import described, fault, problem
from app.repository import Rejected
from app.service import Service
from app.signature import Feature, Kind, Output, Tensors

log = logging.getLogger("servefn")

MODEL, VERSION = "/models/{name}", "/models/{name}/versions/{version}"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A model as the list shows it. `version` answers where a request names none."""

    name: str
    version: str
    versions: Sequence[str]
    kind: Kind
    description: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Models:
    models: Sequence[Summary]
    rejected: Sequence[Rejected]


@dataclass(frozen=True, kw_only=True)
class Contract(Summary):
    """What a model takes and gives, and the proof that it answers as the trained model did."""

    key: str
    features: Sequence[Feature]
    outputs: Sequence[Output]
    certificate: Certificate
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """One way to predict, as an ASGI application: read, decode, predict, encode."""

    service: Service
    decode: Callable[[Model, bytes, int], Batch]
    encode: Callable[[Model, Batch, Tensors], dict[str, Any]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        model = None
        try:
            model = self.service.model(**scope["path_params"])
            content = await body.read(scope, receive, self.service.max_body_bytes)
            batch = self.decode(model, content, self.service.max_rows)
            outputs = await self.service.predict(model, batch.tensors, batch.rows)
            answer = orjson.dumps(self.encode(model, batch, outputs))
        except body.ClientGone:
            return
        except ServingError as error:
            if isinstance(error, PredictionFailed):
                log.exception("%s", error)
            self.service.refused(model, error)
            await problem(error)(scope, receive, send)
            return
        await _send(send, answer)
        self.service.answered(model, batch.rows, time.perf_counter() - started)


def router(service: Service) -> APIRouter:
    """The routes of this protocol."""
    routes = APIRouter()
    online = Operation(service, lambda model, *given: model.codec.decode(*given), _online)
    keyed = Operation(service, lambda model, *given: model.codec.decode_keyed(*given), _keyed)
    for path in (MODEL, VERSION):
        routes.routes.append(Route(f"{path}/predict", online, methods=["POST"]))
        routes.routes.append(Route(f"{path}/predict/keyed", keyed, methods=["POST"]))

    @routes.get("/models", tags=["models"], summary="What is served, and what is not")
    async def models() -> Models:
        catalogue = service.repository.catalogue
        return Models(
            models=[Summary(**_summary(service, service.model(name))) for name in catalogue.models],
            rejected=catalogue.rejected,
        )

    refusals: Any = {"4XX": described("There is no such model or version."), "503": described("Still loading.")}

    @routes.get(VERSION, tags=["models"], summary="The contract of one version", responses=refusals)
    @routes.get(MODEL, tags=["models"], summary="The contract of a model", responses=refusals)
    async def contract(name: str, version: str | None = None) -> Contract:
        model = service.model(name, version)
        return Contract(
            **_summary(service, model),
            key=model.signature.key,
            features=model.signature.features,
            outputs=model.signature.outputs,
            certificate=model.manifest.certificate,
            provenance=model.manifest.provenance,
        )

    return routes


def _summary(service: Service, model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "versions": list(service.repository.catalogue.models[model.name]),
        "kind": model.signature.kind,
        "description": model.manifest.description,
        "digest": model.digest,
    }


def _online(model: Model, _: Batch, outputs: Tensors) -> dict[str, Any]:
    return {"model": model.name, "version": model.version, "predictions": model.codec.predictions(outputs)}


def _keyed(model: Model, batch: Batch, outputs: Tensors) -> dict[str, Any]:
    field, answers = batch.key_field, model.codec.predictions(outputs)
    predictions = [{field: key, **answer} for key, answer in zip(batch.keys, answers, strict=True)]
    errors = [
        {field: key, "error": "invalid_request", "faults": [fault(one) for one in found]}
        for key, found in batch.errors.items()
    ]
    return {"model": model.name, "version": model.version, "predictions": predictions, "errors": errors}


_JSON = (b"content-type", b"application/json")


async def _send(send: Send, content: bytes) -> None:
    headers = [_JSON, (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
