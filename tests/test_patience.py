"""Clients that are too slow, or whose heads are too long, are let go of; those that are merely slow are not."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from app.direct import Protocol
from app.main import create_app
from app.patience import HEAD_BYTES, HEAD_SECONDS, LEAST
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_direct import Transport
from tests.test_server import POST

HEAD = b"POST /models/iris/predict HTTP/1.1\r\nhost: x\r\n"


class Slow(Transport):
    """A client that has so many bytes of its answer still to take."""

    left = 0
    pause_reading = resume_reading = lambda _: None

    def get_write_buffer_size(self) -> int:
        return self.left

    def abort(self) -> None:
        self.closed = True


def connected(talk: Callable[[Protocol, Slow], None]) -> bool:
    """Whether the connection lasts through a talk."""

    async def run() -> bool:
        app = create_app(Settings(models=MODELS, load_seconds=0))
        config = Config(app, http=Protocol, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
        config.load()
        protocol, transport = Protocol(config=config, server_state=ServerState(), app_state={}), Slow()
        protocol.connection_made(transport)
        talk(protocol, transport)
        lasts = not transport.closed
        protocol.connection_lost(None)
        return lasts

    return asyncio.run(run())


def test_a_connection_that_is_gone_is_not_held_until_the_next_look() -> None:
    async def run() -> bool:
        app = create_app(Settings(models=MODELS, load_seconds=0))
        config = Config(app, http=Protocol, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
        config.load()
        protocol = Protocol(config=config, server_state=ServerState(), app_state={})
        protocol.connection_made(Slow())
        protocol.connection_lost(None)
        gone = weakref.ref(protocol)
        del protocol
        gc.collect()
        return gone() is None

    assert asyncio.run(run())


def later(protocol: Protocol, seconds: float) -> None:
    """Let time pass for what is under way."""
    protocol._begun -= seconds
    protocol.look()


@pytest.mark.parametrize(
    ("sent", "lasts"),
    [
        (b"", False),
        (b"P", False),
        (HEAD, False),
        (HEAD + b"content-length: 100\r\n\r\n", True),
        (POST + b"content-length: 100\r\n\r\n{", True),
    ],
)
def test_a_head_has_its_time(sent: bytes, lasts: bool) -> None:
    def talk(protocol: Protocol, _: Slow) -> None:
        for byte in sent:
            protocol.data_received(bytes([byte]))
        later(protocol, HEAD_SECONDS - 1)
        assert not protocol.transport.is_closing()
        later(protocol, HEAD_SECONDS)

    assert connected(talk) is lasts


@pytest.mark.parametrize("refused", [True, False])
@pytest.mark.parametrize(("rest", "lasts"), [(b"", False), (b" " * 98, False), (b" " * 99, True)])
def test_a_small_body_has_its_time_and_so_has_one_that_was_refused(refused: bool, rest: bytes, lasts: bool) -> None:
    def talk(protocol: Protocol, transport: Slow) -> None:
        predictions = protocol._predictions
        assert predictions
        predictions._repository.load()
        predictions._admission.requests = 10**6 * refused
        protocol.data_received(POST + b"content-length: 100\r\n\r\n{")
        assert bool(transport.written) == refused
        protocol.data_received(rest)
        later(protocol, HEAD_SECONDS - 1)
        assert not transport.closed
        later(protocol, HEAD_SECONDS)

    assert connected(talk) is lasts


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
CHUNK = b"1000\r\n" + b" " * 4096 + b"\r\n"


@pytest.mark.parametrize(
    ("first", "then", "lasts"),
    [
        (HEAD, b"x: " + b"y" * 997 + b"\r\n", False),
        (HEAD + b"x: ", b"y" * 1000, False),
        (b"POST /", b"y" * 1000, False),
        (CHUNKED + b"0\r\n", b"x: " + b"y" * 997 + b"\r\n", False),
        (CHUNKED, CHUNK, True),
    ],
)
def test_all_but_the_body_has_its_size(first: bytes, then: bytes, lasts: bool) -> None:
    def talk(protocol: Protocol, transport: Slow) -> None:
        protocol.data_received(first)
        for _ in range(HEAD_BYTES // 1000 + 2):
            if not transport.closed:
                protocol.data_received(then)

    assert connected(talk) is lasts


def test_an_answer_that_nobody_takes_is_given_up() -> None:
    def talk(protocol: Protocol, transport: Slow) -> None:
        protocol.head_came()
        transport.left = 10**6
        protocol.pause_writing()
        protocol.look()
        assert not transport.closed
        transport.left -= LEAST - 1
        protocol.look()

    assert not connected(talk)


def test_an_answer_that_is_taken_slowly_is_not() -> None:
    def talk(protocol: Protocol, transport: Slow) -> None:
        protocol.head_came()
        transport.left = 10**6
        protocol.pause_writing()
        for _ in range(20):
            protocol.look()
            transport.left -= LEAST
        protocol.resume_writing()
        transport.left = 10**6
        protocol.pause_writing()
        protocol.look()

    assert connected(talk)
