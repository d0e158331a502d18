"""Predictions: one message each, alone or of a stream."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.admission import Place
from app.callers import Scope
from app.errors import MalformedBody
from app.media import Answer
from app.protocols.calls import answered, count, rows, target
from app.protocols.grpc.exchange import Exchange
from app.protocols.grpc.messages import messages, parsed
from app.protocols.grpc.tensors import decode, encode
from app.protocols.tables import SECONDS_PER_BYTE, SECONDS_PER_ROW
from app.protocols.wire import Need
from app.service import Service


@dataclass(frozen=True)
class Inference:
    """ModelInfer and ModelStreamInfer."""

    service: Service

    async def infer(self, content: bytes, exchange: Exchange) -> Any:
        """The answer to a ModelInferRequest. Raises a ServingError."""
        started, due = time.perf_counter(), exchange.due()
        with Place(self.service.admission, len(content)) as place:
            place.enter()
            answer, response = await self._answered(content, exchange, place, due)
        seconds = time.perf_counter() - started
        for model, several in rows(answer).items():
            self.service.answered(model, several, seconds)
        return response

    async def stream(self, content: bytes, exchange: Exchange) -> Any:
        """The same as one message of a stream, which goes on whatever is wrong with it."""
        try:
            fields = {"infer_response": await self.infer(content, exchange)}
        except Exception as failure:  # nobody else stands between this and the library
            fields = {"error_message": exchange.refused(failure).text}
        return messages()["inference.ModelStreamInferResponse"](**fields)

    async def _answered(self, content: bytes, exchange: Exchange, place: Place, due: float) -> tuple[Answer, Any]:
        service, reading = self.service, SECONDS_PER_BYTE * len(content)
        request = await service.alone(partial(parsed, messages()["inference.ModelInferRequest"], content), reading, due)
        exchange.admit(Need(Scope.PREDICT, request.model_name))
        if not request.model_name:
            raise MalformedBody("model_name is missing.")
        found = target(service, request.model_name, request.model_version or None)
        exchange.model = found.model
        read = partial(decode, found.model, request, len(content), service.max_rows)
        asked, notes = await service.alone(read, reading, due)
        place.hold(count(asked))
        answer = await answered(service, found, asked, due, exchange.key)
        return answer, await service.alone(partial(encode, answer, notes), SECONDS_PER_ROW * count(asked))
