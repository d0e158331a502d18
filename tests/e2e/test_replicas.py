"""The promise of a pure function: any replica may answer, and one may die, without a client noticing."""

from __future__ import annotations

import json
import logging
import time
from http.client import HTTPConnection
from itertools import count
from random import Random
from typing import Any

import pytest

from tests.e2e.engine import Stack, answered, docker, healthy, inspect
from tests.e2e.load import Address, connect, load, references, reply
from tests.load import traffic
from tests.load.traffic import Call
from tests.waiting import until

pytestmark = pytest.mark.e2e
log = logging.getLogger(__name__)

SECONDS = 24
"""How long the load lasts, at least."""

ENOUGH = 10_000
"""Calls, of which none may fail."""

SIZES = (1, 1, 1, 2, 5, 20, 100)
"""Rows in the calls about one model."""


@pytest.fixture(scope="module")
def calls(stack: Stack) -> list[Call]:
    """Online and keyed calls about every model that is served, of all sizes."""
    random, keys = Random(0), count()
    made: list[Call] = []
    for contract in _contracts(stack.address):
        for size in SIZES:
            rows = traffic.rows(contract, size, random)
            made.append(traffic.online(contract, rows))
            made.append(traffic.keyed(contract, rows, [f"key-{next(keys)}" for _ in rows]))
    return made


def test_every_replica_answers(stack: Stack, calls: list[Call]) -> None:
    with load(stack.address, references(stack.address, calls)) as record:
        until(lambda: all(answered(replica) > 20 for replica in stack.replicas()))
    assert len(stack.replicas()) == 3
    assert not record.failures


def test_a_row_has_the_same_answer_alone_as_among_others_under_its_key(stack: Stack, calls: list[Call]) -> None:
    with connect(stack.address) as connection:
        for alone, keyed in zip(calls[::2], calls[1::2], strict=True):
            online, among = (json.loads(reply(connection, call))["predictions"] for call in (alone, keyed))
            assert [{keyed.key_field: key, **row} for key, row in zip(keyed.keys, online, strict=True)] == among


def test_no_client_notices_replicas_that_die_come_and_go(stack: Stack, calls: list[Call]) -> None:
    expected = references(stack.address, calls)
    with load(stack.address, expected) as record:
        ends = time.monotonic() + SECONDS
        _kill(stack)
        stack.scale(3)
        _add(stack)
        _stop(stack)
        time.sleep(max(0.0, ends - time.monotonic()))
        until(lambda: record.calls > ENOUGH, 120)
    log.info("%d calls, %d failed, slowest %.2f s", record.calls, len(record.failures), record.slowest)
    assert not record.failures, stack.complaints()
    assert record.calls > 100 * SECONDS
    assert record.slowest < 10


def test_a_rolling_restart_loses_nothing(stack: Stack, calls: list[Call]) -> None:
    stack.scale(3)
    with load(stack.address, references(stack.address, calls)) as record:
        for replica in sorted(stack.replicas()):
            docker("restart", "-t", "30", replica)
            until(lambda replica=replica: healthy(replica), 60)  # type: ignore[misc]  # it is called at once
        until(lambda: record.calls > ENOUGH, 120)
    log.info("%d calls, %d failed, slowest %.2f s", record.calls, len(record.failures), record.slowest)
    assert not record.failures, stack.complaints()


def test_a_call_outlives_its_replica_though_the_others_changed_meanwhile(stack: Stack, calls: list[Call]) -> None:
    stack.scale(3)
    stuck, leaving, _ = stack.replicas()
    with load(stack.address, references(stack.address, calls)) as record:
        docker("kill", "--signal", "STOP", stuck)
        docker("stop", leaving)
        time.sleep(3)  # longer than the balancer believes an old answer of the DNS
        docker("kill", "--signal", "KILL", stuck)
        until(lambda: record.slowest > 3)
    assert not record.failures, stack.complaints()


def _kill(stack: Stack) -> None:
    time.sleep(2)  # of undisturbed load
    docker("kill", "--signal", "KILL", min(stack.replicas()))
    assert len(stack.replicas()) == 2
    time.sleep(2)  # of load on those that are left


def _add(stack: Stack) -> None:
    before = stack.replicas()
    stack.scale(4)
    (fourth,) = stack.replicas() - before
    until(lambda: answered(fourth) > 20)


def _stop(stack: Stack) -> None:
    leaving = max(stack.replicas())
    docker("stop", leaving)
    assert inspect(leaving, "{{.State.ExitCode}}") == "0", "it did not end by itself on SIGTERM"
    assert len(stack.replicas()) == 3


def _contracts(address: Address) -> list[Any]:
    with connect(address) as connection:
        names = [model["name"] for model in _get(connection, "/models")["models"]]
        assert names
        return [_get(connection, f"/models/{name}") for name in names]


def _get(connection: HTTPConnection, path: str) -> Any:
    connection.request("GET", path)
    return json.load(connection.getresponse())
