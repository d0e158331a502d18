"""Whatever is in a bundle, it is turned away with a reason, within its limits, and the others are served."""

from __future__ import annotations

import faulthandler
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from app import BundleError, bundle, load, trial
from app.files import MOST_FILES
from app.repository import Repository
from app.trial import Limits, tried
from tests.conftest import MODELS
from tests.test_predictor import rewritten

LIMITS = Limits(seconds=20, bytes=2 * 2**30)
HASTY = Limits(seconds=3, bytes=2 * 2**30)
WEB = 10**13
"""More numbers than any memory holds."""


def verdict(path: Path, limits: Limits = LIMITS) -> str:
    """Why a bundle does not come through; an empty text if it does."""
    return tried([path], limits)[path].reason


def changed(change: Callable[[onnx.GraphProto], object], name: str = "iris") -> bytes:
    """The graph of a committed model with something changed in it, read without a check."""
    model = onnx.load(MODELS / name / "1" / "model.onnx")
    change(model.graph)
    content: bytes = model.SerializeToString()
    return content


def before(graph: onnx.GraphProto, *nodes: onnx.NodeProto, **constants: object) -> None:
    """Put nodes before the others; the last of them gives `numbers` in a new way, under the name `odd`."""
    for node in graph.node:
        node.input[:] = ["odd" if name == "numbers" else name for name in node.input]
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
    graph.initializer.extend(numpy_helper.from_array(np.array(value), name) for name, value in constants.items())


def endless(graph: onnx.GraphProto) -> None:
    true = helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    step = helper.make_tensor_value_info("step", TensorProto.INT64, [])
    held = helper.make_tensor_value_info("held", TensorProto.DOUBLE, None)
    out = helper.make_tensor_value_info("held_on", TensorProto.DOUBLE, None)
    on = helper.make_tensor_value_info("on", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["held"], ["held_on"])],
        "body",
        [step, true, held],
        [on, out],
    )
    before(graph, helper.make_node("Loop", ["", "yes", "numbers"], ["odd"], body=body), yes=True)


def expanding(graph: onnx.GraphProto) -> None:
    grown = helper.make_node("Expand", ["one", "wide"], ["grown"])
    summed = helper.make_node("ReduceSum", ["grown"], ["sum"], keepdims=0)
    before(graph, grown, summed, helper.make_node("Add", ["numbers", "sum"], ["odd"]), one=0.0, wide=[WEB])


def filling(graph: onnx.GraphProto) -> None:
    filled = helper.make_node("ConstantOfShape", ["wide"], ["grown"])
    summed = helper.make_node("ReduceSum", ["grown"], ["sum"], keepdims=0)
    cast = helper.make_node("Cast", ["sum"], ["double"], to=TensorProto.DOUBLE)
    before(graph, filled, summed, cast, helper.make_node("Add", ["numbers", "double"], ["odd"]), wide=[WEB])


def counting(graph: onnx.GraphProto) -> None:
    range_ = helper.make_node("Range", ["none", "many", "step"], ["grown"])
    summed = helper.make_node("ReduceSum", ["grown"], ["sum"], keepdims=0)
    before(
        graph, range_, summed, helper.make_node("Add", ["numbers", "sum"], ["odd"]), none=0.0, many=float(WEB), step=1.0
    )


def tiling(graph: onnx.GraphProto) -> None:
    tiled = helper.make_node("Tile", ["numbers", "times"], ["grown"])
    summed = helper.make_node("ReduceSum", ["grown"], ["sum"], keepdims=0)
    before(graph, tiled, summed, helper.make_node("Add", ["numbers", "sum"], ["odd"]), times=[10**9, 10**3])


def claiming(graph: onnx.GraphProto) -> None:
    graph.initializer[0].dims[:] = [WEB]


def trees(graph: onnx.GraphProto) -> dict[str, AttributeProto]:
    (node,) = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    return {attribute.name: attribute for attribute in node.attribute}


def going_round(graph: onnx.GraphProto) -> None:
    """A tree whose branches lead back to its root."""
    found = trees(graph)
    for side in ("nodes_truenodeids", "nodes_falsenodeids"):
        found[side].ints[:] = [0] * len(found[side].ints)


def leading_nowhere(graph: onnx.GraphProto) -> None:
    found = trees(graph)
    found["nodes_truenodeids"].ints[:] = [2**40] * len(found["nodes_truenodeids"].ints)


def weighing_nothing(graph: onnx.GraphProto) -> None:
    found = trees(graph)
    found["target_ids"].ints[:] = [2**31 - 1] * len(found["target_ids"].ints)


def reading_aside(graph: onnx.GraphProto) -> None:
    """Features that the row does not have."""
    found = trees(graph)
    found["nodes_featureids"].ints[:] = [2**28] * len(found["nodes_featureids"].ints)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (endless, "within 3 seconds"),
        (expanding, "failed to run"),
        (filling, "failed to run"),
        (counting, "failed to run"),
        (tiling, "failed to run"),
        (claiming, "does not load the graph"),
    ],
)
def test_a_graph_that_takes_too_much_is_turned_away(
    models: Path, change: Callable[[onnx.GraphProto], object], reason: str
) -> None:
    found = verdict(rewritten(models, graph=changed(change)), HASTY)
    assert re.search(reason, found), found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (going_round, "node cannot point to itself"),
        (leading_nowhere, "does not load the graph"),
        (weighing_nothing, "does not load the graph"),
        (reading_aside, "failed to run"),
    ],
)
def test_trees_that_are_none_are_turned_away(
    models: Path, change: Callable[[onnx.GraphProto], object], reason: str
) -> None:
    assert reason in verdict(rewritten(models, "flights", graph=changed(change, "flights")))


def test_a_bundle_comes_through_within_what_it_needs_and_not_within_less(models: Path) -> None:
    path = models / "flights" / "1"
    assert verdict(path) == ""
    assert tried([path], LIMITS)[path].digest == bundle.read(path).digest
    assert re.search("memory|bad_alloc", verdict(path, Limits(seconds=20, bytes=2**16)))


def test_a_crash_ends_the_child_alone(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No bytes are known that crash this onnxruntime, so the child is sent the signal that they would."""

    def crash(*_: object, **__: object) -> None:
        faulthandler.disable()  # pytest's would tell of it
        os.kill(os.getpid(), signal.SIGSEGV)

    monkeypatch.setattr(trial, "load", crash)
    task = trial.Task(paths=[str(models)] * 3, limits=LIMITS, at_once=2)
    assert {one.reason for one in trial.verdicts(task)} == {"it ends the process that loads it (SIGSEGV)"}


def test_a_loop_without_end_keeps_nobody_from_being_served(models: Path) -> None:
    rewritten(models, graph=changed(endless))
    rewritten(models, graph=changed(filling))
    rewritten(models, "flights", graph=b"\x08\x0a" * 1000)
    repository = Repository(models, limits=HASTY)
    changes = repository.load()
    assert changes.loaded == ("flights/1", "iris/1")
    assert [(one.name, one.version) for one in changes.rejected] == [("flights", "2"), ("iris", "2"), ("iris", "3")]
    assert all(one.reason for one in changes.rejected)


def test_what_was_tried_is_what_is_loaded(models: Path) -> None:
    path = models / "iris" / "1"
    tried_one = tried([path], LIMITS)[path].digest
    manifest = path / "model.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), "description": "another"}))
    with pytest.raises(BundleError, match="changes while it is read"):
        load(path, digest=tried_one)


def linked(path: Path) -> None:
    path.rename(path.parent / ".elsewhere")
    path.symlink_to(path.parent / ".elsewhere")


def linked_model(path: Path) -> None:
    path.parent.rename(path.parent.parent / ".elsewhere")
    path.parent.symlink_to(path.parent.parent / ".elsewhere")


def linked_file(path: Path) -> None:
    shutil.copy(path / "model.onnx", path.parent / "graph")
    (path / "model.onnx").unlink()
    (path / "model.onnx").symlink_to(path.parent / "graph")


def piped(name: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        (path / name).unlink()
        os.mkfifo(path / name)

    return damage


def crowded(path: Path) -> None:
    for number in range(MOST_FILES):
        (path / f"{number}.bin").write_bytes(b"")


def enormous(name: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with (path / name).open("r+b") as file:
            file.truncate(2**40)  # of which none is on the disk

    return damage


def repeated(path: Path) -> None:
    """A contract of many features, which must be found to be the same in less than the time of all pairs."""
    document = json.loads((path / "model.json").read_bytes())
    document["signature"]["features"] *= 20_000
    (path / "model.json").write_text(json.dumps(document))


def shadowed(path: Path) -> None:
    (path / "model.onnx").unlink()
    (path / "model.onnx").mkdir()


def deep(path: Path) -> None:
    document = (path / "model.json").read_text()
    (path / "model.json").write_text(document.replace('"provenance": {', '"provenance": {"x": ' + "[" * 10**6, 1))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (linked, "symbolic link"),
        (linked_model, "symbolic link"),
        (linked_file, "cannot read model.onnx: it is a symbolic link"),
        (piped("model.json"), "cannot read model.json: it is not a regular file"),
        (piped("model.onnx"), "cannot read model.onnx: it is not a regular file"),
        (shadowed, "cannot read model.onnx"),
        (crowded, f"more than {MOST_FILES} files"),
        (enormous("model.json"), "the limit is"),
        (enormous("model.onnx"), "the limit is"),
        (repeated, "named twice"),
        (deep, "model.json is not valid"),
    ],
)
def test_what_is_no_plain_bundle_is_turned_away_and_the_others_are_served(
    models: Path, damage: Callable[[Path], None], reason: str
) -> None:
    damage(models / "iris" / "1")
    repository = Repository(models)
    changes = repository.load()
    assert changes.loaded == ("flights/1",)
    (rejected,) = changes.rejected
    assert (rejected.name, rejected.version) == ("iris", "1")
    assert reason in rejected.reason


def test_a_file_of_aliases_that_is_a_pipe_is_not_waited_for(models: Path) -> None:
    os.mkfifo(models / "iris" / "aliases.json")
    changes = Repository(models).load()
    assert changes.loaded == ("flights/1", "iris/1")
    assert "not a regular file" in changes.rejected[0].reason


def test_a_trial_that_cannot_be_held_says_so(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    assert "could not be tried" in verdict(models / "iris" / "1")
