"""What a wire protocol of others is, and which there are.

Each is a module of `app.protocols` with a function `protocol`; a module put there is found, and edits no other file.
The native protocol is not one of them: it is always on, and everything that no other claims is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NamedTuple

import orjson
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.callers import Scope
from app.errors import InvalidRequest, ServingError, choices
from app.gate import Gate
from app.keeper import Keeper
from app.protocols.calls import Call
from app.protocols.problem import headers
from app.protocols.statuses import plain
from app.record import Record
from app.repository import Catalogue
from app.service import Service
from app.statistics import Statistics

SOLE = ""
"""In place of a model's name: the one that answers where a path names none."""

LISTED = 20
"""The most faults that the text of one error tells; a protocol without a place for them has nothing else."""

ALL = "all"
PACKAGE = "app.protocols"


ANYBODY = (
    "Anybody who reaches this address could call this. Have the server know its callers (SERVEFN_API_KEYS_FILE, "
    "`servefn api-key`), or listen on 127.0.0.1 only."
)
"""Why what is for admins is refused, where nobody has to say who calls."""


class Need(NamedTuple):
    """What a caller must be allowed; without a model, for all of them."""

    scope: Scope
    model: str | None = None


class Tls(NamedTuple):
    """Files, PEM: a chain of certificates and its key, and of whom clients must have a certificate."""

    cert: Path
    key: Path
    ca: Path | None


@dataclass(frozen=True, kw_only=True)
class Host:
    """What a protocol stands on.

    `address` is what the server binds to, and `environ` what the platform says of where it runs.
    """

    service: Service
    keeper: Keeper
    statistics: Statistics
    gate: Gate | None
    address: str
    grpc_port: int | None
    environ: Mapping[str, str]
    trusted: bool = True
    """Whether admin's operations may be called where nobody has to say who calls."""
    tls: Tls | None = None
    readers: Sequence[Callable[[Record], None]] = ()
    """Who reads the records of requests that do not come through the application."""
    workers: int = 1


@dataclass(frozen=True, kw_only=True)
class WireProtocol:
    """One way to speak with the same service.

    `claims` says by method and by the decoded parts of a path whether a request is of this protocol; then `need` says
    what its caller must be allowed, None if nothing, and `error` writes the body of every refusal, by status, code and
    text. `paths` documents the routes as OpenAPI does, by the models that are served. `running` is what else is to be
    up while the server is. `named` is whether whoever runs the service gave it its paths: then they are before others'.
    """

    claims: Callable[[str, Sequence[str]], bool]
    need: Callable[[str, Sequence[str]], Need | None]
    error: Callable[[HTTPStatus, str, str], Mapping[str, Any]]
    routes: Sequence[BaseRoute] = ()
    paths: Callable[[Catalogue], Mapping[str, Any]] = lambda _: {}
    running: Callable[[], AbstractAsyncContextManager[None]] | None = None
    named: bool = False

    @cached_property
    def calls(self) -> Sequence[Route]:
        """The routes that predict."""
        return [one for one in self.routes if isinstance(one, Route) and isinstance(one.endpoint, Call)]

    def refusal(self, error: ServingError) -> Response:
        """What a client is told of an error."""
        return self.said(plain(error), error.code, told(error), headers(error))

    def said(self, status: HTTPStatus, code: str, text: str, headers: Mapping[str, str] | None = None) -> Response:
        return Response(orjson.dumps(self.error(status, code, text)), status, headers, media_type="application/json")


Factory = Callable[[Host], WireProtocol]


class UnknownProtocol(ValueError):
    """The message says which there are."""


def told(error: ServingError) -> str:
    """All that is wrong in one text, for a body that has no other place for it."""
    if not isinstance(error, InvalidRequest) or error.total < 2:
        return error.message
    messages = [fault.message for fault in error.faults[:LISTED]]
    more = error.total - len(messages)
    return " ".join([f"{error.total} faults:", *messages, *([f"And {more} more."] if more else [])])


def chosen(names: str) -> dict[str, Factory]:
    """The protocols of a list parted by commas, or of "all". Raises UnknownProtocol."""
    found = dict(_found())
    if names.strip() == ALL:
        return found
    wished = [name.strip() for name in names.split(",") if name.strip()]
    for name in wished:
        if name not in found:
            raise UnknownProtocol(f"there is no protocol '{name}'.{choices(name, [*found, ALL])}")
    return {name: found[name] for name in wished}


def claimant(among: Iterable[WireProtocol], method: str, path: str) -> WireProtocol | None:
    """Whose a request is; None for the native protocol."""
    parts = path.split("/")[1:]
    return next((one for one in among if one.claims(method, parts)), None)


def _found() -> Iterator[tuple[str, Factory]]:
    for found in iter_modules(import_module(PACKAGE).__path__):
        factory = getattr(import_module(f"{PACKAGE}.{found.name}"), "protocol", None)
        if factory:
            yield found.name, factory
