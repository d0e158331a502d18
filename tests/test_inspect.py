"""`servefn inspect`: a bundle as a person reads it, and the same as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import bundle
from app.cli import main
from app.decision import Parameter, Policy, Rule
from app.inspect import added, text, trained
from app.signature import Datatype, Feature, Training
from app.uncertainty import Conformal, Method
from tests.conftest import MODELS


def inspect(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def test_a_page_has_the_contract_the_certificate_and_the_provenance() -> None:
    result = inspect(MODELS / "iris/1")
    assert (result.exit_code, result.stderr) == (0, "")
    read = bundle.read(MODELS / "iris/1")
    lines = result.stdout.splitlines()
    assert lines[0] == f"iris version 1, a classifier: {read.manifest.description}"
    assert "sepal_length  FP64  a number from 0.1 to 30  cm    4.3 to 7.9, median 5.8" in lines
    assert "probabilities  FP64   setosa, versicolor, virginica" in lines
    certificate = read.manifest.certificate
    assert f"{certificate.rows} rows compared: no label differs" in result.stdout
    shown = " ".join(result.stdout.split())
    for name, check in certificate.checks.items():
        assert f"{name} {check.rows} {check.worst:.2g}" in shown
    for word in (read.digest, *read.manifest.files.values(), "scikit-learn 1.9.1", "sklearn.datasets.load_iris"):
        assert word in result.stdout


def test_json_is_all_that_the_bundle_says() -> None:
    result = inspect("--json", MODELS)
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["name"], one["version"]) for one in documents] == [("flights", "1"), ("iris", "1")]
    written = json.loads((MODELS / "flights/1/model.json").read_bytes())
    assert documents[0].items() >= written.items()
    assert documents[0]["digest"] == bundle.read(MODELS / "flights/1").digest


@pytest.mark.parametrize("below", ["", "iris", "iris/1"])
def test_a_tree_a_model_and_a_bundle_are_found(models: Path, below: str) -> None:
    (models / "iris/.staged-x").mkdir()
    (models / "notes.txt").write_text("")
    found = bundle.find(models / below)
    assert found == ([models / "flights/1", models / "iris/1"] if not below else [models / "iris/1"])


def test_versions_are_in_the_order_of_their_numbers(models: Path) -> None:
    for version in ("10", "9"):
        (models / "iris/1").rename(models / f"iris/{version}") if version == "10" else (models / "iris/9").mkdir()
    assert [path.name for path in bundle.find(models / "iris")] == ["9", "10"]


def test_what_is_wrong_is_said_and_the_exit_says_which(models: Path) -> None:
    nowhere = inspect(models / "none")
    assert (nowhere.exit_code, nowhere.stdout) == (2, "")
    assert "there is no bundle at" in nowhere.stderr
    (models / "iris/1/model.onnx").write_bytes(b"")
    broken = inspect(models / "iris/1")
    assert (broken.exit_code, broken.stdout) == (1, "")
    assert "model.onnx is not the file that was exported" in broken.stderr


NUMBER = Feature(name="x", datatype=Datatype.FP64)
TEXT = Feature(name="x", datatype=Datatype.BYTES)


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (NUMBER, ""),
        (replace(NUMBER, training=Training(minimum=1.0, maximum=3.0)), "1 to 3"),
        (replace(NUMBER, training=Training(minimum=1.0, maximum=3.0, quantiles=(1.0, 2.5, 3.0))), "1 to 3, median 2.5"),
        (replace(TEXT, categories=("a", "b")), "a, b"),
        (replace(TEXT, categories=tuple("abcdefghij")), "a, b, c, d, e, f, g, h and 2 more"),
        (replace(TEXT, categories=("a",), unseen=False, training=Training(missing=0.25)), "25.0% missing"),
    ],
)
def test_what_was_trained_on_is_said_in_words(feature: Feature, words: str) -> None:
    assert trained(feature) == words


def test_a_decision_and_an_interval_are_said_in_words() -> None:
    signature = bundle.read(MODELS / "iris/1").signature
    policy = Policy(rule=Rule.REJECT, parameters={"reject_below": Parameter(value=0.7, minimum=0.5, maximum=0.9)})
    assert added(signature) == {}
    said = added(
        replace(signature, policy=policy, conformal=Conformal(method=Method.LAC, coverage=0.9, margin=0.2, rows=99))
    )
    assert list(said) == ["set", "decision"]
    assert "0.7 or more, else `abstain`" in said["decision"]


def test_a_terminal_is_not_written_to_by_a_name() -> None:
    read = bundle.read(MODELS / "iris/1")
    evil = replace(read, manifest=replace(read.manifest, description="\x1b[2J\x1b[31m\u202egone"))
    assert text(evil)[0].endswith("a classifier: �[2J�[31m�gone")


def test_no_training_library_is_imported() -> None:
    code = "import sys, app.inspect, app.verify; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=MODELS.parent)
    assert {"sklearn", "pandas", "onnx", "joblib", "export"}.isdisjoint(loaded.stdout.split())
