from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from app.cli import main, serve
from app.settings import PREFIX, Settings
from tests.conftest import MODELS
from tests.test_native import IRIS
from tests.waiting import until

SERVEFN = Path(sys.executable).with_name("servefn")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A real server process, ready, and its address."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    process = subprocess.Popen(
        [SERVEFN, "serve", "--port", str(port), *options],
        env={**os.environ, "SERVEFN_MODELS": str(MODELS), "SERVEFN_GRACE_SECONDS": "0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: process.poll() is not None or ready(address), 60)
        yield process, address
    finally:
        process.terminate()  # not kill: a supervisor that is killed leaves its workers behind
        process.communicate(timeout=30)


def ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_serve_answers_and_stops_on_a_signal() -> None:
    with serving() as (process, address):
        answer = httpx.post(f"{address}/models/iris/predict", json={"instances": [IRIS]})
        assert answer.json()["predictions"][0]["label"] == "setosa"
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=20)
    assert stdout == ""
    assert "loaded and replayed: iris version 1" in stderr
    assert "Traceback" not in stderr


def test_several_workers_serve_and_count_together() -> None:
    def answered(address: str) -> bool:  # one worker may be ready before the other
        return httpx.post(f"{address}/models/iris/predict", json={"instances": [IRIS]}).status_code == 200

    said = 'servefn_requests_total{model="iris",outcome="answered",version="1"} 20.0'
    with serving("--workers", "2") as (_, address):
        for _ in range(20):
            until(lambda: answered(address))
        until(lambda: said in httpx.get(f"{address}/metrics").text)


def test_an_option_wins_over_its_variable() -> None:
    with serving("--max-rows", "2", SERVEFN_MAX_ROWS="1") as (_, address):
        url = f"{address}/models/iris/predict"
        answers = [httpx.post(url, json={"instances": [IRIS] * rows}).status_code for rows in (2, 3)]
    assert answers == [200, 413]


def test_the_help_shows_every_setting_its_variable_and_its_default() -> None:
    text = " ".join(CliRunner().invoke(serve, ["--help"]).output.split())
    for name, setting in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert f"[{PREFIX}{name.upper()}]" in text
        assert setting.description is not None
        assert " ".join(setting.description.split()) in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--port", "http"], "port: Input should be a valid integer"),
        (["serve", "--port", "70000"], "port: Input should be less than or equal to 65535"),
        (["serve", "--prot", "1"], "No such option"),
        (["serve", "--protocols", "v1"], "protocols: there is no protocol 'v1'."),
        (["sevre"], "No such command"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_says_why(arguments: list[str], said: str) -> None:
    result = subprocess.run([SERVEFN, *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_said_and_the_exit_is_not_zero() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [str(SERVEFN), "serve", "--models", str(MODELS), "--port", str(taken.getsockname()[1])]
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode != 0
    assert "address already in use" in result.stderr


def test_a_command_whose_extra_is_missing_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "export.__main__", None)
    result = CliRunner().invoke(main, ["export", "--help"])
    assert result.exit_code == 2
    assert "pip install 'servefn[export]'" in result.output


def test_every_command_is_an_entry_point() -> None:
    assert {entry.name for entry in entry_points(group="servefn.commands")} >= {"serve", "export"}


def test_one_process_needs_no_place_to_write(tmp_path: Path) -> None:
    with serving(TMPDIR=str(tmp_path)) as (_, address):
        assert httpx.get(f"{address}/health/live").status_code == 200
        assert list(tmp_path.iterdir()) == []
