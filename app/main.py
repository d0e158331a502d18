"""The composition root: settings -> repository -> service -> routes."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from weakref import ref

import orjson
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Lifespan

from app import cpu, openapi, record, schema
from app.admission import Admission
from app.drift import Drift
from app.errors import FAILED, InternalError, ServingError, quoted
from app.gate import Gate, gate
from app.keeper import Keeper
from app.metrics import Metrics
from app.protocols import access, admin, native, operations
from app.protocols.access import DOCS, Access, Unguarded
from app.protocols.body import DEADLINE, KEY
from app.protocols.headers import Guarded
from app.protocols.problem import ProblemResponse, problem
from app.protocols.wire import Host, Tls, WireProtocol, chosen, claimant
from app.pulse import pulse
from app.record import Noting, Recording
from app.repository import Catalogue, Repository
from app.scheduler import Scheduler
from app.service import Observer, Service
from app.settings import Settings
from app.shadow import Shadowing
from app.signing import trusted
from app.statistics import Statistics
from app.tracing import tracing
from app.trial import Limits

log = logging.getLogger("servefn")

INVITATION = (
    "set SERVEFN_API_KEYS_FILE to a file of keys, which `servefn api-key` makes, or listen on 127.0.0.1. "
    "Until then admin's operations are refused"
)

DESCRIPTION = """Trained models as stateless functions: the same row gets the same answer, from any replica, every time.

Each model has operations of its own, typed by its contract. Try one: the body is filled in with a row that works."""


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The service as an ASGI application. It answers at once, and is ready when every model has replayed its rows.

    Raises BadKeys if it cannot be read who may call, and UnknownProtocol.
    """
    settings = settings or Settings()
    entrance = gate(settings)
    repository = _repository(settings)
    metrics = Metrics()
    traced = tracing()
    readers = [*([traced.read] if traced else []), *([record.access] if settings.access_log else [])]
    statistics = Statistics()
    observers: list[Observer] = [metrics, statistics, *([Noting()] if readers else [])]
    service = _service(settings, repository, observers)
    shadowing = Shadowing(metrics, lambda: service.admission.busy)
    display = Display(service, metrics, statistics, shadowing, Drift() if settings.drift else None)
    keeper = Keeper(repository, display.serving, _look(settings), alone=settings.workers == 1)

    trusted = _trusted(entrance, settings)
    protocols = _protocols(
        settings,
        service=service,
        keeper=keeper,
        statistics=statistics,
        gate=entrance,
        trusted=trusted,
        readers=readers,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        def ready() -> None:
            _greet(f"http{'s' if settings.tls_cert else ''}://{settings.host}:{settings.port}", repository)

        keys = entrance.keeping() if entrance else nullcontext()
        async with _running(protocols), keeper.keeping(ready), pulse(display.look), keys:
            yield
        if traced:
            await run_in_threadpool(traced.close)

    app = _fastapi(lifespan)
    app.include_router(native.router(service))
    app.include_router(operations.router(service, metrics))
    app.include_router(admin.router(keeper), dependencies=[] if trusted else [Depends(access.nobody)])
    _route(app, protocols)
    _handle_errors(app, protocols)
    rest = Guarded(app) if trusted else Unguarded(Guarded(app), protocols)
    served = _entered(native.Predictions(rest, service, protocols), entrance, service, settings, protocols)
    _document(app, repository, settings.max_rows, served, protocols)
    if settings.cors_origins is not None:
        served = _cors(served, settings.cors_origins)
    return Recording(served, readers) if readers else served


@asynccontextmanager
async def _running(protocols: Sequence[WireProtocol]) -> AsyncIterator[None]:
    """What protocols have running beside the application."""
    async with AsyncExitStack() as stack:
        for running in (protocol.running for protocol in protocols if protocol.running):
            await stack.enter_async_context(running())
        yield


def _route(app: FastAPI, protocols: Sequence[WireProtocol]) -> None:
    """Add the routes of other protocols; those that whoever runs the service has named come before all."""
    app.router.routes[:0] = [route for protocol in protocols if protocol.named for route in protocol.routes]
    app.router.routes.extend(route for protocol in protocols if not protocol.named for route in protocol.routes)


def _fastapi(lifespan: Lifespan[FastAPI]) -> FastAPI:
    return FastAPI(
        title="servefn",
        version=version("servefn"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )


def _trusted(entrance: Gate | None, settings: Settings) -> bool:
    """Whether admin's operations may be called. Where anybody could nobody may, and the log says so."""
    if entrance or settings.loopback:
        return True
    log.warning("ANYBODY WHO REACHES %s MAY PREDICT; %s", settings.host, INVITATION)
    return False


def _protocols(settings: Settings, **parts: Any) -> Sequence[WireProtocol]:
    """Those that are on beside the native one."""
    tls = Tls(settings.tls_cert, settings.tls_key or settings.tls_cert, settings.tls_ca) if settings.tls_cert else None
    host = Host(
        **parts,
        address=settings.host,
        grpc_port=settings.grpc_port,
        environ=os.environ,
        tls=tls,
        workers=settings.workers,
    )
    return sorted((protocol(host) for protocol in chosen(settings.protocols).values()), key=lambda one: not one.named)


def _entered(
    app: ASGIApp, entrance: Gate | None, service: Service, settings: Settings, protocols: Sequence[WireProtocol]
) -> ASGIApp:
    """The application for those who may call."""
    public = [*(DOCS if settings.public_docs else ()), *(["metrics"] if settings.public_metrics else ())]
    return Access(app, entrance, service, public, protocols) if entrance else app


def _cors(app: ASGIApp, origins: str) -> ASGIApp:
    """The application for the pages of these origins too. They send keys themselves, never cookies."""
    return CORSMiddleware(
        app,
        allow_origins=[origin.strip() for origin in origins.split(",")],
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["authorization", "x-api-key", "content-type", DEADLINE.decode(), KEY.decode()],
        expose_headers=["retry-after", "x-request-id"],
    )


@dataclass(frozen=True)
class Display:
    """Shows in the metrics what is not counted as it happens."""

    service: Service
    metrics: Metrics
    statistics: Statistics
    shadowing: Shadowing
    drift: Drift | None

    def serving(self, catalogue: Catalogue) -> None:
        """To be called when other models are served."""
        self.metrics.serving(catalogue)
        self.statistics.serving(catalogue)
        self.shadowing.serving(catalogue)
        if self.drift:
            self.drift.serving(catalogue)

    def look(self) -> None:
        """To be called now and then."""
        self.metrics.running(self.service.admission.requests)
        for model, found in self.drift.looks() if self.drift else ():
            self.metrics.drifted(model, found)


@dataclass
class Document:
    """The OpenAPI document, made once for each catalogue: that takes the loop as long as hundreds of predictions."""

    repository: Repository
    make: Callable[[Catalogue], dict[str, Any]]
    _made: dict[str, Any] = field(default_factory=dict)
    _of: ref[Catalogue] | None = None
    """Weak: models that are gone are not to be kept by it."""

    def __call__(self) -> dict[str, Any]:
        catalogue = self.repository.catalogue
        if self._of is None or self._of() is not catalogue:
            self._made, self._of = self.make(catalogue), ref(catalogue)
        return self._made


def _service(settings: Settings, repository: Repository, observers: Sequence[Observer]) -> Service:
    return Service(
        repository=repository,
        scheduler=Scheduler(cpu.available()),
        admission=Admission(settings.in_flight_requests, settings.in_flight_rows, settings.in_flight_bytes),
        observers=observers,
        max_body_bytes=settings.max_body_bytes,
        max_rows=settings.max_rows,
        body_seconds=settings.body_seconds,
        default_model=settings.default_model,
    )


def _repository(settings: Settings) -> Repository:
    limits = Limits(seconds=settings.load_seconds, bytes=settings.load_bytes) if settings.load_seconds else None
    trust = trusted(settings.require_signature) if settings.require_signature else None
    threads = settings.threads or max(1, cpu.available() // settings.workers)
    return Repository(settings.models, threads, limits=limits, trust=trust)


def _look(settings: Settings) -> float:
    """Seconds between two looks at the directory. Of several workers, a reload reaches but one: the others look."""
    return settings.watch_seconds or (1.0 if settings.workers > 1 else 0.0)


def _greet(address: str, repository: Repository) -> None:
    """Say where to look, and a command to paste."""
    model = min(repository.catalogue, key=lambda model: len(model.signature.features))
    body = orjson.dumps({"instances": [schema.example(model.signature)]}).decode()
    log.info("ready; see %s/docs, or try:", address)
    log.info("curl -s %s/models/%s/predict -H 'content-type: application/json' -d '%s'", address, model.name, body)


def _document(
    app: FastAPI, repository: Repository, max_rows: int, served: ASGIApp, protocols: Sequence[WireProtocol]
) -> None:
    """Make the OpenAPI document follow the models, which come and go while the routes stay."""

    def whole(catalogue: Catalogue) -> dict[str, Any]:
        fixed = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        complete = openapi.complete(fixed, catalogue, max_rows)
        for protocol in reversed(protocols):
            for path, item in protocol.paths(catalogue).items():
                complete["paths"][path] = {**complete["paths"].get(path, {}), **item}
        return served.document(complete) if isinstance(served, Access) else complete

    app.openapi = Document(repository, whole)  # type: ignore[method-assign]  # the way FastAPI documents


def _handle_errors(app: FastAPI, protocols: Sequence[WireProtocol]) -> None:
    """Every failure, whoever raised it, becomes what its protocol has for one; a problem document, if it is ours."""

    def refusal(request: Request, error: ServingError) -> Response:
        protocol = claimant(protocols, request.method, request.url.path)
        return protocol.refusal(error) if protocol else problem(error)

    def said(request: Request, status: HTTPStatus, *rest: Any) -> Response:
        protocol = claimant(protocols, request.method, request.url.path)
        return protocol.said(status, *rest) if protocol else ProblemResponse(status, *rest)

    @app.exception_handler(ServingError)
    async def serving(request: Request, error: ServingError) -> Response:
        return refusal(request, error)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        detail = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        return said(request, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", detail)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        code, detail = status.phrase.lower().replace(" ", "_"), error.detail
        if status is HTTPStatus.NOT_FOUND:
            detail = f"There is nothing at {quoted(request.url.path)}; /docs shows every path."
        elif status is HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow", "another method")
            detail = f"{request.method} is not for {quoted(request.url.path)}; use {allowed}."
        return said(request, status, code, detail, error.headers)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, _: Exception) -> Response:
        return refusal(request, InternalError(FAILED))
