"""servefn's own protocol: typed rows in, predictions out, keys kept.

    POST /models/{name}/predict           {"instances": [{…}]}    every row is good, or 422 lists every fault
    POST /models/{name}/predict/keyed     {"instances": [{…}]}    a bad row is set apart under its key
    GET  /models                          what is served, and what is not
    GET  /models/{name}                   one model's contract

All but the list are also under /models/{name}/versions/{version} and /models/{name}/aliases/{alias}. The predictions
are raw ASGI endpoints: nothing stands between a body and its decoder. Their part of the OpenAPI document is made from
the signatures, by app.openapi.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.admission import PARKED, Place
from app.answers import Answers
from app.bundle import Certificate
from app.codec import Batch
from app.decision import Policy
from app.errors import Overloaded, ServingError
from app.formats.json import columnar, keyed, online
from app.loader import Rejected
from app.predictor import Model
from app.protocols import body
from app.protocols.coding import PAYS
from app.protocols.lines import Stream
from app.protocols.problem import described, problem
from app.protocols.tables import Reply, Tables, packed
from app.protocols.wire import WireProtocol, claimant
from app.repository import Catalogue
from app.service import Service
from app.signature import Feature, Kind, Output
from app.traffic import Split, Traffic
from app.uncertainty import Conformal

MODEL = "/models/{name}"
VERSION, ALIAS = f"{MODEL}/versions/{{version}}", f"{MODEL}/aliases/{{alias}}"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A model as the list shows it. `version` answers where a request names none."""

    name: str
    version: str
    versions: Sequence[str]
    aliases: Mapping[str, str]
    traffic: Traffic
    kind: Kind
    description: str
    digest: str
    modelName: str  # noqa: N815  # SageMaker's names, which asks for them at the same paths
    modelUrl: str  # noqa: N815


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
    policy: Policy | None
    conformal: Conformal | None
    certificate: Certificate
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """One way to predict, as an ASGI application: read, decode, predict, encode.

    Rows of JSON answered in JSON are done here, `tables` does everything else.
    """

    service: Service
    tables: Tables
    decode: Callable[[Model, bytes, int], Batch]
    encode: Callable[[Model, Batch, Answers], dict[str, Any]]
    split: Split | None = None
    """Who else answers for the model, where a request names no version."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For the router: the model is in the path's parameters."""
        try:
            model = self.service.model(**scope["path_params"])
        except ServingError as error:
            self.service.refused(None, error)
            await problem(error)(scope, receive, send)
        else:
            plan = self.service.repository.catalogue.plans.get(model.name)
            operation = self.among(plan.split) if plan and len(scope["path_params"]) == 1 else self
            await operation.predict(model, scope, receive, send)

    def among(self, split: Split | None) -> Operation:
        """The same operation of a model that has a split, or none."""
        return replace(self, split=split, tables=replace(self.tables, split=split)) if split else self

    async def predict(self, model: Model, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            with Place(self.service.admission, body.announced(scope)) as place:
                reply = await self._reply(model, scope, receive, place)
            await reply(send)
        except body.ClientGone:
            return
        except Exception as failure:  # nobody else stands between this and the server
            scope[PARKED] = isinstance(failure, Overloaded)
            await self.refuse(model, failure)(scope, receive, send)
            return
        seconds = time.perf_counter() - started
        for each, rows in reply.rows.items():
            self.service.answered(each, rows, seconds)

    async def _reply(self, model: Model, scope: Scope, receive: Receive, place: Place) -> Reply | Stream:
        limit, due, content = self.service.max_body_bytes, body.due(scope), None
        if body.plain(scope, limit):
            content = await body.read(body.taking(receive, place, self.service.body_seconds), limit)
        if content is None or columnar(content) or (scope["query_string"] and model.signature.policy):
            return await self.tables.reply(model, scope, receive, content, place, due)
        batch = self.decode(model, content, self.service.max_rows)
        place.hold(len(batch.rows))
        if self.split:
            reply = await self._divided(self.split, batch, body.key(scope), due)
        else:
            answers = await self.service.predict(model, batch.rows, due)
            reply = Reply(orjson.dumps(self.encode(model, batch, answers)), _JSON, {model: len(batch.rows)})
        return await packed(self.service, scope, reply) if len(reply.content) >= PAYS else reply

    async def _divided(self, split: Split, batch: Batch, key: bytes, due: float) -> Reply:
        """The answers of both versions of a split."""
        versions = split.versions(len(batch.rows), batch.key_field, batch.keys, key)
        answers = await self.service.divided(versions, batch.rows, due)
        document = {**split.identity, **self.encode(split.champion, batch, answers)}
        return Reply(orjson.dumps(document), _JSON, Counter(versions))

    def refuse(self, model: Model, failure: Exception) -> Response:
        """What a client is told of a failure."""
        return problem(self.service.failed(model, failure))


class Predictions:
    """The predictions straight from the server, with neither router nor middleware; all else is the application's.

    Those of other protocols are looked for among the few routes of the one whose path it is.
    """

    def __init__(self, app: ASGIApp, service: Service, protocols: Sequence[WireProtocol]) -> None:
        self.app, self._protocols = app, protocols
        self._repository, self._admission = service.repository, service.admission
        self._operations = _operations(service)
        self._catalogue = Catalogue()
        self._targets: Targets = {}

    def leave(self) -> None:
        """Be ready for no more: the process has been told to stop."""
        self._admission.leaving = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        post = scope["type"] == "http" and scope["method"] == "POST"
        if post and (target := self.targets.get(scope.get("raw_path", b""))):
            operation, model = target
            await operation.predict(model, scope, receive, send)
        else:
            found = self._call(scope) if post else None
            await (found or self.app)(scope, receive, send)

    def _call(self, scope: Scope) -> ASGIApp | None:
        """What another protocol has for a path, if that is a prediction; its parameters are in the scope then."""
        protocol = claimant(self._protocols, scope["method"], scope["path"])
        for route in protocol.calls if protocol else ():
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                return route.app
        return None

    @property
    def targets(self) -> Targets:
        """The operation and the model at the path of every prediction, by the models that are served now."""
        if self._catalogue is not self._repository.catalogue:
            self._catalogue = self._repository.catalogue
            self._targets = _targets(self._operations, self._catalogue)
        return self._targets


Targets = Mapping[bytes, tuple[Operation, Model]]


def _targets(operations: Mapping[str, Operation], catalogue: Catalogue) -> Targets:
    paths = [(f"/models/{model.name}/versions/{model.version}", model) for model in catalogue]
    paths += [
        (f"/models/{name}/aliases/{alias}", catalogue.models[name][version])
        for name, named in catalogue.aliases.items()
        for alias, version in named.items()
    ]
    verbs = operations.items()
    targets = {f"{path}/{verb}".encode(): (operation, model) for path, model in paths for verb, operation in verbs}
    for name, plan in catalogue.plans.items():
        for verb, operation in verbs:
            targets[f"/models/{name}/{verb}".encode()] = operation.among(plan.split), catalogue.default(name)
    return targets


def _operations(service: Service) -> dict[str, Operation]:
    return {
        "predict": Operation(
            service, Tables(service, keyed=False), lambda model, *given: model.codec.decode(*given), _online
        ),
        "predict/keyed": Operation(
            service, Tables(service, keyed=True), lambda model, *given: model.codec.decode_keyed(*given), _keyed
        ),
    }


def router(service: Service) -> APIRouter:
    """The routes of this protocol."""
    routes = APIRouter()
    for verb, operation in _operations(service).items():
        for path in (MODEL, VERSION, ALIAS):
            routes.routes.append(Route(f"{path}/{verb}", operation, methods=["POST"]))

    @routes.get("/models", tags=["models"], summary="What is served, and what is not")
    async def models() -> Models:
        catalogue = service.repository.catalogue
        return Models(
            models=[
                Summary(**_summary(catalogue, catalogue.default(name), service.repository.directory))
                for name in catalogue.models
            ],
            rejected=catalogue.rejected,
        )

    refusals: Any = {"4XX": described("There is no such model, version or alias."), "503": described("Still loading.")}

    @routes.get(ALIAS, tags=["models"], summary="The contract of the version that an alias names", responses=refusals)
    async def contract_of_alias(name: str, alias: str) -> Contract:
        return _contract(service, service.model(name, None, alias))

    @routes.get(VERSION, tags=["models"], summary="The contract of one version", responses=refusals)
    async def contract_of_version(name: str, version: str) -> Contract:
        return _contract(service, service.model(name, version))

    @routes.get(MODEL, tags=["models"], summary="The contract of a model", responses=refusals)
    async def contract(name: str) -> Contract:
        service.repository.listed(name)
        return _contract(service, service.model(name))

    return routes


def _contract(service: Service, model: Model) -> Contract:
    return Contract(
        **_summary(service.repository.catalogue, model, service.repository.directory),
        key=model.signature.key,
        features=model.signature.features,
        outputs=model.signature.outputs,
        policy=model.signature.policy,
        conformal=model.signature.conformal,
        certificate=model.manifest.certificate,
        provenance=model.manifest.provenance,
    )


def _summary(catalogue: Catalogue, model: Model, directory: Path) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "versions": list(catalogue.models[model.name]),
        "aliases": catalogue.aliases[model.name],
        "traffic": catalogue.plans[model.name].said,
        "kind": model.signature.kind,
        "description": model.manifest.description,
        "digest": model.digest,
        "modelName": model.name,
        "modelUrl": str(directory / model.name),
    }


def _online(model: Model, batch: Batch, answers: Answers) -> dict[str, Any]:
    return online(model, batch.parameters, model.codec.decided(answers, batch.parameters))


def _keyed(model: Model, batch: Batch, answers: Answers) -> dict[str, Any]:
    return keyed(model, batch, model.codec.decided(answers, batch.parameters))


_JSON = [(b"content-type", b"application/json")]
