"""What changes the models that are served: a look at the directory, aliases for other versions, shares of the traffic.

    POST   /admin/reload                            load new bundles, drop those that are gone
    PUT    /admin/models/{name}/aliases/{alias}     {"version": "2"}
    DELETE /admin/models/{name}/aliases/{alias}
    PUT    /admin/models/{name}/traffic             {"split": {"challenger": 0.1}, "shadow": {}}

Aliases and shares are written to the models' directory first: every replica that reads it, now or later, agrees.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from app import aliases, traffic
from app.errors import BundleError, Conflict
from app.keeper import Keeper
from app.protocols.problem import described
from app.repository import Changes
from app.traffic import Traffic

ALIAS = "/admin/models/{name}/aliases/{alias}"
TRAFFIC = "/admin/models/{name}/traffic"


@dataclass(frozen=True, kw_only=True)
class Named:
    """The version that an alias names."""

    version: str


def router(keeper: Keeper) -> APIRouter:
    routes = APIRouter(tags=["admin"])
    refusals: Any = {
        "400": described("The body is not JSON."),
        "404": described("There is no such model."),
        "409": described("It cannot be done; `detail` says why."),
    }

    async def pointed(name: str, alias: str, version: str | None) -> Changes:
        keeper.repository.get(name)
        try:
            await asyncio.to_thread(aliases.point, keeper.repository.directory / name, alias, version)
        except BundleError as error:
            raise Conflict(f"{error}.") from error
        return await keeper.reload()

    @routes.post("/admin/reload", summary="Load new bundles, drop those that are gone")
    async def reloaded() -> Changes:
        return await keeper.reload()

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
            repository.catalogue.planned(name, said)
            await asyncio.to_thread(traffic.save, repository.directory / name, said)
        except BundleError as error:
            raise Conflict(f"{error}.") from error
        return await keeper.reload()

    return routes
