"""Whole bodies in any format, answered in any: columns to tensors, one run of their own, arrays to bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope, Send

from app.admission import Place
from app.columns import Question, Terms
from app.decision import effective
from app.errors import InvalidRequest
from app.faults import in_parameters
from app.formats import JSON
from app.media import Answer
from app.predictor import Model
from app.protocols import body, lines
from app.protocols.coding import PAYS, WRITERS
from app.protocols.lines import Lot, Stream
from app.protocols.negotiation import Head, head, packing
from app.service import Service
from app.traffic import Split

SECONDS_PER_BYTE = 1e-8
"""About what reading or packing a byte costs; more for CSV, less for Arrow."""

SECONDS_PER_ROW = 1e-6
"""About what writing an answer costs in JSON; more in CSV, less in Arrow."""


VARY = (b"vary", b"accept, accept-encoding")


class Reply(NamedTuple):
    """A whole answer, ready to be sent."""

    content: bytes
    headers: list[tuple[bytes, bytes]]
    rows: Mapping[Model, int]
    """The rows that each version answered."""

    async def __call__(self, send: Send) -> None:
        headers = [*self.headers, (b"content-length", str(len(self.content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.content})


@dataclass(frozen=True)
class Tables:
    """The operation `predict`, or with `keyed` the other, for every format."""

    service: Service
    keyed: bool
    split: Split | None = None

    async def reply(
        self, model: Model, scope: Scope, receive: Receive, content: bytes | None, place: Place, due: float
    ) -> Reply | Stream:
        """The answer to a body that has come already or is to be read. Raises a ServingError or ClientGone."""
        about = head(scope)
        if about.given is about.wanted is lines.FORMAT:
            return self._stream(model, scope, receive, about)
        if content is None:
            receive = body.taking(receive, place, self.service.body_seconds)
            content = await body.decoded(scope, receive, about.coding, self.service.max_body_bytes, place)
        return await self._answered(model, scope, about, content, place, due)

    async def _answered(
        self, model: Model, scope: Scope, about: Head, content: bytes, place: Place, due: float
    ) -> Reply:
        terms = self._terms(model, scope)
        read = partial(about.given.decode, model, content, terms)
        question = await self.service.alone(read, SECONDS_PER_BYTE * len(content), due)
        place.hold(question.rows)
        question = replace(question, parameters={**(terms.parameters or {}), **(question.parameters or {})})
        seconds = ((self.split or model).seconds_per_row + SECONDS_PER_ROW) * question.rows
        work = partial(_divided, self.split, body.key(scope)) if self.split else partial(_reply, model)
        reply = await self.service.alone(partial(work, about, question), seconds, due)
        return await packed(self.service, scope, reply)

    def _stream(self, model: Model, scope: Scope, receive: Receive, about: Head) -> Stream:
        self.service.admission.check()
        key = key_field(model, scope) if self.keyed else None
        said = parameters(model, scope)
        headers = _headers(model, about, said, self.split)
        if self.split:
            self.split.check(key or "")
        lot = Lot(self.split, body.key(scope)) if self.split else None
        return Stream(self.service, model, receive, body.unfolding(about.coding), headers, key, said, lot)

    def _terms(self, model: Model, scope: Scope) -> Terms:
        return Terms(
            max_bytes=self.service.max_body_bytes,
            max_rows=self.service.max_rows,
            keyed=self.keyed,
            key_field=key_field(model, scope) if self.keyed else "",
            parameters=parameters(model, scope),
        )


def key_field(model: Model, scope: Scope) -> str:
    """Where the keys are: in the field that the query names, else in the contract's."""
    return _query(scope).get("key_field", model.signature.key)


def parameters(model: Model, scope: Scope) -> dict[str, float] | None:
    """What the query says of the decision; None where there is none. Raises InvalidRequest."""
    known = model.signature.parameters
    said = {name: _read(text) for name, text in _query(scope).items() if name in known} if known else {}
    if found := in_parameters(said, known):
        raise InvalidRequest(found)
    return said or None


def _query(scope: Scope) -> dict[str, str]:
    """The parameters of a query; of several with one name the last."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def _read(text: str) -> Any:
    """A value of a query as JSON has it; what JSON has not is text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


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


def _reply(model: Model, about: Head, question: Question) -> Reply:
    answer = Answer(model, question, model.run(question.tensors, question.parameters))
    headers = _headers(model, about, question.parameters)
    return Reply(about.wanted.encode(answer), headers, {model: question.rows})


def _divided(split: Split, key: bytes, about: Head, question: Question) -> Reply:
    """The answers of both versions of a split."""
    versions = split.versions(question.rows, question.key_field, question.keys, key)
    outputs = split.run(versions, question.tensors, question.parameters)
    answer = Answer(split.champion, question, outputs, split, versions)
    headers = _headers(split.champion, about, question.parameters, split)
    return Reply(about.wanted.encode(answer), headers, Counter(versions))


def _headers(
    model: Model, about: Head, said: Mapping[str, float] | None, split: Split | None = None
) -> list[tuple[bytes, bytes]]:
    """The type; what the answer depends on; and where its format has no place for them, what made it."""
    headers = [(b"content-type", about.wanted.media_type.encode()), VARY]
    if about.wanted is JSON:
        return headers
    return headers + maker(model, said, split)


def maker(model: Model, said: Mapping[str, float] | None, split: Split | None = None) -> list[tuple[bytes, bytes]]:
    """What made an answer, as headers."""
    headers = [(f"servefn-{what}".encode(), said.encode()) for what, said in model.identity.items()]
    if split:
        headers.append((b"servefn-split", split.said.encode()))
    if policy := model.signature.policy:
        numbers = ", ".join(f"{name}={value}" for name, value in effective(policy, said).items())
        headers.append((b"servefn-parameters", numbers.encode()))
    return headers
