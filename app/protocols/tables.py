"""Whole bodies in any format, answered in any: columns to tensors, one run of their own, arrays to bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from app.columns import Terms
from app.formats import JSON
from app.media import Answer
from app.predictor import Model
from app.protocols import body, lines
from app.protocols.coding import PAYS, WRITERS
from app.protocols.lines import Stream
from app.protocols.negotiation import Head, head, packing
from app.service import Service

SECONDS_PER_BYTE = 1e-8
"""About what reading or packing a byte costs; more for CSV, less for Arrow."""

SECONDS_PER_ROW = 1e-6
"""About what writing an answer costs in JSON; more in CSV, less in Arrow."""


VARY = (b"vary", b"accept, accept-encoding")


class Reply(NamedTuple):
    """A whole answer, ready to be sent."""

    content: bytes
    headers: list[tuple[bytes, bytes]]
    rows: int

    async def __call__(self, send: Send) -> None:
        headers = [*self.headers, (b"content-length", str(len(self.content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.content})


@dataclass(frozen=True)
class Tables:
    """The operation `predict`, or with `keyed` the other, for every format."""

    service: Service
    keyed: bool

    async def reply(self, model: Model, scope: Scope, receive: Receive, content: bytes | None) -> Reply | Stream:
        """The answer to a body that has come already or is to be read. Raises a ServingError or ClientGone."""
        about = head(scope)
        if about.given is about.wanted is lines.FORMAT:
            return self._stream(model, scope, receive, about)
        limit = self.service.max_body_bytes
        if content is None:
            content = await body.decoded(scope, receive, about.coding, limit)
        return await self._answered(model, scope, about, content)

    async def _answered(self, model: Model, scope: Scope, about: Head, content: bytes) -> Reply:
        alone = self.service.alone
        read = partial(about.given.decode, model, content, self._terms(model, scope))
        question = await alone(read, SECONDS_PER_BYTE * len(content))
        outputs = await alone(partial(model.run, question.tensors), model.seconds_per_row * question.rows)
        write = partial(about.wanted.encode, Answer(model, question, outputs))
        answer = await alone(write, SECONDS_PER_ROW * question.rows)
        return await packed(self.service, scope, Reply(answer, _headers(model, about), question.rows))

    def _stream(self, model: Model, scope: Scope, receive: Receive, about: Head) -> Stream:
        key = key_field(model, scope) if self.keyed else None
        return Stream(self.service, model, receive, body.unfolding(about.coding), _headers(model, about), key)

    def _terms(self, model: Model, scope: Scope) -> Terms:
        return Terms(
            max_bytes=self.service.max_body_bytes,
            max_rows=self.service.max_rows,
            keyed=self.keyed,
            key_field=key_field(model, scope) if self.keyed else "",
        )


def key_field(model: Model, scope: Scope) -> str:
    """Where the keys are: in the field that the query names, else in the contract's."""
    named = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("key_field")
    return named[-1] if named else model.signature.key


async def packed(service: Service, scope: Scope, reply: Reply) -> Reply:
    """The same reply, compressed if the client takes that and it pays."""
    if len(reply.content) < PAYS:
        return reply
    if VARY not in reply.headers:
        reply = reply._replace(headers=[*reply.headers, VARY])
    coding = packing(scope)
    if not coding:
        return reply
    content = await service.alone(partial(WRITERS[coding], reply.content), SECONDS_PER_BYTE * len(reply.content))
    return reply._replace(content=content, headers=[*reply.headers, (b"content-encoding", coding.encode())])


def _headers(model: Model, about: Head) -> list[tuple[bytes, bytes]]:
    """The type; what the answer depends on; and where its format has no place for them, the model and its version."""
    headers = [(b"content-type", about.wanted.media_type.encode()), VARY]
    if about.wanted is JSON:
        return headers
    return [*headers, (b"servefn-model", model.name.encode()), (b"servefn-version", model.version.encode())]
