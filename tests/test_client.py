"""The Python client, both ways: against real servers, and through a gateway that fails as networks and balancers do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from app import errors
from app.client import Answers, AsyncClient, Client
from app.client.batch import ARROW, JSON
from tests.gateway import Act, Gateway, cut, gateway, page, passed, problem, silent, torn
from tests.test_auth import stored
from tests.test_cli import free_port, serving
from tests.test_decision import flights, folder  # noqa: F401  # a fixture
from tests.test_native import IRIS

Connect = Callable[..., AbstractContextManager[Any]]

BAD = {**IRIS, "petal_width": None}
FLIGHTS = flights()
KEYED = [{"id": number, **(BAD if number in (1, 3, 4, 5) else IRIS)} for number in range(8)]
"""In parts of three, the second is bad as a whole."""


class Blocked:
    """An AsyncClient that is called as a Client is, so that one suite holds for both."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self.client, self.runner = client, runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *given, **named: self.runner.run(getattr(self.client, name)(*given, **named))


@contextmanager
def blocked(*given: Any, **named: Any) -> Iterator[Blocked]:
    with asyncio.Runner() as runner:
        client = AsyncClient(*given, **named)
        try:
            yield Blocked(client, runner)
        finally:
            runner.run(client.aclose())


@pytest.fixture(params=[Client, blocked], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Opens a client, of either kind."""
    made: Connect = request.param
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:  # noqa: F811
    with serving("--models", str(folder), "--max-rows", "50") as (_, address):
        yield address


@pytest.fixture
def client(connect: Connect, address: str) -> Iterator[Any]:
    with connect(address, max_rows=3) as client:
        yield client


def test_what_is_served_and_its_contract(client: Any) -> None:
    assert "iris" in [model["name"] for model in client.models()]
    assert [feature["name"] for feature in client.contract("iris", version="1")["features"]] == list(IRIS)


def test_every_form_of_the_same_rows_is_answered_alike(client: Any) -> None:
    rows = [{**IRIS, "sepal_length": 4.5 + number / 10} for number in range(7)]
    frame = pd.DataFrame(rows)
    answers = client.predict("iris", rows)
    assert [answer["label"] for answer in answers] == ["setosa"] * 7
    assert [(one.model, one.version, len(one.digest)) for one in answers.makers] == [("iris", "1", 64)]
    for data in (
        iter(rows),
        [{name: np.float64(value) for name, value in row.items()} for row in rows],
        frame,
        frame.set_index(pd.Index(list("gfedcba"))),
        {name: list(frame[name]) for name in frame},
        {name: frame[name].to_numpy() for name in frame},
        frame.to_numpy(),
        pa.Table.from_pandas(frame).to_pydict(),
    ):
        assert_close(client.predict("iris", data), answers)


def test_what_is_missing_is_missing_in_every_form(client: Any) -> None:
    """None, NaN and what pandas has for it are one; FLIGHTS have missing numbers, texts and integers."""
    frame = pd.DataFrame(FLIGHTS)
    answers = client.predict("late", FLIGHTS)
    assert frame.isna().any().any()
    for data in (frame, frame.convert_dtypes(), frame.to_dict("records")):
        assert_close(client.predict("late", data), answers)
    assert_close(client.predict("late", frame.convert_dtypes(), parameters={"threshold": 0.25}), answers)  # as JSON


def assert_close(found: Iterable[Any], expected: Iterable[Any]) -> None:
    """The same answers, but for the last bit of a number: it may be another one in another run."""
    for one, other in zip(found, expected, strict=True):
        assert one == {**other, "probabilities": pytest.approx(other["probabilities"], abs=1e-12)}


def test_infinity_is_no_missing_value(client: Any) -> None:
    for data in ([{**IRIS, "petal_width": np.inf}], pd.DataFrame([{**IRIS, "petal_width": np.inf}])):
        with pytest.raises(errors.InvalidRequest, match="infinite"):
            client.predict("iris", data)


def test_versions_and_aliases(client: Any) -> None:
    assert client.predict("iris", [IRIS], version="1") == client.predict("iris", [IRIS])
    with pytest.raises(errors.VersionNotFound, match="no version '2'"):
        client.predict("iris", [IRIS], version="2")
    with pytest.raises(errors.AliasNotFound):
        client.predict("iris", [IRIS], alias="challenger")
    with pytest.raises(ValueError, match="not both"):
        client.predict("iris", [IRIS], version="1", alias="champion")


@pytest.mark.parametrize("form", [list, pd.DataFrame], ids=["rows", "columns"])
def test_parameters_decide(client: Any, form: Callable[[Any], Any]) -> None:
    decided = {
        threshold: [
            row["decision"] for row in client.predict("late", form(FLIGHTS), parameters={"threshold": threshold})
        ]
        for threshold in (0.1, 0.9)
    }
    assert decided[0.1].count("late") > decided[0.9].count("late")
    keyed = form([{"id": str(number), **row} for number, row in enumerate(FLIGHTS)])
    answers = client.predict_keyed("late", keyed, key_field="id", parameters={"threshold": 0.1})
    assert [row["decision"] for row in answers.values()] == decided[0.1]
    for wrong in ({"threshold": 0.95}, {"treshold": 0.5}):
        with pytest.raises(errors.InvalidRequest):
            client.predict("late", form(FLIGHTS), parameters=wrong)


@pytest.mark.parametrize("form", [list, pd.DataFrame], ids=["rows", "columns"])
def test_keyed_batches_are_split_and_rejoined(client: Any, connect: Connect, address: str, form: Any) -> None:
    found = client.predict_keyed("iris", form(KEYED), key_field="id")
    assert list(found) == [0, 2, 6, 7]
    assert_close([found[7]], client.predict("iris", [IRIS]))
    assert list(found.errors) == [1, 3, 4, 5]
    assert [fault.row for faults in found.errors.values() for fault in faults] == [1, 3, 4, 5]
    assert found.errors[4][0].message.startswith("row 4: 'petal_width' must be a number")
    with connect(address) as whole:
        once = whole.predict_keyed("iris", form(KEYED), key_field="id")
    assert_close(once.values(), found.values())
    assert (list(once), once.errors, once.makers) == (list(found), found.errors, found.makers)


def test_the_contract_names_the_key(client: Any) -> None:
    rows = [{"key": key, **IRIS} for key in "dcba"]
    assert list(client.predict_keyed("iris", rows)) == list("dcba")


def test_rows_without_one_good_among_them(client: Any) -> None:
    found = client.predict_keyed("iris", [{"id": "a", **BAD}], key_field="id")
    assert (found, list(found.errors), found.makers) == ({}, ["a"], ())


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([*KEYED, KEYED[0]], "duplicate_key"),
        ([*KEYED, IRIS], "missing_key"),
        ([*KEYED, {"id": ["a"], **IRIS}], "invalid_key"),
        ([], "wrong_type"),
    ],
)
def test_keys_that_do_not_tell_rows_apart_are_refused(client: Any, rows: Any, code: str) -> None:
    with pytest.raises(errors.InvalidRequest) as raised:
        client.predict_keyed("iris", rows, key_field="id")
    assert code in [fault.code for fault in raised.value.faults]


def test_the_faults_count_rows_from_the_first(client: Any) -> None:
    with pytest.raises(errors.InvalidRequest) as raised:
        client.predict("iris", [IRIS] * 4 + [{**IRIS, "petal_witdh": 1}])
    (fault,) = raised.value.faults
    assert (fault.code, fault.row, fault.suggestion) == ("unknown_field", 4, "petal_width")
    assert fault.message.startswith("row 4: ")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({**{name: [1.0] for name in IRIS}, "sepal_length": [1.0, 2.0]}, "wrong_shape"),
        (np.ones((2, 3)), "wrong_shape"),
        ({**{name: [1.0, 1.0] for name in IRIS}, "sepal_length": [1.0, "a"]}, "wrong_type"),
        ({**{name: [1.0] for name in IRIS}, "sepal_length": [10**30]}, "out_of_range"),
        ([5], "wrong_type"),
    ],
)
def test_data_that_do_not_fit(client: Any, data: Any, code: str) -> None:
    with pytest.raises(errors.InvalidRequest) as raised:
        client.predict("iris", data)
    assert code in [fault.code for fault in raised.value.faults]


def test_one_row_is_no_mapping_of_columns(client: Any) -> None:
    with pytest.raises(TypeError, match="a list of mappings"):
        client.predict("iris", IRIS)


def test_a_batch_within_the_client_s_limit_and_over_the_server_s(connect: Connect, address: str) -> None:
    with connect(address) as client, pytest.raises(errors.TooLarge, match="the limit is 50"):
        client.predict("iris", [IRIS] * 51)


def test_columns_go_as_arrow_where_the_server_takes_it(connect: Connect, address: str) -> None:
    frame = pd.DataFrame([IRIS] * 4)
    with gateway(address, passed, problem(415, "unsupported_media_type")) as (url, requests), connect(url) as client:
        for _ in range(3):
            assert len(client.predict("iris", frame)) == 4
        client.predict("iris", [IRIS])
    assert [request.headers["content-type"] for request in requests] == [ARROW, ARROW, JSON, JSON, JSON]


def test_keys_and_tokens(connect: Connect) -> None:
    keys = stored(
        predicts='scopes = ["predict"]', limited='scopes = ["predict"], requests_per_second = 0.01, burst = 1'
    )
    with serving(SERVEFN_API_KEYS=keys) as (_, address):
        for known in ({"api_key": "predicts-predicts"}, {"token": "predicts-predicts"}):
            with connect(address, **known) as client:
                assert client.predict("iris", [IRIS])[0]["label"] == "setosa"
                with pytest.raises(errors.Forbidden, match="read"):
                    client.contract("iris")
        with connect(address) as client, pytest.raises(errors.Unauthorized):
            client.predict("iris", [IRIS])
        with connect(address, api_key="limited-limited", timeout=20) as client:
            client.predict("iris", [IRIS])
            with pytest.raises(errors.RateLimited) as raised:
                client.predict("iris", [IRIS])
            assert (raised.value.retry_seconds or 0) > 20  # later than there is time for: not waited for


@pytest.mark.parametrize(
    "acts",
    [
        [cut],
        [torn, cut],
        [page(502), page(503), page(504)],
        [page(429, "slow down")],
        [problem(503, "overloaded", "0"), problem(503, "not_ready", "0")],
        [problem(429, "rate_limited", "0")],
        [page(503, retry_after=format_datetime(datetime.now(UTC), usegmt=True))],
        [page(503, retry_after="soon"), page(503, retry_after="9" * 5000)],
    ],
)
def test_what_may_pass_is_tried_again(connect: Connect, address: str, acts: list[Act]) -> None:
    with gateway(address, *acts) as (url, requests), connect(url) as client:
        assert client.predict("iris", [IRIS])[0]["label"] == "setosa"
    assert len(requests) == len(acts) + 1
    assert len({request.body for request in requests}) == 1
    left = [int(request.headers["servefn-timeout-ms"]) for request in requests]
    assert left == sorted(left, reverse=True)
    assert 20_000 < left[0] <= 30_000


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (page(400), errors.UnexpectedAnswer),
        (page(404), errors.UnexpectedAnswer),
        (page(500), errors.UnexpectedAnswer),
        (page(302, location="/"), errors.UnexpectedAnswer),
        (page(200, "<html>Welcome</html>"), errors.UnexpectedAnswer),
        (page(200, '{"predictions": [1]}'), errors.UnexpectedAnswer),
        (page(400, '{"error": ["invalid_request"]}'), errors.UnexpectedAnswer),
        (problem(404, "not_found"), errors.UnexpectedAnswer),
        (problem(404, "model_not_found"), errors.ModelNotFound),
        (problem(400, "malformed_body"), errors.MalformedBody),
        (problem(413, "too_large"), errors.TooLarge),
        (problem(500, "prediction_failed"), errors.PredictionFailed),
        (problem(504, "deadline_exceeded"), errors.DeadlineExceeded),
        (page(503, retry_after="60"), errors.UnexpectedAnswer),
        (problem(503, "overloaded", "60"), errors.Overloaded),
        (silent, errors.DeadlineExceeded),
    ],
)
def test_what_will_not_pass_is_not(connect: Connect, address: str, act: Act, error: type[Exception]) -> None:
    seconds = 0.5 if act is silent else 20.0
    with gateway(address, act) as (url, requests), connect(url) as client, pytest.raises(error):
        client.predict("iris", [IRIS], timeout=seconds)
    assert len(requests) == 1


def test_the_server_s_pause_is_kept(connect: Connect, address: str) -> None:
    """The one test here that has to wait."""
    with gateway(address, problem(503, "overloaded", "1")) as (url, requests), connect(url) as client:
        client.predict("iris", [IRIS])
    assert requests[1].time - requests[0].time >= 1


def test_a_date_says_when_too(connect: Connect, address: str) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    with (
        gateway(address, page(503, retry_after=later)) as (url, _),
        connect(url) as client,
        pytest.raises(errors.UnexpectedAnswer, match="answered 503: '<html>Bad Gateway</html>'") as raised,
    ):
        client.models()
    assert (raised.value.status, 50 < (raised.value.retry_seconds or 0) <= 60) == (503, True)


def test_attempts_are_bounded(connect: Connect, address: str) -> None:
    with gateway(address, cut, cut, cut) as (url, requests), connect(url, attempts=2) as client:
        with pytest.raises(errors.Unreachable):
            client.predict("iris", [IRIS])
        assert len(requests) == 2
    with connect(f"http://127.0.0.1:{free_port()}", attempts=2) as client, pytest.raises(errors.Unreachable):
        client.models()


def test_the_deadline_reaches_the_server(connect: Connect, address: str) -> None:
    with connect(address) as client, pytest.raises(errors.DeadlineExceeded):
        client.predict("iris", [IRIS], timeout=0.0)


def test_async_sends_the_parts_of_a_batch_at_once(address: str) -> None:
    meeting = threading.Barrier(2, timeout=20)

    def met(one: Gateway, body: bytes) -> None:
        meeting.wait()
        passed(one, body)

    with gateway(address, met, met) as (url, requests), blocked(url, max_rows=4) as client:
        assert list(client.predict_keyed("iris", KEYED, key_field="id")) == [0, 2, 6, 7]
    assert len(requests) == 2


def test_a_part_that_fails_ends_the_others(address: str) -> None:
    with gateway(address, page(400), silent, silent) as (url, _), blocked(url, max_rows=3) as client:
        with pytest.raises(errors.UnexpectedAnswer):
            client.predict("iris", [IRIS] * 8)
        assert len(client.predict("iris", [IRIS])) == 1  # its connections are free again


def test_types_are_those_of_each_way(address: str) -> None:
    with Client(address) as client:
        assert_type(client.predict("iris", [IRIS]), Answers)

    async def answered() -> Answers:
        async with AsyncClient(address) as client:
            return await client.predict("iris", [IRIS])

    assert asyncio.run(answered())[0]["label"] == "setosa"
    assert "decision" in (Client.predict.__doc__ or "")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout


def test_it_imports_no_web_framework() -> None:
    code = (
        "import sys, app.client; print([name for name in ('fastapi', 'starlette', 'pyarrow') if name in sys.modules])"
    )
    assert run(code) == "[]\n"


def test_without_the_extra_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["httpx"] = None
from app.client import Client
try:
    Client("http://127.0.0.1")
except ImportError as error:
    print(error)
"""
    assert "pip install 'servefn[client]'" in run(code)
