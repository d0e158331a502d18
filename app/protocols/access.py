"""Who may call what, as a layer of ASGI around all protocols: a path says which scope it needs, and for which model.

What is not listed needs a key too: a new path is closed until somebody opens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPMethod
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Request

from app.callers import CALLER, Caller, Scope
from app.errors import Forbidden, ModelNotFound, ServingError
from app.gate import Gate
from app.protocols.problem import described, problem
from app.protocols.wire import ANYBODY, SOLE, Need, WireProtocol, claimant
from app.service import Service

DOCS = ("docs", "openapi.json", "static")

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token of the issuer."},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}

_REFUSALS = {
    "401": "No key, or none that holds.",
    "403": "The key is not for this; `detail` says which scope or model is missing.",
    "429": "More requests than this caller may make; `Retry-After` says when.",
}


@dataclass(frozen=True)
class Access:
    """Lets through who may."""

    app: ASGIApp
    gate: Gate
    service: Service
    public: Sequence[str]
    """The first part of paths that need no key, beside health."""
    protocols: Sequence[WireProtocol] = ()
    """Those that know themselves what their paths need."""

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and CALLER not in scope and (need := self.need(scope["method"], scope["path"])):
            try:
                model = self.service.sole if need.model == SOLE else need.model
                scope[CALLER] = caller = self.gate.admit(scope["headers"], need.scope, model)
                if model and not caller.everything and need.scope is not Scope.ADMIN:
                    self._check_known(caller, model)
            except ServingError as error:
                self.service.refused(None, error)
                await self._refusal(scope, error)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check_known(self, caller: Caller, model: str) -> None:
        """Raises ModelNotFound where the application would, but with no name that is not for this caller."""
        repository = self.service.repository
        try:
            repository.get(model)
        except ModelNotFound as error:
            raise ModelNotFound(model, filter(caller.knows, repository.catalogue.models)) from error
        except ServingError:
            return  # the application says which

    def need(self, method: str, path: str) -> Need | None:
        """What a request needs, by its decoded path; None if nothing."""
        if protocol := claimant(self.protocols, method, path):
            return protocol.need(method, path.split("/")[1:])
        match path.split("/")[1:]:
            case [first, *_] if first == "health" or first in self.public:
                return None
            case ["models", model, *_]:
                return Need(Scope.PREDICT if method == HTTPMethod.POST else Scope.READ, model)
            case ["admin", "models", model, *_]:
                return Need(Scope.ADMIN, model)
            case ["admin", *_]:
                return Need(Scope.ADMIN)
        return Need(Scope.READ)

    def _refusal(self, scope: Request, error: ServingError) -> Response:
        protocol = claimant(self.protocols, scope["method"], scope["path"])
        return protocol.refusal(error) if protocol else problem(error)

    def document(self, document: dict[str, Any]) -> dict[str, Any]:
        """The OpenAPI document, with what each operation needs."""
        components = {**document.get("components", {}), "securitySchemes": SCHEMES}
        paths = {
            path: {method: self._operation(operation, method, path) for method, operation in item.items()}
            for path, item in document["paths"].items()
        }
        return {**document, "paths": paths, "components": components}

    def _operation(self, operation: dict[str, Any], method: str, path: str) -> dict[str, Any]:
        if self.need(method.upper(), path) is None:
            return operation
        told = (lambda text: {"description": text}) if claimant(self.protocols, method.upper(), path) else described
        refusals = {status: told(text) for status, text in _REFUSALS.items()}
        security: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
        return {**operation, "security": security, "responses": {**refusals, **operation["responses"]}}


@dataclass(frozen=True)
class Unguarded:
    """Stands where nobody says who they are and anybody may come: what is for admins is refused."""

    app: ASGIApp
    protocols: Sequence[WireProtocol]

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        protocol = claimant(self.protocols, scope["method"], scope["path"]) if scope["type"] == "http" else None
        need = protocol.need(scope["method"], scope["path"].split("/")[1:]) if protocol else None
        if protocol and need and need.scope is Scope.ADMIN:
            await protocol.refusal(Forbidden(ANYBODY))(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def nobody() -> None:
    """What admin's operations depend on where anybody could call them. Raises Forbidden."""
    raise Forbidden(ANYBODY)
