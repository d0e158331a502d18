"""What cannot be exported is said in one line; an export that is interrupted leaves nothing behind."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression

from export import ExportError, export_model
from export.__main__ import export
from tests.export_models import AMOUNT, NUMBERS
from tests.test_cli import SERVEFN
from tests.waiting import until


class Odd(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A fitted regressor that does whatever it is told when it is asked."""

    def __init__(self, does: Callable[[Any], Any]) -> None:
        self.does = does
        self.fitted_ = True

    def fit(self, X: Any, y: Any) -> Odd:  # noqa: ARG002, N803  # scikit-learn's signature
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return self.does(X)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Touchy:
    """Something that fails whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"hands off {name}")


class Network:
    """A model as other frameworks have them."""

    def __call__(self, rows: Any) -> Any:
        return rows

    forward = __call__


def fails(error: BaseException) -> Callable[[Any], Any]:
    def raising(_: Any) -> Any:
        raise error

    return raising


def endless(rows: Any) -> Any:
    return endless(rows)


STRANGE = {
    "a lambda": lambda rows: rows,
    "a table": {"a": 1},
    "an array": NUMBERS,
    "a text": "model",
    "nothing": None,
    "a class": LinearRegression,
    "a network": Network(),
    "a module": np,
    "touchy": Touchy(),
    "raises": Odd(fails(ValueError("first\nsecond"))),
    "raises what has no words": Odd(fails(Unspeakable())),
    "exits": Odd(fails(SystemExit(0))),
    "recurses": Odd(endless),
    "answers nothing": Odd(lambda _: None),
    "answers text": Odd(lambda rows: ["x"] * len(rows)),
    "answers too little": Odd(lambda rows: np.zeros(max(0, len(rows) - 1))),
    "answers at random": Odd(lambda rows: np.random.default_rng().random(len(rows))),
    "answers deep": Odd(lambda rows: np.zeros((len(rows), 2, 2))),
    "answers objects": Odd(lambda rows: np.array([object()] * len(rows))),
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_no_model_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError) as raised:
        export_model(STRANGE[case], NUMBERS, tmp_path, "m")
    assert "\n" not in str(raised.value)
    assert str(raised.value)
    assert not list(tmp_path.iterdir())


class Leaves:
    """Ends the process that unpickles it, as if all were well."""

    def __reduce__(self) -> Any:
        return sys.exit, (0,)


PICKLES: dict[str, bytes] = {
    "empty": b"",
    "truncated": pickle.dumps(LinearRegression().fit(NUMBERS, AMOUNT))[:-20],
    "garbage": bytes(range(256)) * 4,
    "of a class that is not there": pickle.dumps(LinearRegression()).replace(b"sklearn", b"skleern"),
    "that exits": pickle.dumps(Leaves()),
    "of nested lists": b"]" * 200_000 + b"a" * 199_999 + b".",
    "of nothing": pickle.dumps(None),
    "text": b"import this",
}


@pytest.mark.parametrize("case", PICKLES)
def test_a_pickle_that_is_no_model_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(PICKLES[case])
    np.savetxt(tmp_path / "rows.csv", NUMBERS, delimiter=",", header="a,b,c,d", comments="")
    options = [str(tmp_path / "model.pkl"), "--sample", str(tmp_path / "rows.csv"), "--name", "m"]
    result = CliRunner().invoke(export, [*options, "--models", str(tmp_path / "models")])
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert "Traceback" not in result.stderr
    assert len(result.stderr.partition("Error: ")[2].splitlines()) == 1
    assert not (tmp_path / "models").exists()


def prepared(folder: Path) -> list[str]:
    np.savetxt(folder / "rows.csv", NUMBERS, delimiter=",", header="a,b,c,d", comments="")
    joblib.dump(LinearRegression().fit(NUMBERS, AMOUNT), folder / "model.joblib")
    options = ["--sample", str(folder / "rows.csv"), "--models", str(folder / "models"), "--name", "m"]
    return [str(folder / "model.joblib"), *options]


def test_each_stage_is_a_line_with_the_seconds(tmp_path: Path) -> None:
    lines = CliRunner().invoke(export, prepared(tmp_path)).stderr.splitlines()
    stages = [re.fullmatch(r" *\d+\.\d s  (.+)", line) for line in lines[:-1]]
    assert [stage and stage[1] for stage in stages] == [
        "loading the model",
        "reading the sample",
        "writing the graph",
        "asking the model what it accepts",
        "comparing the answers",
        "publishing",
    ]


INTERRUPTED = """
import os, signal, sys
import export.exporter
from app.cli import main

load = export.exporter.load
def interrupted(directory):
    print(*(file.name for file in directory.iterdir()), file=sys.stderr)
    os.kill(os.getpid(), signal.SIGINT)
    return load(directory)
export.exporter.load = interrupted
main()
"""


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    """The signal comes when the bundle is written whole, and not yet published."""
    command = [sys.executable, "-c", INTERRUPTED, "export", *prepared(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (130, "")
    assert "model.onnx" in result.stderr
    assert result.stderr.splitlines()[-1] == "Error: interrupted; nothing was published"
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "models/m").exists()


def test_an_interrupt_while_it_starts_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.joblib")
    command = [str(SERVEFN), "export", str(tmp_path / "model.joblib"), "--sample", "rows.csv", "--name", "m"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stderr is not None
        until(lambda: "loading the model" in str(process.stderr and process.stderr.readline()))
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "Error: interrupted; nothing was published\n"
