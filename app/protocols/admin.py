"""What changes the models that are served: a look at the directory, aliases for other versions, shares of the traffic.

    POST   /admin/reload                            load new bundles, drop those that are gone
    PUT    /admin/models/{name}/aliases/{alias}     {"version": "2"}
    DELETE /admin/models/{name}/aliases/{alias}
    PUT    /admin/models/{name}/traffic             {"split": {"challenger": 0.1}, "shadow": {}}

Aliases and shares are written to the models' directory first: every replica that reads it, now or later, agrees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from app import aliases, traffic
from app.errors import BundleError, Conflict
from app.keeper import Keeper
from app.protocols import body
from app.protocols.problem import described
from app.repository import Changes
from app.traffic import Traffic

ALIAS = "/admin/models/{name}/aliases/{alias}"
TRAFFIC = "/admin/models/{name}/traffic"

LARGEST = 64 * 1024
"""Bytes of a body."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """The version that an alias names."""

    version: str


def router(keeper: Keeper) -> APIRouter:
    routes = APIRouter(tags=["admin"], route_class=Bounded)
    refusals: Any = {
        "400": described("The body is not JSON."),
        "404": described("There is no such model."),
        "409": described("It cannot be done; `detail` says why."),
        "503": described("The model is still being loaded, or was unloaded."),
    }

    async def pointed(name: str, alias: str, version: str | None) -> Changes:
        keeper.repository.get(name)
        try:
            await asyncio.to_thread(aliases.point, keeper.repository.directory / name, alias, version)
        except BundleError as error:
            raise _conflict(error) from error
        return await keeper.reload()

    @routes.post("/admin/reload", summary="Load new bundles, drop those that are gone")
    async def reloaded() -> Changes:
        return await keeper.reload(again=True)

    @routes.put(ALIAS, summary="Have an alias name a version", responses=refusals)
    async def point(name: str, alias: str, named: Named) -> Changes:
        return await pointed(name, alias, named.version)

    @routes.delete(ALIAS, summary="Have an alias name no version", responses=refusals)
    async def unpoint(name: str, alias: str) -> Changes:
        return await pointed(name, alias, None)

    @routes.put(TRAFFIC, summary="Give other versions a share of a model's traffic", responses=refusals)
    async def share(name: str, said: Traffic) -> Changes:
        repository = keeper.repository
        repository.get(name)
        try:
            repository.catalogue.check(name, said)
            await asyncio.to_thread(traffic.save, repository.directory / name, said)
        except BundleError as error:
            raise _conflict(error) from error
        return await keeper.reload()

    return routes


class Bounded(APIRoute):
    """A route whose body is held against a limit; FastAPI would read any, and before it asks who may."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            try:
                content = await body.read(request.receive, LARGEST)
            except body.ClientGone:
                return Response()

            async def receive() -> Message:
                return {"type": "http.request", "body": content}

            return await handler(Request(request.scope, receive))

        return bounded


def _conflict(error: BundleError) -> Conflict:
    return Conflict(f"{str(error).removesuffix('.')}.")
