from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import app
from app import BundleError, InvalidRequest, PredictionFailed, bundle, cpu, load
from app.bundle import Bundle
from app.predictor import Model

IRIS = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def rewritten(models: Path, name: str = "iris", **changes: Any) -> Path:
    """A new version of a committed model with some of it changed, and digests that fit."""
    first = bundle.read(models / name / "1")
    manifest = replace(first.manifest, **changes.pop("manifest", {}))
    with bundle.staged(models, name) as directory:
        bundle.write(directory, manifest, changes.get("graph", first.graph), changes.get("replay", first.replay))
        return bundle.publish(directory)


def test_a_bundle_predicts_as_a_plain_library(models: Path) -> None:
    answer = load(models / "iris" / "1").predict([IRIS, {**IRIS, "petal_length": 6.0, "petal_width": 2.5}])
    assert answer["label"].tolist() == ["setosa", "virginica"]
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1.0)
    assert answer["probabilities"].shape == (2, 3)


def test_rows_columns_and_arrays_get_the_same_answer(models: Path) -> None:
    model = load(models / "iris" / "1")
    ways = [[IRIS], {name: [value] for name, value in IRIS.items()}, np.array([list(IRIS.values())])]
    first, *others = [model.predict(data)["probabilities"].tolist() for data in ways]
    assert others == [first, first]


def test_the_library_brings_no_web_framework_and_no_training_library() -> None:
    code = (
        "import sys, app; app.load('models/iris/1');"
        "print({'fastapi', 'starlette', 'uvicorn', 'pydantic', 'sklearn', 'onnx', 'pickle_model'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_the_public_names() -> None:
    assert all(hasattr(app, name) for name in app.__all__)
    assert {"load", "Model", "Signature", "ServingError"} <= set(app.__all__)


def test_one_model_serves_many_threads(models: Path) -> None:
    model = load(models / "iris" / "1")
    rows = [{**IRIS, "petal_length": 1 + number / 50} for number in range(200)]
    alone = [model.predict([row])["probabilities"].tolist() for row in rows]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda row: model.predict([row])["probabilities"].tolist(), rows))
    assert together == alone


def test_a_row_that_breaks_the_contract_is_refused(models: Path) -> None:
    with pytest.raises(InvalidRequest, match="did you mean 'sepal_width'"):
        load(models / "iris" / "1").predict([{**IRIS, "sepal_widht": 1.0}])


def test_answers_that_differ_from_the_trained_model_are_not_served(models: Path) -> None:
    replay = bundle.read(models / "iris" / "1").replay
    wrong = ["virginica" if label == "setosa" else label for label in replay.outputs["label"]]
    path = rewritten(models, replay=replace(replay, outputs={**replay.outputs, "label": wrong}))
    with pytest.raises(BundleError, match=r"replayed rows differ .* labels"):
        load(path)


def test_replay_rows_outside_the_contract_are_not_served(models: Path) -> None:
    replay = bundle.read(models / "iris" / "1").replay
    path = rewritten(models, replay=replace(replay, instances=[{**row, "x": 1} for row in replay.instances]))
    with pytest.raises(BundleError, match="its own replay rows are refused"):
        load(path)


def test_a_bundle_without_replay_rows_is_not_served(models: Path) -> None:
    with pytest.raises(BundleError, match="its own replay rows are refused"):
        load(rewritten(models, replay=bundle.Replay()))


def test_a_contract_that_the_graph_does_not_keep_is_not_served(models: Path) -> None:
    signature = bundle.read(models / "iris" / "1").signature
    with pytest.raises(BundleError, match="the graph takes"):
        load(rewritten(models, manifest={"signature": replace(signature, features=signature.features[:3])}))


def graph(node: onnx.NodeProto, *initializers: TensorProto, domain: str = "") -> bytes:
    """A graph of one node from `numbers` to `label`, of the shape that iris has."""
    numbers = helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, [None, 4])
    label = helper.make_tensor_value_info("label", TensorProto.DOUBLE, [None, 4])
    opsets = [helper.make_opsetid("", 21)] + [helper.make_opsetid(domain, 1)] * bool(domain)
    made = helper.make_graph([node], "g", [numbers], [label], list(initializers))
    content: bytes = helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def test_custom_operators_are_refused(models: Path) -> None:
    content = graph(helper.make_node("Run", ["numbers"], ["label"], domain="evil"), domain="evil")
    with pytest.raises(BundleError, match=r"evil:Run.* is not a registered"):
        load(rewritten(models, graph=content))


@pytest.mark.parametrize("location", ["../weights", "/etc/hostname", "link"])
def test_external_data_outside_the_bundle_is_refused(models: Path, location: str) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.DOUBLE, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    (models / "iris" / "weights").write_bytes(bytes(32))
    path = rewritten(models, graph=graph(helper.make_node("Add", ["numbers", "w"], ["label"]), tensor))
    if location == "link":
        (path / "link").symlink_to(models / "iris" / "weights")
        digests = {**bundle.read(models / "iris" / "1").manifest.files, "model.onnx": "", "link": ""}
        digests = {name: bundle.sha256((path / name).read_bytes()) for name in digests}
        manifest = (path / "model.json").read_text()
        manifest = manifest.replace('"files": {', f'"files": {{"link": "{digests["link"]}",')
        (path / "model.json").write_text(manifest)
    with pytest.raises(BundleError, match=r"External data path|cannot read link: it is a symbolic link"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x0a" * 1000])
def test_a_file_that_is_no_graph_is_refused(models: Path, content: bytes) -> None:
    with pytest.raises(BundleError, match="onnxruntime does not load the graph"):
        load(rewritten(models, graph=content))


def test_a_graph_that_fails_at_run_time_is_a_prediction_failure(models: Path) -> None:
    first: Bundle = bundle.read(models / "iris" / "1")
    model = Model(first)
    with pytest.raises(PredictionFailed, match="Model 'iris' version 1 failed to run"):
        model.run({"numbers": np.zeros((1, 3))})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "20000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.max": "9900000 100000"}, None),
        ({"cpu.max": "rubbish"}, None),
        ({}, None),
    ],
)
def test_threads_follow_the_container_s_quota(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    everything = cpu.available(tmp_path / "nowhere")
    assert cpu.available(tmp_path) == (expected or everything)


def test_telemetry_is_off_before_onnxruntime_is_imported() -> None:
    code = "import app, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean)
    assert found.stdout == "1\n"
