"""One prediction under a protocol of others: read, decode, predict, encode. Each protocol brings the two ends.

What lies between is the same for all of them: limits, admission, deadlines, natural batching, splits, observers.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Generic, NamedTuple, TypeVar

from msgspec.structs import replace
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app import columns
from app.admission import PARKED, Place
from app.codec import Batch, Codec
from app.columns import Question, Table, Terms
from app.errors import Overloaded, ServingError
from app.media import Answer
from app.predictor import Model
from app.protocols import body
from app.protocols.tables import SECONDS_PER_BYTE, SECONDS_PER_ROW, Reply, packed
from app.scheduler import MERGED_ROWS
from app.service import Service
from app.traffic import Split

Asked = Batch | Question
"""The good rows of a request: few ones as the codec reads them, which share their run, or ready tensors."""

Notes = TypeVar("Notes")
"""What else a request says, and its answer is to be written by."""


class Target(NamedTuple):
    """What a request is for: a version, and who shares its traffic where the request named none."""

    model: Model
    split: Split | None = None


def target(service: Service, name: str, version: str | None = None, alias: str | None = None) -> Target:
    """Raises NotReady, ModelNotFound, VersionNotFound or AliasNotFound; NoDefault if the name is to be the only one."""
    model = service.model(name or service.sole, version, alias)
    plan = service.repository.catalogue.plans.get(model.name)
    return Target(model, plan.split if plan and version is None and alias is None else None)


@dataclasses.dataclass(frozen=True)
class Call(Generic[Notes]):
    """A way to predict, as an ASGI application for a `Route`.

    `find` is given the parameters of the path and the headers. `decode` raises MalformedBody, TooLarge or
    InvalidRequest; with `encode` it may run in a thread. `refusal` writes the answer to whatever fails.
    """

    service: Service
    refusal: Callable[[ServingError], Response]
    find: Callable[[Mapping[str, str], Headers], Target]
    decode: Callable[[Model, bytes, Headers], tuple[Asked, Notes]]
    encode: Callable[[Answer, Notes], Reply]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        found = None
        try:
            found = self.find(scope["path_params"], Headers(scope=scope))
            with Place(self.service.admission, body.announced(scope)) as place:
                reply = await self._reply(found, scope, receive, place)
            await reply(send)
        except body.ClientGone:
            return
        except Exception as failure:  # nobody else stands between this and the server
            scope[PARKED] = isinstance(failure, Overloaded)
            error = self.service.failed(found.model if found else None, failure)
            await self.refusal(error)(scope, receive, send)
            return
        seconds = time.perf_counter() - started
        for each, rows in reply.rows.items():
            self.service.answered(each, rows, seconds)

    async def _reply(self, found: Target, scope: Scope, receive: Receive, place: Place) -> Reply:
        service, headers, due = self.service, Headers(scope=scope), body.due(scope)
        coding = headers.get("content-encoding", "").strip().lower().encode()
        receive = body.taking(receive, place, service.body_seconds)
        content = await body.decoded(scope, receive, coding, service.max_body_bytes, place)
        read = partial(self.decode, found.model, content, headers)
        asked, notes = await service.alone(read, SECONDS_PER_BYTE * len(content), due)
        place.hold(count(asked))
        answer = await answered(service, found, asked, due, body.key(scope))
        reply = await service.alone(partial(self.encode, answer, notes), SECONDS_PER_ROW * count(asked))
        return await packed(service, scope, reply)


def count(asked: Asked) -> int:
    """The rows that are to be predicted."""
    return asked.rows if isinstance(asked, Question) else len(asked.rows)


def asked(codec: Codec, given: Table, terms: Terms) -> Asked:
    """What a table asks: few rows as the codec reads them, many as tensors. Raises TooLarge or InvalidRequest."""
    if given.rows > MERGED_ROWS or not given.rows:
        return dataclasses.replace(columns.question(codec, given, terms), parameters=terms.parameters)
    return replace(codec.sifted(given.records(), terms.key_field if terms.keyed else None), parameters=terms.parameters)


async def answered(service: Service, found: Target, asked: Asked, due: float = inf, key: bytes = b"") -> Answer:
    """What the model, or both versions of a split, answer. Raises PredictionFailed, DeadlineExceeded, InvalidRequest.

    `key` is that of the whole request, by which a split decides where rows have none.
    """
    model, split = found
    if isinstance(asked, Batch) and not asked.rows:  # nothing is asked where a protocol lets that be
        return Answer(model, _about(asked), model.codec.outputs([]))
    if isinstance(asked, Batch) and not split:
        answers = await service.predict(model, asked.rows, due)
        outputs = model.codec.outputs(model.codec.decided(answers, asked.parameters))
        return Answer(model, _about(asked), outputs)
    question = columns.asked(model.codec, asked) if isinstance(asked, Batch) else asked
    seconds = (split or model).seconds_per_row * question.rows
    if not split:
        run = partial(model.run, question.tensors, question.parameters)
        return Answer(model, question, await service.alone(run, seconds, due))
    versions = split.versions(question.rows, question.key_field, question.keys, key)
    shared = partial(split.run, versions, question.tensors, question.parameters)
    return Answer(model, question, await service.alone(shared, seconds, due), split, versions)


def _about(batch: Batch) -> Question:
    """The same without its tensors, which nobody needs any more."""
    return Question(
        tensors={},
        rows=len(batch.rows),
        key_field=batch.key_field,
        keys=batch.keys,
        errors=batch.errors,
        parameters=batch.parameters,
    )


def rows(answer: Answer) -> dict[Model, int]:
    """How many rows each version answered, for the observers."""
    return dict(Counter(answer.versions)) if answer.split else {answer.model: answer.question.rows}
