"""What browsers are told, and which pages may call."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.testclient import TestClient

from app.protocols.headers import ALWAYS
from tests.test_auth import stored
from tests.test_cli import serving
from tests.test_native import IRIS, JSON, body

PAGE = "https://page.example"


@pytest.mark.parametrize(
    "path", ["/models", "/models/nothing", "/health/ready", "/metrics", "/openapi.json", "/nothing"]
)
def test_answers_are_neither_sniffed_nor_framed_nor_cached(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers[name] for name in ALWAYS} == ALWAYS
    assert headers["cache-control"] == "no-store"


def test_the_page_of_docs_may_do_just_what_it_does(client: TestClient) -> None:
    policy = client.get("/docs").headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "cache-control" not in client.get("/static/swagger-ui.css").headers


def test_no_other_page_may_read_an_answer_unless_it_is_named(client: TestClient) -> None:
    answer = client.post("/models/iris/predict", content=body(IRIS), headers={**JSON, "origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = {"origin": PAGE, "access-control-request-method": "POST"}
    assert client.options("/models/iris/predict", headers=asked).status_code == 405


@pytest.fixture(scope="module")
def open_to_a_page() -> Iterator[str]:
    options = {"SERVEFN_CORS_ORIGINS": f"https://other.example, {PAGE}"}
    with serving(SERVEFN_API_KEYS=stored(all='scopes = ["predict"]'), **options) as (_, address):
        yield f"{address}/models/iris/predict"


@pytest.mark.parametrize("rows", [1, 1500])
@pytest.mark.parametrize(("key", "status"), [("all-all", 200), ("wrong", 401)])
def test_a_page_that_is_named_may_call_with_its_key(open_to_a_page: str, rows: int, key: str, status: int) -> None:
    headers = {**JSON, "origin": PAGE, "x-api-key": key}
    answer = httpx.post(open_to_a_page, content=body(*[IRIS] * rows), headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, PAGE)
    assert "access-control-allow-credentials" not in answer.headers
    other = httpx.post(open_to_a_page, content=body(IRIS), headers={**headers, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_browser_may_ask_before_it_sends_the_key(open_to_a_page: str) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-api-key"}
    answer = httpx.options(open_to_a_page, headers={**asked, "origin": PAGE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    assert httpx.options(open_to_a_page, headers={**asked, "origin": "https://evil.example"}).status_code == 400
