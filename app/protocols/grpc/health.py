"""grpc.health.v1.Health, as probes and balancers ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from app.protocols.grpc.messages import messages, parsed
from app.protocols.grpc.operations import ready
from app.service import Service

SERVICES = ("", "inference.GRPCInferenceService", "grpc.health.v1.Health")
"""Those whose health is known; "" is the server's."""

SECONDS = 0.5
"""Between two looks for those who watch."""

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


@dataclass(frozen=True)
class Health:
    service: Service
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def status(self, content: bytes) -> int:
        """That of the service which a message names. Raises MalformedBody."""
        request = parsed(messages()["grpc.health.v1.HealthCheckRequest"], content)
        if request.service not in SERVICES:
            return SERVICE_UNKNOWN
        return SERVING if ready(self.service) else NOT_SERVING

    async def watched(self, content: bytes) -> AsyncIterator[int]:
        """The status now, and again whenever it is another, until the server stops."""
        last = None
        while not self.stopping.is_set():
            if (now := self.status(content)) != last:
                last = now
                yield now
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), SECONDS)


def said(status: int) -> Any:
    return messages()["grpc.health.v1.HealthCheckResponse"](status=status)
