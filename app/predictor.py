"""A bundle loaded once and run as a pure function. The only room that knows onnxruntime."""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime reads it when it is imported

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime as ort

from app import cpu
from app.bundle import Bundle, read
from app.codec import Codec
from app.decision import DECISION, decide, labels
from app.errors import BundleError, InvalidRequest, PredictionFailed
from app.faults import in_parameters
from app.parity import compare
from app.signature import NUMBERS, Array, Signature, Tensors
from app.signing import Trust
from app.uncertainty import PROBABILITIES, region

_TYPES = {"tensor(double)": np.float64, "tensor(string)": np.object_}


class Runs:
    """How many runs went well, and how long they took; counted by many threads."""

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0
        self._lock = Lock()

    def add(self, seconds: float) -> None:
        with self._lock:
            self.count += 1
            self.seconds += seconds


class Model:
    """A loaded bundle. Stateless: an answer depends on its row alone, so one Model may serve many threads."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Raises BundleError if the graph does not load or is not the one the contract describes."""
        self.name, self.version, self.digest = bundle.name, bundle.version, bundle.digest
        self.identity = {"model": bundle.name, "version": bundle.version, "digest": bundle.digest}
        """What every answer says of its maker."""
        self.manifest, self.signature = bundle.manifest, bundle.signature
        self.codec = Codec(bundle.signature)
        self.seconds_per_row = 0.0
        """About what a row costs in a small batch, as `load` measured it."""
        self.load_seconds = 0.0
        """How long `load` took."""
        self.runs = Runs()
        """How often it has run since `load` was done with it."""
        self.watch: Callable[[Tensors], None] | None = None
        """Told of the tensors of each run that went well, once there is somebody to tell."""
        self.shadow: Callable[[Tensors, Tensors], None] | None = None
        """Told of the tensors and the answers of each run, where another version is tried on them."""
        self._session = _session(bundle, threads or cpu.available())
        self._outputs = [output.name for output in self.signature.outputs]
        self._classes = {output.name: labels(output.classes) for output in self.signature.outputs if output.classes}
        _check_graph(self._session, self.signature)

    def run(self, tensors: Tensors, parameters: Mapping[str, float] | None = None) -> dict[str, Array]:
        """Answer tensors as `signature.inputs` names them: the name of each of `signature.answers` -> one per row.

        Numbers are [rows] or [rows, columns]; labels are the classes themselves. `parameters` are those of the
        decision, where they are to be others than the policy's, and must be valid. Raises PredictionFailed.
        """
        started = time.perf_counter()
        try:
            answers = dict(zip(self._outputs, self._session.run(self._outputs, tensors), strict=True))
        except Exception as error:  # onnxruntime's errors share no other base
            raise PredictionFailed(f"Model '{self.name}' version {self.version} failed to run.") from error
        self.runs.add(time.perf_counter() - started)
        if self.watch:
            self.watch(tensors)
        for name, classes in self._classes.items():
            answers[name] = classes[answers[name]]
        if self.shadow:
            self.shadow(tensors, answers)
        if self.signature.conformal:
            answers |= region(self.signature.conformal, answers)
        if self.signature.policy:
            classes = self._classes["label"]
            answers[DECISION] = decide(self.signature.policy, classes, answers[PROBABILITIES], parameters)
        return answers

    def predict(self, data: Any, parameters: Mapping[str, float] | None = None) -> dict[str, Array]:
        """Answer a list of row mappings, a mapping column -> values, or a 2-D array in signature order.

        `parameters` decide otherwise than the contract, as far as it lets them.

        >>> load("models/iris/1").predict([{"sepal_length": 5.1, ...}])["label"]
        array(['setosa'], dtype='<U10')

        Raises InvalidRequest, with every fault, if a row breaks the contract, or a parameter does.
        """
        if found := in_parameters(parameters or {}, self.signature.adjustable):
            raise InvalidRequest(found)
        return self.run(self.codec.tensors(self.codec.rows(data)), parameters)

    def answer(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Answer rows that the codec has read, as a client is told: one mapping per row. Raises PredictionFailed."""
        return self.codec.predictions(self.run(self.codec.tensors(rows)))


def load(
    path: str | Path, threads: int | None = None, *, trust: Trust | None = None, digest: str | None = None
) -> Model:
    """Load models/<name>/<version>: verify its digests, its graph and its contract, and replay its rows.

    `threads` is onnxruntime's per run; the container's CPU quota by default. With `trust` the bundle must be signed,
    and with `digest` it must be that one. Raises BundleError: what does not replay what the trained
    model answered is not served.
    """
    started = time.perf_counter()
    bundle = read(path, trust)
    if digest not in (None, bundle.digest):
        raise BundleError("it changes while it is read")
    model = Model(bundle, threads)
    replay(model, bundle)
    model.seconds_per_row = _seconds(model, bundle.replay.instances) / len(bundle.replay.instances)
    model.runs = Runs()
    model.load_seconds = time.perf_counter() - started
    return model


def replay(model: Model, bundle: Bundle) -> float:
    """Answer a bundle's own rows; the worst difference from the trained model's answers. Raises BundleError."""
    try:
        served = model.predict(bundle.replay.instances)
    except (InvalidRequest, PredictionFailed) as error:
        raise BundleError(f"its own replay rows are refused: {error}") from error
    trained = {name: np.array(values) for name, values in bundle.replay.outputs.items()}
    found = compare(trained, served, bundle.manifest.certificate.tolerance)
    if found.rows or set(trained) != set(model.signature.named):
        raise BundleError(
            f"{len(found.rows)} of {len(bundle.replay.instances)} replayed rows differ from what the trained model "
            f"answered, by up to {found.worst:.2g} and in {found.flips} labels"
        )
    return found.worst


def _seconds(model: Model, data: Any) -> float:
    """The shortest of a few runs."""
    tensors = model.codec.tensors(model.codec.rows(data))
    started = [time.perf_counter()]
    for _ in range(5):
        model.run(tensors)
        started.append(time.perf_counter())
    return min(after - before for before, after in pairwise(started))


def _session(bundle: Bundle, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if bundle.path:  # onnxruntime reads external data from here and refuses any path that leads out
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(bundle.path))
    try:
        return ort.InferenceSession(bundle.graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no other base
        raise BundleError(f"onnxruntime does not load the graph: {str(error).splitlines()[0]}") from error


def _check_graph(session: ort.InferenceSession, signature: Signature) -> None:
    found = {node.name: (_TYPES.get(node.type), *node.shape[1:]) for node in session.get_inputs()}
    expected = {
        name: (np.float64 if name == NUMBERS else np.object_, len(columns))
        for name, columns in signature.inputs.items()
    }
    if found != expected:
        raise BundleError(f"the graph takes {found}, and the contract says {expected}")
    missing = {output.name for output in signature.outputs} - {node.name for node in session.get_outputs()}
    if missing:
        raise BundleError(f"the graph does not give {', '.join(sorted(missing))}, which the contract promises")
