from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.engine import Stack, docker


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """These tests take a Docker engine and a minute: they run when `make e2e` asks for them, and skip otherwise."""
    if os.environ.get("SERVEFN_E2E") != "1":
        pytest.skip("needs a Docker engine and the image: make image e2e")
    docker("version")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Three replicas behind nginx, all healthy."""
    stack = Stack()
    stack.down()
    try:
        stack.scale(3)
        yield stack
    finally:
        stack.down()
