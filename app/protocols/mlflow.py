"""MLflow's scoring server: /invocations and /ping, which it shares with SageMaker, and two paths of its own.

GET /health         200, as /ping
GET /version        the version of the server, bare
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.protocols import invocations
from app.protocols.wire import Host, WireProtocol
from app.repository import Catalogue


def protocol(host: Host) -> WireProtocol:
    async def said(_: Request) -> Response:
        return Response(version("servefn"), media_type="application/json")

    found = WireProtocol(claims=_claims, need=invocations.need, error=invocations.error)
    routes = [
        *invocations.routes(host, found.refusal),
        Route("/health", invocations.pinged(host, b"\n"), methods=["GET"]),
        Route("/version", said, methods=["GET"]),
    ]
    return replace(found, routes=routes, paths=partial(_paths, host))


def _paths(host: Host, catalogue: Catalogue) -> Mapping[str, Any]:
    said = {"description": "It, bare.", "content": {"application/json": {}}}
    about = {"summary": "The version of the server", "operationId": "version"}
    return {
        **invocations.paths(host, catalogue),
        "/health": {"get": invocations.health("health")},
        "/version": {"get": {"tags": ["health"], **about, "responses": {"200": said}}},
    }


def _claims(method: str, parts: Sequence[str]) -> bool:
    return invocations.claims(method, parts) or parts in (["health"], ["version"])
