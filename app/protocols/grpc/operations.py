"""What a server is asked beside predictions, and told to do: each takes a message and gives the fields of another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from app import descriptions
from app.callers import Scope
from app.errors import MalformedBody, NotReady, ServingError
from app.predictor import Model
from app.protocols.grpc.exchange import Exchange
from app.protocols.grpc.messages import messages, parsed
from app.protocols.wire import Host, Need
from app.service import Service


class Method(NamedTuple):
    """What the caller must be allowed, None if nothing, and what answers."""

    need: Callable[[Any], Need | None]
    answer: Callable[[Any], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Operations:
    """The methods by name."""

    host: Host

    async def answer(self, name: str, content: bytes, exchange: Exchange) -> Any:
        """The message that answers one. Raises a ServingError."""
        method = self.methods[name]
        request = parsed(messages()[f"inference.{name}Request"], content)
        exchange.admit(method.need(request))
        return messages()[f"inference.{name}Response"](**await method.answer(request))

    @property
    def methods(self) -> Mapping[str, Method]:
        return {
            "ServerLive": Method(_open, self._live),
            "ServerReady": Method(_open, self._ready),
            "ModelReady": Method(lambda request: Need(Scope.READ, request.name), self._model_ready),
            "ServerMetadata": Method(lambda _: Need(Scope.READ), self._server),
            "ModelMetadata": Method(lambda request: Need(Scope.READ, request.name), self._metadata),
            "ModelConfig": Method(lambda request: Need(Scope.READ, request.name), self._config),
            "ModelStatistics": Method(lambda request: Need(Scope.READ, request.name or None), self._statistics),
            "RepositoryIndex": Method(lambda _: Need(Scope.READ), self._index),
            "RepositoryModelLoad": Method(lambda request: Need(Scope.ADMIN, request.model_name), self._load),
            "RepositoryModelUnload": Method(lambda request: Need(Scope.ADMIN, request.model_name), self._unload),
        }

    async def _live(self, _: Any) -> Mapping[str, Any]:
        return {"live": True}

    async def _ready(self, _: Any) -> Mapping[str, Any]:
        return {"ready": ready(self.host.service)}

    async def _model_ready(self, request: Any) -> Mapping[str, Any]:
        try:
            self._model(request)
        except NotReady:
            return {"ready": False}
        return {"ready": True}

    async def _server(self, _: Any) -> Mapping[str, Any]:
        return descriptions.server()

    async def _metadata(self, request: Any) -> Mapping[str, Any]:
        return descriptions.metadata(self.host.service, self._model(request))

    async def _config(self, request: Any) -> Mapping[str, Any]:
        return {"config": descriptions.configuration(self._model(request))}

    async def _statistics(self, request: Any) -> Mapping[str, Any]:
        models = [self._model(request)] if request.name else self.host.service.repository.catalogue
        return {"model_stats": [_filled(descriptions.tally(model, self.host.statistics)) for model in models]}

    async def _index(self, request: Any) -> Mapping[str, Any]:
        return {"models": descriptions.index(self.host.service.repository, ready=request.ready)}

    async def _load(self, request: Any) -> Mapping[str, Any]:
        if request.parameters:
            raise MalformedBody("A bundle is loaded as it was published: parameters cannot change it.")
        await self.host.keeper.restore(request.model_name)
        return {}

    async def _unload(self, request: Any) -> Mapping[str, Any]:
        await self.host.keeper.withdraw(request.model_name)
        return {}

    def _model(self, request: Any) -> Model:
        return self.host.service.model(request.name, request.version or None)


def ready(service: Service) -> bool:
    """Whether the replica is to be sent predictions."""
    try:
        service.check()
    except ServingError:
        return False
    return True


def _open(_: Any) -> None:
    """Anybody may ask."""


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that say something; a message has the others by itself."""
    return {name: value for name, value in fields.items() if value}
