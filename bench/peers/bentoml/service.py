# mypy: ignore-errors
"""The service that serve.py starts."""

from __future__ import annotations

import os
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime as ort

MODELS = Path(os.environ["BENCH_MODELS"])


def session(name: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(MODELS / name / "1" / "model.onnx", options, providers=["CPUExecutionProvider"])


@bentoml.service(
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Models:
    def __init__(self) -> None:
        self.sessions = {name: session(name) for name in ("logistic", "forest")}

    @bentoml.api(route="/logistic")
    async def logistic(self, instances: np.ndarray) -> np.ndarray:
        return self.run("logistic", instances)

    @bentoml.api(route="/forest")
    async def forest(self, instances: np.ndarray) -> np.ndarray:
        return self.run("forest", instances)

    def run(self, name: str, numbers: np.ndarray) -> np.ndarray:
        return self.sessions[name].run(["probabilities"], {"numbers": numbers.astype(np.float64, copy=False)})[0]
