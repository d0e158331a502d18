"""`servefn verify`: what was published is what was exported, and still answers as the trained model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from app import bundle
from app.cli import main
from export import export_model
from export.examples import iris
from tests.conftest import MODELS
from tests.export_models import NUMBERS, THREE


def verify(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


def test_the_committed_bundles_hold() -> None:
    result = verify(MODELS)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[::3]] == [str(MODELS / "flights/1"), str(MODELS / "iris/1")]
    assert result.stdout.count("2 files are those that were exported") == 2
    assert result.stdout.count("replay rows are answered as by the trained model") == 2


def graph_of_another(models: Path) -> None:
    """A graph of the same shape with other weights, its digest made to fit."""
    rows, species = iris.data()
    other = LogisticRegression(C=1e-3, max_iter=1000).fit(rows, species)
    path = export_model(other, rows, models, "other").path
    edit(models, "model.onnx", (path / "model.onnx").read_bytes())


def edit(models: Path, name: str, content: bytes) -> None:
    document = json.loads((models / "iris/1/model.json").read_bytes())
    document["files"][name] = bundle.sha256(content)
    (models / "iris/1/model.json").write_text(json.dumps(document))
    (models / "iris/1" / name).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda models: (models / "iris/1/model.json").unlink(), "cannot read model.json"),
        (lambda models: (models / "iris/1/replay.json").write_text("{}"), "replay.json is not the file"),
        (lambda models: edit(models, "model.onnx", b"no graph"), "onnxruntime does not load the graph"),
        (graph_of_another, "replayed rows differ from what the trained model answered"),
    ],
)
def test_a_bundle_that_does_not_hold_fails_alone(models: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(models)
    result = verify(models / "iris/1", models / "flights")
    assert result.exit_code == 1, result.output
    first, *rest = result.stdout.splitlines()
    assert f"{models / 'iris/1'} " in first
    assert "FAILED: " in first
    assert message in first
    assert len(rest) == 3
    assert "FAILED" not in "".join(rest)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "there is no bundle at none"),
        ([MODELS, "--model", "x"], "--model and --sample go together"),
        ([MODELS, "--model", "x", "--sample", "y"], "a model is compared with one bundle, and here are 2"),
        ([MODELS / "iris", "--model", "none.joblib", "--sample", "none.csv"], "cannot read none.joblib"),
    ],
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str | Path], message: str) -> None:
    result = verify(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def original(folder: Path, model: object) -> list[str | Path]:
    joblib.dump(model, folder / "model.joblib")
    iris.data()[0].assign(flower=range(150)).to_csv(folder / "rows.csv", index=False)
    return ["--model", folder / "model.joblib", "--sample", folder / "rows.csv"]


def test_the_parity_check_is_run_again_with_the_original(tmp_path: Path) -> None:
    rows = iris.data()[0].assign(flower=range(150))
    path = export_model(iris.train(), rows, tmp_path, "m", key="flower").path
    certificate = bundle.read(path).manifest.certificate
    result = verify(path, *original(tmp_path, iris.train()))
    assert result.exit_code == 0, result.output
    assert f"{certificate.rows} rows are answered as by model.joblib" in result.stdout
    assert "converted now, the graph has the same bytes" in result.stdout


def test_another_model_than_the_original_is_found_out(tmp_path: Path) -> None:
    rows, species = iris.data()
    keyed = rows.assign(flower=range(150))
    path = export_model(iris.train(), keyed, tmp_path, "m", key="flower").path
    result = verify(path, *original(tmp_path, LogisticRegression(C=0.1, max_iter=1000).fit(rows, species)))
    assert result.exit_code == 1, result.output
    assert "rows are answered otherwise than by the trained model" in result.stdout
    assert "nothing was published" not in result.stdout
    assert "trained | served | row" in result.stdout
    result = verify(path, *original(tmp_path, Ridge().fit(rows, np.arange(150))))
    assert result.exit_code == 2, result.output
    assert "answers label, probabilities, and model.joblib value: it is another model's" in result.stderr


def test_a_claim_of_exactness_that_does_not_hold_is_found_out(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(NUMBERS, THREE)
    first = bundle.read(export_model(model, NUMBERS, tmp_path, "m").path)
    assert first.manifest.certificate.worst > 0
    claimed = replace(first.manifest.certificate, exact=("label", "probabilities"))
    with bundle.staged(tmp_path, "m") as directory:
        bundle.write(directory, replace(first.manifest, certificate=claimed), first.graph, first.replay)
        path = bundle.publish(directory)
    np.save(tmp_path / "x.npy", NUMBERS)
    joblib.dump(model, tmp_path / "model.joblib")
    table = ",".join(f"x{index}" for index in range(4)) + "\n" + "\n".join(",".join(map(str, row)) for row in NUMBERS)
    (tmp_path / "rows.csv").write_text(table)
    result = verify(path, "--model", tmp_path / "model.joblib", "--sample", tmp_path / "rows.csv")
    assert result.exit_code == 1, result.output
    assert "it says that 'probabilities' is exact for every input, and for a row it is not" in result.stdout


def test_a_claim_of_exactness_that_holds_is_upheld(tmp_path: Path) -> None:
    rows, species = iris.data()
    model = RandomForestClassifier(5, random_state=0).fit(rows, species)
    path = export_model(model, rows, tmp_path, "m").path
    options = original(tmp_path, model)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert verify(path, *options).exit_code == 0
