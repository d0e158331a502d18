"""uvicorn, as it is run here, and how it ends: unready, a while of grace, no more accepted, all answered, exit 0."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import FrameType

import uvicorn
from uvicorn.supervisors import multiprocess

from app.direct import Protocol
from app.gate import gate
from app.logs import configuration
from app.protocols.native import Predictions
from app.settings import Settings

GOODBYE = (b"connection", b"close")
"""What answers say while the server ends, so that clients turn to another replica by themselves."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""What TLS 1.2 may use (RFC 9325); uvicorn's own choice is what TLS 1.0 had. TLS 1.3 has but good ones."""


class Server(uvicorn.Server):
    """SIGTERM ends it after the grace, SIGINT (Ctrl-C) without; a second signal ends it where it stands."""

    _told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Have the collector pass over what stays for good: going through all of it would hold the loop for 50 ms.

        What is not here yet is not passed over: models, which come and go.
        """
        gc.collect()
        gc.freeze()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # as a signal handler
        if self._told:
            os._exit(128 + sig)
        self._told = True
        grace = Settings().grace_seconds if sig == signal.SIGTERM else 0
        asyncio.get_running_loop().call_soon_threadsafe(self._leave, grace)

    def _leave(self, grace: float) -> None:
        app = getattr(self.config, "loaded_app", None)
        while app and not isinstance(app, Predictions):  # it may stand within what keeps records, or knows callers
            app = getattr(app, "app", None)
        if app:
            app.leave()
        self.config.encoded_headers.append(GOODBYE)
        self.server_state.default_headers = [*self.server_state.default_headers, GOODBYE]
        asyncio.get_running_loop().call_later(grace, setattr, self, "should_exit", True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but at the end the signal is not raised again: a server that was told to end has done well."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


class Worker(multiprocess.Process):
    """One of several processes."""

    @cached_property
    def server(self) -> uvicorn.Server:
        return Server(config=self.config)


def run(settings: Settings) -> None:
    """Serve until a signal. Raises BadKeys."""
    gate(settings)  # what is wrong with it is said once, before there are workers
    config = uvicorn.Config(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=Protocol,
        log_config=configuration(settings.log_format, settings.log_level),
        log_level=settings.log_level,
        access_log=False,  # it would know neither model nor rows; SERVEFN_ACCESS_LOG does
        server_header=False,
        proxy_headers=False,  # nothing here asks for addresses
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ssl_ca_certs=settings.tls_ca and str(settings.tls_ca),
        ssl_ciphers=CIPHERS,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_ca else ssl.CERT_NONE,
        timeout_keep_alive=75,  # longer than a balancer's, so that it is never the server who hangs up first
        timeout_graceful_shutdown=30,
    )
    if settings.workers > 1:
        multiprocess.Process = Worker  # type: ignore[misc]  # uvicorn has no other way to say what its workers run
        multiprocess.Multiprocess(config, sockets=[config.bind_socket()]).run()
    else:
        Server(config).run()
