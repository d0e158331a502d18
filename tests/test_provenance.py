"""What a bundle was made from; and the same model gives the same bytes, in any process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app import load
from export import ExportError, export_model
from tests.conftest import MODELS
from tests.export_models import AMOUNT, NUMBERS

MODEL = make_pipeline(StandardScaler(), Ridge()).fit(NUMBERS, AMOUNT)

EXPORT_MIXED = """
import sys
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from export import export_model
from tests.export_models import MIXED, TWO
frame = MIXED[["colour", "shop", "count", "weight"]].fillna({"colour": "none"})
columns = make_column_transformer((OneHotEncoder(), ["shop", "colour"]), remainder="passthrough")
model = make_pipeline(columns, RandomForestClassifier(5, random_state=0)).fit(frame, TWO)
export_model(model, frame, sys.argv[1], "m")
"""


def known(folder: Path, model: Any = MODEL, **options: Any) -> dict[str, Any]:
    return dict(load(export_model(model, NUMBERS, folder, "m", **options).path).manifest.provenance)


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    files: list[dict[str, bytes]] = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        environment.pop("SOURCE_DATE_EPOCH", None)
        command = [sys.executable, "-c", EXPORT_MIXED, str(tmp_path / seed)]
        subprocess.run(command, env=environment, cwd=MODELS.parent, check=True, capture_output=True, timeout=100)
        files.append({file.name: file.read_bytes() for file in (tmp_path / seed / "m/1").iterdir()})
    assert files[0].keys() == {"model.json", "model.onnx", "replay.json"}
    contracts = [json.loads(side.pop("model.json")) for side in files]
    assert files[0] == files[1]
    for contract in contracts:
        del contract["provenance"]["time"]
    assert contracts[0] == contracts[1]


def test_the_time_is_now_or_what_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert known(tmp_path)["time"] > "2026-01-01T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert known(tmp_path)["time"] == "2001-09-09T01:46:40Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ExportError, match="SOURCE_DATE_EPOCH is no whole number"):
        known(tmp_path)


def test_libraries_are_those_of_the_steps(tmp_path: Path) -> None:
    always = {"python", "numpy", "onnx", "onnxruntime", "servefn", "skl2onnx"}
    assert set(known(tmp_path)["libraries"]) == {*always, "scikit-learn"}


def test_the_revision_is_the_commit_and_says_if_files_were_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "code").mkdir()
    monkeypatch.chdir(tmp_path / "code")
    assert "revision" not in known(tmp_path)
    (tmp_path / "code/train.py").write_text("")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert known(tmp_path)["revision"] == head
    Path("train.py").write_text("changed")
    assert known(tmp_path)["revision"] == f"{head}-dirty"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "revision" not in known(tmp_path)


def test_what_the_caller_says_stands_beside_what_is_found_out(tmp_path: Path) -> None:
    split = {"training": "2013-01/2013-06", "held out": "2013-07/2013-12"}
    found = known(tmp_path, provenance={"split": split, "seed": 7})
    assert (found["split"], found["seed"]) == (split, 7)
    assert found["sample"]["rows"] == len(NUMBERS)
    assert found["steps"] == ["StandardScaler", "Ridge"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"time": "then"}, "'time' is written by the exporter"),
        ({"revision": "x"}, "'revision' is written by the exporter"),
        ({"model": MODEL}, "cannot be written as JSON"),
    ],
)
def test_what_cannot_be_said_is_refused(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        known(tmp_path, provenance=given)
    assert not list(tmp_path.iterdir())
