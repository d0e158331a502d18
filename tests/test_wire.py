"""A protocol is a file: what it gets from the others without editing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app import load, protocols, traffic
from app.errors import Fault, InvalidRequest, NotReady
from app.main import create_app
from app.protocols.access import Access
from app.protocols.wire import UnknownProtocol, chosen, told
from app.settings import Settings
from app.traffic import Split
from tests.conftest import MODELS
from tests.test_auth import KEYS
from tests.waiting import until

TOY = '''
"""Rows of numbers parted by spaces, a line each, answered by a word each."""

from dataclasses import replace

from starlette.routing import Route

from app.callers import Scope
from app.columns import Terms, table
from app.errors import MalformedBody
from app.protocols.calls import Call, asked, rows, target
from app.protocols.tables import Reply
from app.protocols.wire import Host, Need, WireProtocol

NEEDED = {"POST": Scope.PREDICT, "PUT": Scope.ADMIN}


def protocol(host: Host) -> WireProtocol:
    def decode(model, content, headers):
        try:
            values = zip(*([float(word) for word in line.split()] for line in content.splitlines()))
            given = table(dict(zip((feature.name for feature in model.signature.features), values)))
        except ValueError:
            raise MalformedBody("Words are no numbers.") from None
        terms = Terms(max_bytes=0, max_rows=host.service.max_rows, keyed=False, key_field="")
        return asked(model.codec, given, terms), None

    def encode(answer, _):
        return Reply(" ".join(answer.outputs["label"]).encode(), [(b"content-type", b"text/plain")], rows(answer))

    found = WireProtocol(
        claims=lambda method, parts: parts[0] == "toy",
        need=lambda method, parts: Need(NEEDED.get(method, Scope.READ), parts[1]) if len(parts) > 1 else None,
        error=lambda status, code, text: {"toy": f"{int(status)} {code}: {text}"},
    )
    call = Call(host.service, found.refusal, lambda path, _: target(host.service, path["name"]), decode, encode)
    return replace(found, routes=[Route("/toy/{name}", call, methods=["POST"])])
'''
ROW = b"5.1 3.5 1.4 0.2"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings where there is such a protocol."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(protocols, "__path__", [*protocols.__path__, str(tmp_path)])
    return Settings(models=MODELS)


@pytest.fixture
def client(toy: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(toy)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def test_a_file_is_enough(client: TestClient) -> None:
    answer = client.post("/toy/iris", content=ROW)
    assert (answer.status_code, answer.text) == (200, "setosa")
    assert 'servefn_rows_total{model="iris",version="1"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "said"),
    [
        ("POST", "toy/irsi", ROW, 404, "model_not_found: There is no model 'irsi'. Did you mean 'iris'?"),
        ("POST", "toy/iris", b"five", 400, "malformed_body: Words are no numbers."),
        ("POST", "toy/iris", b"-1 3.5 -1 0.2", 400, "invalid_request: 2 faults:"),
        ("POST", "toy/iris", b" " * (16 * 2**20 + 1), 413, "too_large"),
        ("GET", "toy/iris", b"", 405, "method_not_allowed: GET is not for '/toy/iris'; use POST."),
        ("GET", "toy", b"", 404, "not_found: There is nothing at '/toy'"),
    ],
)
def test_whatever_fails_is_said_as_the_protocol_says_it(
    client: TestClient, method: str, path: str, content: bytes, status: int, said: str
) -> None:
    answer = client.request(method, f"/{path}", content=content)
    assert answer.status_code == status
    assert answer.json()["toy"].startswith(f"{status} {said}")


def test_all_faults_are_in_the_text(client: TestClient) -> None:
    text = client.post("/toy/iris", content=b"-1 3.5 -1 0.2").json()["toy"]
    assert "sepal_length" in text
    assert "petal_length" in text


@pytest.mark.parametrize("rows", [2, 40])
def test_few_rows_and_many_are_answered_in_order(client: TestClient, rows: int) -> None:
    lines = [b"5.1 3.5 1.4 0.2", b"6.3 3.3 6.0 2.5"] * (rows // 2)
    answer = client.post("/toy/iris", content=b"\n".join(lines))
    assert answer.text.split() == ["setosa", "virginica"] * (rows // 2)
    late = client.post("/toy/iris", content=b"\n".join(lines), headers={"servefn-timeout-ms": "0"})
    assert (late.status_code, late.json()["toy"][:21]) == (504, "504 deadline_exceeded")


@pytest.mark.parametrize("rows", [1, 40])
def test_a_split_goes_by_the_key_of_the_request(toy: Settings, rivals: Path, rows: int) -> None:
    (rivals / "iris" / traffic.FILE).write_text('{"split": {"challenger": 0.5}}')
    with TestClient(create_app(toy.model_copy(update={"models": rivals}))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        for number in range(20):
            content = b"\n".join([ROW] * rows)
            assert client.post("/toy/iris", content=content, headers={"servefn-key": str(number)}).status_code == 200
        divided = Split(load(rivals / "iris" / "1"), load(rivals / "iris" / "2"), "challenger", 0.5)
        versions = Counter(divided.version(str(number).encode()).version for number in range(20))
        assert len(versions) == 2
        text = client.get("/metrics").text
        for version, requests in versions.items():
            assert f'servefn_rows_total{{model="iris",version="{version}"}} {requests * rows}.0' in text


def test_callers_are_known_here_too(toy: Settings) -> None:
    app = create_app(toy.model_copy(update={"api_keys": KEYS}))
    assert isinstance(app, Access)
    with TestClient(app) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        answer = client.post("/toy/iris", content=ROW)
        assert (answer.status_code, answer.json()["toy"][:16]) == (401, "401 unauthorized")
        assert "www-authenticate" in answer.headers
        assert client.post("/toy/flights", content=ROW, headers={"x-api-key": "iris-iris"}).status_code == 403
        assert client.post("/toy/iris", content=ROW, headers={"x-api-key": "iris-iris"}).text == "setosa"


@pytest.mark.parametrize(("host", "status"), [("0.0.0.0", 403), ("127.0.0.1", 405)])  # noqa: S104
def test_where_anybody_may_call_nobody_is_admin(toy: Settings, host: str, status: int) -> None:
    with TestClient(create_app(toy.model_copy(update={"host": host}))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        answer = client.put("/toy/iris")
        assert (answer.status_code, answer.json()["toy"][:3]) == (status, str(status))
        assert client.post("/toy/iris", content=ROW).status_code == 200


@pytest.mark.usefixtures("toy")
def test_a_setting_says_which_are_on() -> None:
    assert "toy" in chosen("all")
    assert list(chosen(" toy ,")) == ["toy"]
    assert chosen("") == {}
    with pytest.raises(UnknownProtocol, match=r"no protocol 'tyo'. Did you mean 'toy'"):
        chosen("tyo")
    with TestClient(create_app(Settings(models=MODELS, protocols=""))) as client:
        assert client.post("/toy/iris", content=ROW).json()["error"] == "not_found"


def test_a_text_has_no_more_faults_than_can_be_read() -> None:
    faults = [Fault(code="x", message=f"Fault {number}.") for number in range(30)]
    text = told(InvalidRequest(faults, 50))
    assert text.startswith("50 faults: Fault 0.")
    assert text.endswith("Fault 19. And 30 more.")
    assert told(InvalidRequest(faults[:1])) == "Fault 0."
    assert told(NotReady("Wait.")) == "Wait."
