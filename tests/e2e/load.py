"""Clients that call without pause for as long as a context lasts, and forget no failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from random import Random

from tests.load.traffic import HEADERS, Call

Address = tuple[str, int]

CLIENTS = 8
PAUSE = 0.01
"""Seconds between an answer and the next call: some hundred calls a second, which leave a small machine its breath."""


@dataclass
class Record:
    """What the clients saw, over all of them."""

    calls: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)


def connect(address: Address) -> closing[HTTPConnection]:
    return closing(HTTPConnection(*address, timeout=30))


def reply(connection: HTTPConnection, call: Call) -> bytes:
    """The body of the answer. A fault of any kind raises HTTPException or OSError."""
    connection.request("POST", call.path, call.body, HEADERS)
    response = connection.getresponse()
    content = response.read()
    if fault := call.fault(response.status, content):
        raise HTTPException(fault)
    return content


def references(address: Address, calls: Sequence[Call]) -> dict[Call, bytes]:
    """Each call with its answer, which is to stay the same from any replica at any time."""
    with connect(address) as connection:
        return {call: reply(connection, call) for call in calls}


@contextmanager
def load(address: Address, expected: dict[Call, bytes]) -> Iterator[Record]:
    """Clients that make these calls in an order of their own, until the context ends."""
    record, lock, stop = Record(), threading.Lock(), threading.Event()
    arguments = (address, expected, record, lock, stop)
    clients = [threading.Thread(target=_client, args=(Random(seed), *arguments)) for seed in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield record
    finally:
        stop.set()
        for client in clients:
            client.join()


def _client(
    random: Random,
    address: Address,
    expected: dict[Call, bytes],
    record: Record,
    lock: threading.Lock,
    stop: threading.Event,
) -> None:
    with connect(address) as connection:
        while not stop.wait(PAUSE):
            call = random.choice(list(expected))
            started = time.monotonic()
            failure = _failure(connection, call, expected[call])
            with lock:
                record.calls += 1
                record.slowest = max(record.slowest, time.monotonic() - started)
                record.failures += [failure] if failure else []


def _failure(connection: HTTPConnection, call: Call, expected: bytes) -> str | None:
    try:
        content = reply(connection, call)
    except (OSError, HTTPException) as error:
        connection.close()
        return f"{type(error).__name__}: {error}"
    return None if content == expected else f"{call.path}: {content!r:.300} is not {expected!r:.300}"
