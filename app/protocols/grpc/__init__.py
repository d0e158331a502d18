"""The Open Inference Protocol over gRPC, on a port of its own beside that of HTTP. Needs the extra `grpc`.

The library's threads read and write; everything else is done in the event loop of the application. Messages are taken
as they come and parsed here: what is wrong with one is the caller's fault, and the library would call it ours.
"""

from __future__ import annotations

import logging
import os
from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from app.errors import DeadlineExceeded
from app.extras import aio, grpc
from app.protocols.grpc.exchange import Exchange
from app.protocols.grpc.health import SERVICE_UNKNOWN, Health, said
from app.protocols.grpc.inference import Inference
from app.protocols.grpc.operations import Operations
from app.protocols.wire import Host, Tls, WireProtocol
from app.record import recorded

log = logging.getLogger("servefn")

INFERENCE, HEALTH = "inference.GRPCInferenceService", "grpc.health.v1.Health"

GRACE = 30
"""Seconds for what is in flight when the server stops, as HTTP has them."""

Handler = Callable[[Any, Any], Awaitable[Any]]
"""What the library calls: with messages as they come, and the context of the call."""


def protocol(host: Host) -> WireProtocol:
    """Claims no path of HTTP. Without a port there is nothing of it."""
    return WireProtocol(
        claims=lambda method, parts: False,  # noqa: ARG005
        need=lambda method, parts: None,  # noqa: ARG005
        error=lambda status, code, text: {},  # noqa: ARG005
        running=None if host.grpc_port is None else partial(_running, host),
    )


@asynccontextmanager
async def _running(host: Host) -> AsyncIterator[None]:
    """A server while the context lasts. Raises OSError if it cannot have the port."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it would write lines of its own beside the log
    health, admission = Health(host.service), host.service.admission
    options = {
        "max_receive_message_length": host.service.max_body_bytes,
        "max_send_message_length": -1,
        "max_concurrent_streams": admission.max_requests,
        "so_reuseport": int(host.workers > 1),
    }
    server = aio.server(options=[(f"grpc.{name}", value) for name, value in options.items()])
    for name, handlers in ((INFERENCE, _inference(host)), (HEALTH, _health(host, health))):
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, handlers)])
    address = _bound(server, host)
    await server.start()
    log.info("Open Inference Protocol over gRPC on %s", address)
    try:
        yield
    finally:
        health.stopping.set()
        await server.stop(GRACE)


def _bound(server: Any, host: Host) -> str:
    """Where the server listens from now on."""
    name = f"[{host.address}]" if ":" in host.address else host.address
    address = f"{name}:{host.grpc_port}"
    try:
        if host.tls:
            port = server.add_secure_port(address, _credentials(host.tls))
        else:
            port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address} (grpc_port)") from error
    return f"{name}:{port}"


def _credentials(tls: Tls) -> Any:
    pair, ca = (tls.key.read_bytes(), tls.cert.read_bytes()), tls.ca
    return grpc.ssl_server_credentials([pair], ca and ca.read_bytes(), require_client_auth=ca is not None)


def _inference(host: Host) -> dict[str, Any]:
    inference, operations = Inference(host.service), Operations(host)
    handlers = {name: _unary(host, name, partial(operations.answer, name)) for name in operations.methods}
    handlers["ModelInfer"] = _unary(host, "ModelInfer", inference.infer)
    handlers["ModelStreamInfer"] = _stream(host, "ModelStreamInfer", inference.stream)
    return handlers


def _unary(host: Host, name: str, answer: Callable[[bytes, Exchange], Awaitable[Any]]) -> Any:
    """A method that answers a message. It takes a stream, so that it is asked before there is any message."""

    async def answered(exchange: Exchange) -> Any:
        return (await answer(await exchange.only(), exchange)).SerializeToString()

    async def handle(_: Any, context: Any) -> Any:
        return await _told(host, f"/{INFERENCE}/{name}", context, answered)

    return grpc.stream_unary_rpc_method_handler(handle)


def _stream(host: Host, name: str, answer: Callable[[bytes, Exchange], Awaitable[Any]]) -> Any:
    """A method that answers each message of a stream, in their order."""

    async def handle(_: Any, context: Any) -> None:
        async def answered(exchange: Exchange) -> None:
            while (content := await exchange.message()) is not None:
                await context.write((await answer(content, exchange)).SerializeToString())

        await _told(host, f"/{INFERENCE}/{name}", context, answered)

    return grpc.stream_stream_rpc_method_handler(handle)


def _health(host: Host, health: Health) -> dict[str, Any]:
    async def status(exchange: Exchange) -> int:
        return health.status(await exchange.only())

    async def check(_: Any, context: Any) -> Any:
        found = await _told(host, f"/{HEALTH}/Check", context, status)
        if found == SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "Nobody's health is known under this name.")
        return said(found).SerializeToString()

    async def watch(_: Any, context: Any) -> None:
        async def watched(exchange: Exchange) -> None:
            async for found in health.watched(await exchange.only()):
                await context.write(said(found).SerializeToString())

        await _told(host, f"/{HEALTH}/Watch", context, watched)

    return {
        "Check": grpc.stream_unary_rpc_method_handler(check),
        "Watch": grpc.stream_stream_rpc_method_handler(watch),
    }


async def _told(host: Host, method: str, context: Any, work: Callable[[Exchange], Awaitable[Any]]) -> Any:
    """What a call comes to. Whatever fails in it is told to its client.

    The library ties who aborts a call to its context, until the collector comes: no failure is in hand by then, as that
    would keep the whole request.
    """
    exchange = Exchange(host, method, context)
    with recorded(host.readers, exchange.scope) as record:
        try:
            found = await work(exchange)
            record.status = HTTPStatus.OK
            return found
        except CancelledError:
            if context.time_remaining() == 0:
                record.status = exchange.refused(DeadlineExceeded("The deadline passed.")).status
            raise
        except Exception as failure:  # nobody else stands between this and the library
            refusal = exchange.refused(failure)
            record.status = refusal.status
    return await context.abort(refusal.code, refusal.text, refusal.metadata)
