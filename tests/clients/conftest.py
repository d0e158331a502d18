from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _asked() -> None:
    """These tests take four virtual environments: they run when `make clients` asks for them, and skip otherwise."""
    if os.environ.get("SERVEFN_CLIENTS") != "1":
        pytest.skip("needs the clients of others: make clients")
