"""What the balancer adds by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPResponse

import pytest

from tests.e2e.engine import Stack
from tests.e2e.load import connect

pytestmark = pytest.mark.e2e

LIMIT = 16 * 2**20


def test_a_plain_request_id_comes_back(stack: Stack) -> None:
    response, _ = _request(stack, "GET", "/models", {"X-Request-ID": "checkout-7f3a"})
    assert response.getheader("x-request-id") == "checkout-7f3a"


@pytest.mark.parametrize("given", [{}, {"X-Request-ID": 'a" onload="b'}])
def test_any_other_request_gets_one(stack: Stack, given: Mapping[str, str]) -> None:
    response, _ = _request(stack, "GET", "/models", given)
    assert len(response.getheader("x-request-id") or "") == 32


def test_a_body_over_the_limit_gets_a_problem_document(stack: Stack) -> None:
    response, content = _request(stack, "POST", "/models/any/predict", {"content-length": str(LIMIT + 1)})
    assert (response.status, response.getheader("content-type")) == (413, "application/problem+json")
    assert json.loads(content)["error"] == "too_large"


def test_a_body_of_the_limit_reaches_the_service(stack: Stack) -> None:
    response, content = _request(stack, "POST", "/models/any/predict", {}, b" " * LIMIT)
    assert (response.status, json.loads(content)["error"]) == (404, "model_not_found")


def _request(
    stack: Stack, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[HTTPResponse, bytes]:
    with connect(stack.address) as connection:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response, response.read()
