"""The other servers of the field, each in an environment of its own, at the best settings that its documents name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import models
from bench.servers import BUILD, INSTANCES, Server, Wire

HERE = Path(__file__).parent
VENVS = BUILD / "peers"
INSTALL_SECONDS = 900


def _first_tensor(answer: Any) -> list[float]:
    return list(answer["outputs"][0]["data"][1::2])


def _tensor(rows: models.Floats) -> Any:
    data = {"name": "numbers", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
    return {"inputs": [data], "outputs": [{"name": "predict_proba"}]}


def _pairs(found: Any) -> list[float]:
    return [pair[1] for pair in found]


V2 = Wire("a tensor, Open Inference Protocol", _tensor, _first_tensor)
V1 = replace(INSTANCES, probabilities=lambda found: _pairs(found["predictions"]))
ARRAY = Wire("rows of numbers", lambda rows: {"instances": rows.tolist()}, _pairs)
INVOCATIONS = Wire(
    "rows of numbers",
    lambda rows: {"inputs": rows.tolist()},
    lambda found: _pairs(found["predictions"]["probabilities"]),
)


def _peer(name: str, title: str, wire: Wire, path: str, env: Mapping[str, str] | None = None, **other: Any) -> Server:
    python, script = str(VENVS / name / "bin" / "python"), str(HERE / name / "serve.py")
    found = {"PATH": f"{VENVS / name / 'bin'}:/usr/local/bin:/usr/bin:/bin", **(env or {})}
    return Server(name, title, (python, script, "{port}"), wire, path, env=found, timeout=180, **other)


RAY = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"}

PEERS = (
    _peer("kserve", "KServe (onnxruntime)", V1, "/v1/models/{name}:predict"),
    _peer("litserve", "LitServe (onnxruntime)", INSTANCES, "/{name}"),
    _peer("mlserver", "MLServer (scikit-learn)", V2, "/v2/models/{name}/infer"),
    _peer("bentoml", "BentoML (onnxruntime)", ARRAY, "/{name}"),
    _peer("ray", "Ray Serve (onnxruntime)", INSTANCES, "/{name}", RAY),
    _peer("mlflow", "MLflow (onnxruntime)", INVOCATIONS, "/invocations", models=("logistic",)),
)


def install(peers: Sequence[Server], say: Callable[[str], None]) -> dict[str, str]:
    """Make the environment of each peer, unless it is there, and let it prepare the models; return who could not."""
    failed = {}
    for peer in peers:
        try:
            _install(peer, say)
            _prepare(peer)
        except subprocess.SubprocessError as error:
            output = str(getattr(error, "stderr", "") or error).strip()
            failed[peer.name] = f"not installed: {output.splitlines()[-1]}"
            say(f"  left out: {failed[peer.name]}")
    return failed


def versions(peers: Sequence[Server]) -> dict[str, str]:
    """The version of each peer, as its requirements pin it."""
    found = {}
    for peer in peers:
        pinned = (HERE / peer.name / "requirements.txt").read_text()
        match = re.search(rf"^{peer.name}(\[.*\])?==(\S+)", pinned, re.MULTILINE)
        found[peer.name] = match[2] if match else "?"
    return found


def _install(peer: Server, say: Callable[[str], None]) -> None:
    venv, wanted = VENVS / peer.name, HERE / peer.name / "requirements.txt"
    there = venv / "installed.txt"
    if there.exists() and there.read_text() == wanted.read_text():
        return
    say(f"installing {peer.title}")
    uv = str(Path(sys.executable).with_name("uv"))
    _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv))
    _run(uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), "-r", str(wanted))
    shutil.copyfile(wanted, there)


def _prepare(peer: Server) -> None:
    """What a peer does once for its models, before it is started, is in its prepare.py."""
    script = HERE / peer.name / "prepare.py"
    if script.exists():
        _run(str(VENVS / peer.name / "bin" / "python"), str(script), env={**os.environ, **peer.environment()})


def _run(*command: str, env: Mapping[str, str] | None = None) -> None:
    subprocess.run(  # noqa: S603  # our own commands
        command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS, env=env
    )
