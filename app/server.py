"""uvicorn, as it is run here."""

from __future__ import annotations

import uvicorn

from app.direct import Protocol
from app.logs import configuration
from app.settings import Settings


def run(settings: Settings) -> None:
    """Serve until a signal: it stops accepting, finishes what is running, and returns."""
    uvicorn.run(
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
        proxy_headers=False,  # nothing here asks who calls
        timeout_keep_alive=75,  # longer than a balancer's, so that it is never the server who hangs up first
        timeout_graceful_shutdown=30,
    )
