"""What a user of tritonclient.grpc does."""

from __future__ import annotations

import queue
from typing import Any

import tritonclient.grpc

from tests.clients import triton
from tests.clients.given import Given, run
from tests.clients.triton import Transport


def transport(given: Given) -> Transport:
    return Transport(tritonclient.grpc, given.grpc, given)


def metadata(transport: Transport) -> None:
    client = transport.client
    assert client.get_server_metadata().name == "servefn"
    described = client.get_model_metadata("iris", as_json=True)
    assert described["inputs"][0]["name"] == "sepal_length"
    assert client.get_model_config("iris").config.name == "iris"
    assert triton.state(client.get_model_repository_index()) == {"iris": "READY", "flights": "READY"}


def compressed(transport: Transport) -> None:
    for coding in ("gzip", "deflate"):
        triton.same(
            transport.client.infer(
                "iris", transport.matrix(transport.given.iris["rows"]), compression_algorithm=coding
            ),
            transport.given.iris,
        )


def at_once(transport: Transport) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    rows = transport.matrix(transport.given.iris["rows"])
    for _ in range(4):
        transport.client.async_infer("iris", rows, lambda result, error: answers.put(error or result))
    for _ in range(4):
        triton.same(answers.get(timeout=30), transport.given.iris)


if __name__ == "__main__":
    run(*triton.CHECKS, metadata, compressed, at_once, on=transport)
