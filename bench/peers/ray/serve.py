# mypy: ignore-errors
"""Ray Serve: its documented mode for throughput, one replica per model with many requests at once, no access log."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import ray
from ray import serve
from starlette.requests import Request

MODELS = Path(os.environ["BENCH_MODELS"])


@serve.deployment(num_replicas=1, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.1})
class Onnx:
    def __init__(self, name: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        graph = MODELS / name / "1" / "model.onnx"
        self.session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    async def __call__(self, request: Request) -> dict[str, Any]:
        rows = (await request.json())["instances"]
        numbers = np.array([list(row.values()) for row in rows], dtype=np.float64)
        labels, probabilities = self.session.run(["label", "probabilities"], {"numbers": numbers})
        pairs = zip(labels.tolist(), probabilities.tolist(), strict=True)
        return {"predictions": [{"label": label, "probabilities": {"0": p[0], "1": p[1]}} for label, p in pairs]}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config={"enable_access_log": False}
    )
    for name in ("logistic", "forest"):
        serve.run(Onnx.bind(name), name=name, route_prefix=f"/{name}", logging_config={"enable_access_log": False})
    signal.pause()
