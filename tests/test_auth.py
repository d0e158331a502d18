"""Who may call, by real requests: whatever way a request takes through the server, its key is looked at."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import socket
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.callers import Scope
from app.errors import RateLimited
from app.gate import LONGEST, gate
from app.main import create_app
from app.protocols.access import Access
from app.protocols.native import Predictions
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_cli import SERVEFN, serving
from tests.test_direct import converse
from tests.test_native import IRIS, JSON, body
from tests.test_server import POST, length, talk
from tests.waiting import until

ROWS = 1500
CSV = "\n".join([",".join(IRIS), ",".join(map(str, IRIS.values()))]).encode()


def stored(**said: str) -> str:
    """Each caller's key is its own name twice, as `ci-ci`."""
    lines = [
        f'{name} = {{sha256 = "{sha256(f"{name}-{name}".encode()).hexdigest()}", {rest}}}'
        for name, rest in said.items()
    ]
    return "\n".join(lines)


KEYS = stored(
    all='scopes = ["predict", "read", "admin"]',
    predicts='scopes = ["predict"]',
    reads='scopes = ["read"]',
    iris='scopes = ["predict", "read", "admin"], models = ["ir*"]',
    flights='scopes = ["predict", "read"], models = ["flights"]',
    expired='scopes = ["predict", "read"], expires = 2020-01-01T00:00:00Z',
)


class Running(NamedTuple):
    address: str
    file: Path
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    file = tmp_path_factory.mktemp("auth") / "keys.toml"
    file.write_text(KEYS)
    limited = stored(limited='scopes = ["predict", "read"], requests_per_second = 0.01, burst = 3')
    options = {"SERVEFN_API_KEYS_FILE": str(file), "SERVEFN_API_KEYS": limited}
    with serving(SERVEFN_PUBLIC_METRICS="false", **options) as (process, address):
        yield Running(address, file, process)


WAYS = {
    "direct": ("iris/predict", body(IRIS), JSON),
    "application": ("iris/predict?x=1", body(IRIS), JSON),
    "version": ("iris/versions/1/predict", body(IRIS), JSON),
    "keyed": ("iris/predict/keyed", body({"key": "a", **IRIS}), JSON),
    "encoded": ("ir%69s/predict", body(IRIS), JSON),
    "csv": ("iris/predict", CSV, {"content-type": "text/csv"}),
    "lines": ("iris/predict", json.dumps(IRIS).encode(), {"content-type": "application/x-ndjson"}),
    "large": ("iris/predict", body(*[IRIS] * ROWS), JSON),
}


def ask(server: Running, way: str, *credentials: tuple[str, str]) -> httpx.Response:
    path, content, headers = WAYS[way]
    given = [*headers.items(), *credentials]
    return httpx.post(f"{server.address}/models/{path}", content=content, headers=given)


def bearer(key: str) -> tuple[str, str]:
    return "authorization", f"Bearer {key}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("credentials", "status", "error"),
    [
        ([], 401, "unauthorized"),
        ([bearer("wrong")], 401, "unauthorized"),
        ([bearer("expired-expired")], 401, "unauthorized"),
        ([("authorization", "Basic YWxsOmFsbA==")], 401, "unauthorized"),
        ([("x-api-key", sha256(b"all-all").hexdigest())], 401, "unauthorized"),
        ([bearer("reads-reads")], 403, "forbidden"),
        ([bearer("flights-flights")], 403, "forbidden"),
        ([bearer("predicts-predicts")], 200, None),
        ([("x-api-key", "iris-iris")], 200, None),
    ],
)
def test_every_way_through_the_server_asks_for_a_key(
    server: Running, way: str, credentials: list[tuple[str, str]], status: int, error: str | None
) -> None:
    answer = ask(server, way, *credentials)
    assert answer.status_code == status, answer.text
    if error:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["error"], answer.headers.get("www-authenticate")) == (
            error,
            'Bearer realm="servefn"' if status == 401 else None,
        )


def test_who_has_no_key_does_not_learn_whether_there_is_one(server: Running) -> None:
    wrong, expired = (ask(server, "direct", bearer(key)) for key in ("wrong", "expired-expired"))
    assert wrong.content == expired.content


@pytest.mark.parametrize(
    ("method", "path", "needs"),
    [
        ("GET", "/models", {"all", "reads"}),
        ("GET", "/models/iris", {"all", "reads", "iris"}),
        ("GET", "/models/flights/versions/1", {"all", "reads", "flights"}),
        ("GET", "/models/nothing", {"all", "reads"}),
        ("POST", "/models/nothing/predict", {"all", "predicts"}),
        ("POST", "/admin/reload", {"all"}),
        ("DELETE", "/admin/models/iris/aliases/none", {"all", "iris"}),
        ("GET", "/metrics", {"all", "reads"}),
        ("GET", "/nothing", {"all", "reads"}),
        ("GET", "/health/live", {"all", "reads", "iris", "flights", "predicts", "expired", ""}),
        ("GET", "/docs", {"all", "reads", "iris", "flights", "predicts", "expired", ""}),
        ("GET", "/openapi.json", {"all", "reads", "iris", "flights", "predicts", "expired", ""}),
    ],
)
def test_who_may_do_what(server: Running, method: str, path: str, needs: set[str]) -> None:
    let_in = set()
    for name in ("all", "reads", "iris", "flights", "predicts", "expired", ""):
        headers = dict([bearer(f"{name}-{name}")]) if name else {}
        answer = httpx.request(method, f"{server.address}{path}", headers=headers)
        if answer.status_code in (401, 403):
            assert answer.json()["error"] in ("unauthorized", "forbidden")
        else:
            let_in.add(name)
    assert let_in == needs


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "headers",
    [
        b"x-api-key: " + b"k" * 10_000 + b"\r\n",
        b"x-api-key: \r\n",
        b"x-api-key: \xff\xfe\x80\r\n",
        b"authorization: Bearer \xc3\xa9\r\n",
        b"authorization: Bearer\r\n",
        b"authorization:\r\n",
        b"authorization: Bearer all-all, Bearer all-all\r\n",
        b"authorization: Bearer all-all\r\nauthorization: Bearer all-all\r\n",
        b"authorization: Bearer wrong\r\nauthorization: Bearer all-all\r\n",
        b"authorization: Bearer all-all\r\nx-api-key: all-all\r\n",
        b"x-api-key: all-all\r\nx-api-key: wrong\r\n",
        b"authorization: all-all\r\n",
        b"authorization: Bearer " + b"e30." * 3 + b"\r\n",
        b"authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n",
    ],
)
def test_hostile_headers_are_no_key(server: Running, headers: bytes, large: bool) -> None:
    content = body(*[IRIS] * (ROWS if large else 1))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(POST + headers + length(content) + content)
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert httpx.get(f"{server.address}/health/live").status_code == 200


@pytest.mark.parametrize(
    "headers", [b"Authorization: bEARER  all-all\r\n", b"X-API-KEY: all-all\r\nauthorization: Basic cHJveHk6eA==\r\n"]
)
def test_what_others_send_is_understood(server: Running, headers: bytes) -> None:
    answer = talk(server.port, POST + headers + b"connection: close\r\n" + length(body(IRIS)) + body(IRIS))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_each_request_of_a_connection_shows_its_own_key(server: Running) -> None:
    good = POST + b"x-api-key: all-all\r\n" + length(body(IRIS)) + body(IRIS)
    none = POST + length(body(IRIS)) + body(IRIS)
    last = POST + b"connection: close\r\n" + length(body(IRIS)) + body(IRIS)
    answers = talk(server.port, good + none + good + last)
    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"401", b"200", b"401"]


def test_a_caller_has_its_own_limit_and_a_bad_request_counts_once(server: Running) -> None:
    bad = {"headers": dict([bearer("limited-limited")]), "content": b"{"}
    url = f"{server.address}/models/iris/predict"
    assert httpx.post(url, **bad).status_code == 400  # type: ignore[arg-type]  # as httpx takes them
    assert [ask(server, way, bearer("limited-limited")).status_code for way in ("direct", "csv")] == [200, 200]
    for way in WAYS:
        answer = ask(server, way, bearer("limited-limited"))
        assert (answer.status_code, answer.json()["error"]) == (429, "rate_limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 100
    assert ask(server, "direct", bearer("all-all")).status_code == 200


def test_keys_are_rotated_without_a_restart_and_a_broken_file_changes_nothing(server: Running) -> None:
    def known(name: str) -> bool:
        return ask(server, "direct", bearer(f"{name}-{name}")).status_code == 200

    server.file.write_text(KEYS + "\n" + stored(new='scopes = ["predict"]'))
    until(lambda: known("new"))
    server.file.write_text("nonsense")
    until(lambda: log_has(server, "the keys are those from before"))
    assert known("new")
    server.file.write_text(KEYS)
    until(lambda: not known("new"))
    assert known("all")
    assert known("iris")


def log_has(server: Running, said: str) -> bool:
    assert server.process.stderr is not None
    pipe = server.process.stderr.fileno()
    text = os.read(pipe, 65536).decode() if select.select([pipe], [], [], 0)[0] else ""
    assert "all-all" not in text
    return said in text


def test_refusals_are_counted(server: Running) -> None:
    ask(server, "direct")
    text = httpx.get(f"{server.address}/metrics", headers=dict([bearer("reads-reads")])).text
    assert 'servefn_requests_total{model="",outcome="unauthorized",version=""}' in text


def test_the_commands_send_the_key(server: Running) -> None:
    command = [str(SERVEFN), "reload", "--url", server.address]
    for key, code in (("all-all", 0), ("reads-reads", 1)):
        environment = {**os.environ, "SERVEFN_API_KEY": key}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code
        assert ("scope 'admin'" in done.stderr) == bool(code)


OPEN = ("/", "/ping", "/version", "/execution-parameters")
"""What the platforms of other protocols ask without a key, beside health."""


def test_the_document_says_what_each_operation_needs(server: Running) -> None:
    document = httpx.get(f"{server.address}/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
    for path, item in document["paths"].items():
        for operation in item.values():
            closed = not path.startswith(("/health", "/v2/health")) and path not in OPEN
            assert ("security" in operation) == closed, path
            assert ({"401", "403", "429"} <= set(operation["responses"])) == closed, path


def test_a_key_for_some_models_learns_of_no_others(models: Path) -> None:
    shutil.copytree(models / "iris", models / "irises")
    keys = stored(some='scopes = ["predict", "read"], models = ["ir*", "fligths"]', all='scopes = ["read", "predict"]')
    with TestClient(create_app(Settings(models=models, api_keys=keys))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        for name in ("fligths", "ir-zzzzzzzz"):
            for who, told in (("some", False), ("all", True)):
                headers = {"x-api-key": f"{who}-{who}"}
                for answer in (
                    client.get(f"/models/{name}", headers=headers),
                    client.post(f"/models/{name}/predict", content=body(IRIS), headers=headers),
                ):
                    assert (answer.status_code, answer.json()["error"]) == (404, "model_not_found")
                    assert ("flights" in answer.json()["detail"]) is told
        said = client.get("/models/ir-zzzzzzzz", headers={"x-api-key": "some-some"}).json()["detail"]
        assert said.endswith("There is: iris, irises.")
        assert client.get("/models/irises", headers={"x-api-key": "some-some"}).status_code == 200


def test_docs_can_be_closed() -> None:
    app = create_app(Settings(models=MODELS, api_keys=KEYS, public_docs=False))
    assert isinstance(app, Access)
    assert [app.need("GET", path) is None for path in ("/docs", "/openapi.json", "/static/x", "/metrics")] == [
        *[False] * 3,
        True,
    ]


def test_the_log_names_the_caller_and_never_the_key() -> None:
    with serving(SERVEFN_API_KEYS=KEYS, SERVEFN_ACCESS_LOG="true") as (process, address):
        for key, status in (("all-all", 200), ("wrong-key", 401)):
            headers = {**JSON, "x-api-key": key}
            answer = httpx.post(f"{address}/models/iris/predict", content=body(IRIS), headers=headers)
            assert answer.status_code == status
        process.terminate()
        said = process.communicate(timeout=30)[1]
    assert "status=200" in said
    assert said.count("caller=all\n") == 1
    assert "error=unauthorized" in said
    assert "all-all" not in said
    assert "wrong-key" not in said


def test_each_caller_has_a_bucket_and_the_settings_one_for_who_has_no_limit() -> None:
    found = gate(Settings(api_keys=KEYS, caller_requests_per_second=0.001))
    assert found is not None
    for name in ("all", "iris"):
        headers = [(b"x-api-key", f"{name}-{name}".encode())]
        assert found.admit(headers, Scope.PREDICT, "iris").name == name
        with pytest.raises(RateLimited) as raised:
            found.admit(headers, Scope.PREDICT, "iris")
        assert 999 <= (raised.value.retry_seconds or 0) <= 1000


def test_buckets_are_forgotten_rather_than_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.gate.MOST_BUCKETS", 2)
    found = gate(Settings(api_keys=KEYS, caller_requests_per_second=1))
    assert found is not None
    for name in ("all", "iris", "predicts"):
        found.admit([(b"x-api-key", f"{name}-{name}".encode())], Scope.PREDICT, "iris")
    assert len(found._buckets) == 2


@pytest.mark.parametrize("options", [{}, {"SERVEFN_ACCESS_LOG": "true"}])
def test_beyond_loopback_and_without_keys_it_warns_and_refuses_admin(options: dict[str, str]) -> None:
    with serving("--host", "0.0.0.0", **options) as (process, address):  # noqa: S104  # that is what is tried
        answer = httpx.post(f"{address}/admin/reload")
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
        assert "SERVEFN_API_KEYS_FILE" in answer.json()["detail"]
        assert httpx.post(f"{address}/models/iris/predict", content=body(IRIS), headers=JSON).status_code == 200
        process.terminate()
        said = process.communicate(timeout=30)[1]
    assert "WARNING servefn: ANYBODY WHO REACHES 0.0.0.0 MAY PREDICT" in said


@pytest.mark.parametrize("loopback", [True, False])
def test_loopback(loopback: bool) -> None:
    hosts = ["127.0.0.1", "127.9.9.9", "::1", "localhost"] if loopback else ["0.0.0.0", "::", "", "host"]  # noqa: S104
    assert [Settings(host=host).loopback for host in hosts] == [loopback] * 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"SERVEFN_API_KEYS_FILE": "/nowhere/keys.toml"}, "/nowhere/keys.toml cannot be read"),
        ({"SERVEFN_API_KEYS": "a = 1", "SERVEFN_WORKERS": "2"}, "Expected `object`"),
        ({"SERVEFN_JWKS": "keys.json"}, "jwks needs jwt_issuer"),
        ({"SERVEFN_TLS_CERT": str(MODELS / "iris/1/model.json")}, "certificate or its key cannot be used"),
        ({"SERVEFN_TLS_KEY": str(MODELS / "iris/1/model.json")}, "tls_key needs tls_cert"),
    ],
)
def test_a_server_that_cannot_know_its_callers_does_not_start(options: dict[str, str], said: str) -> None:
    environment = {**os.environ, "SERVEFN_MODELS": str(MODELS), **options}
    done = subprocess.run([SERVEFN, "serve"], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


NAMES = ["models", "iris", "IRIS", "ir%69s", "flights", "versions", "1", "aliases", "champion", "predict", "keyed"]
OTHERS = ["", "..", ".", "%2e%2e", "%2F", "iris%2Fpredict", "health", "live", "docs", "metrics", "static", "admin"]
PATHS = st.one_of(
    st.sampled_from(["models/iris/predict", "models/iris/predict/keyed", "models/iris/versions/1/predict"]),
    st.lists(st.sampled_from(NAMES + OTHERS), max_size=7).map("/".join),
)
CREDENTIALS = st.one_of(
    st.just(b""),
    st.binary(max_size=40).map(lambda value: b"x-api-key: " + value.translate(None, b"\r\n\0") + b"\r\n"),
    st.sampled_from([LONGEST, LONGEST + 1]).map(lambda size: b"authorization: bearer " + b"x" * size + b"\r\n"),
)


@pytest.fixture(scope="module")
def app() -> Any:
    app = create_app(Settings(models=MODELS, api_keys=KEYS, public_docs=False, public_metrics=False))
    assert isinstance(app, Access)
    assert isinstance(app.app, Predictions)
    app.app._repository.load()
    return app


@given(
    path=PATHS,
    query=st.sampled_from(["", "?key_field=key", "?x"]),
    kind=st.sampled_from(list(WAYS)),
    keys=CREDENTIALS,
    method=st.sampled_from(["POST", "GET", "PUT", "HEAD"]),
)
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_without_a_key_nothing_but_health_is_ever_answered(
    app: Any, path: str, query: str, kind: str, keys: bytes, method: str
) -> None:
    _, content, headers = WAYS[kind]
    sent = f"{method} /{path}{query} HTTP/1.1\r\nhost: x\r\ncontent-type: {headers['content-type']}\r\n".encode()
    (first, *_) = asyncio.run(converse(app, sent + keys + length(content) + content)).written
    refused = first.startswith((b"HTTP/1.1 401", b"HTTP/1.1 400 Bad Request"))
    assert refused or not path or path.startswith("health"), (path, first)  # KServe asks / whether it is alive
    assert b'"predictions"' not in first


def test_the_same_requests_are_answered_with_a_key(app: Any) -> None:
    """Or the test before this one would prove nothing."""
    for path, content, headers in WAYS.values():
        head = f"POST /models/{path} HTTP/1.1\r\nhost: x\r\ncontent-type: {headers['content-type']}\r\n".encode()
        written = asyncio.run(converse(app, head + b"x-api-key: all-all\r\n" + length(content) + content)).written
        assert b"".join(written).startswith(b"HTTP/1.1 200"), path
