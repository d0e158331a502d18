from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app import bundle
from app.errors import BundleError

Damage = Callable[[Path], object]


def test_a_bundle_is_read_whole(models: Path) -> None:
    read = bundle.read(models / "iris" / "1")
    assert (read.name, read.version) == ("iris", "1")
    assert len(read.replay.instances) == len(read.replay.outputs["label"])
    assert read.digest == bundle.sha256((models / "iris" / "1" / "model.json").read_bytes())


def edit(path: Path, **changes: object) -> None:
    document = json.loads((path / "model.json").read_bytes())
    (path / "model.json").write_text(json.dumps({**document, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "model.json").unlink(), "cannot read model.json"),
        (lambda path: (path / "model.onnx").unlink(), "not in the bundle.*model.onnx"),
        (lambda path: (path / "model.onnx").write_bytes(b""), "model.onnx is not the file that was exported"),
        (lambda path: (path / "model.json").write_bytes(b"{"), "model.json is not valid"),
        (lambda path: (path / "model.json").write_bytes(b"[" * 100_000), "model.json is not valid"),
        (lambda path: (path / "weights.bin").write_bytes(b""), "in the bundle, but not in model.json: weights.bin"),
        (lambda path: edit(path, files={}), "not in model.json: model.onnx, replay.json"),
        (lambda path: edit(path, files={"../../../x": ""}), "not in the bundle"),
        (lambda path: (path / "more").mkdir(), "in the bundle, but not in model.json: more"),
        (lambda path: edit(path, format=2), "format 2"),
        (lambda path: edit(path, signature={}), "model.json is not valid"),
    ],
)
def test_a_damaged_bundle_is_refused_with_the_reason(models: Path, damage: Damage, message: str) -> None:
    damage(models / "iris" / "1")
    with pytest.raises(BundleError, match=message):
        bundle.read(models / "iris" / "1")


def stage(models: Path, version: str | None = None) -> Path:
    """Publish the first iris again."""
    first = bundle.read(models / "iris" / "1")
    with bundle.staged(models, "iris") as directory:
        bundle.write(directory, first.manifest, first.graph, first.replay)
        return bundle.publish(directory, version)


def test_the_next_free_version_is_taken_and_the_bytes_are_the_same(models: Path) -> None:
    assert stage(models) == models / "iris" / "2"
    assert bundle.read(models / "iris" / "2").digest == bundle.read(models / "iris" / "1").digest
    assert stage(models, "7").name == "7"
    assert stage(models).name == "8"
    assert bundle.versions(models / "iris") == [1, 2, 7, 8]


def test_a_published_version_is_never_overwritten(models: Path) -> None:
    before = {file: file.read_bytes() for file in (models / "iris" / "1").iterdir()}
    with pytest.raises(BundleError, match="never changes"):
        stage(models, "1")
    assert {file: file.read_bytes() for file in (models / "iris" / "1").iterdir()} == before
    assert os.listdir(models / "iris") == ["1"]


@pytest.mark.parametrize("version", ["0", "-1", "latest", "1.0", "../2", "١"])
def test_a_version_is_a_whole_number(models: Path, version: str) -> None:
    with pytest.raises(BundleError, match="cannot be a version"):
        stage(models, version)


@pytest.mark.parametrize("name", ["", "../x", "Iris", "a b", ".hidden", "x" * 65])
def test_a_name_is_fit_for_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="cannot be a model's name"), bundle.staged(tmp_path, name):
        pass


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), bundle.staged(tmp_path / "models", "iris") as directory:
        (directory / "model.onnx").write_bytes(b"half")
        raise KeyboardInterrupt
    assert list((tmp_path / "models").iterdir()) == []


def test_publishers_at_once_each_get_a_version(models: Path) -> None:
    threads = [threading.Thread(target=stage, args=[models]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bundle.versions(models / "iris") == list(range(1, 10))
    assert not [entry for entry in os.listdir(models / "iris") if entry.startswith(".")]
