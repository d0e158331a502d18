# mypy: ignore-errors
"""KServe's model server: custom models, protocol v1, one worker; no gRPC, no access log, no latency lines."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import kserve
import numpy as np
import onnxruntime as ort

MODELS = Path(os.environ["BENCH_MODELS"])


class Onnx(kserve.Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.load()

    def load(self) -> bool:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        graph = MODELS / self.name / "1" / "model.onnx"
        self.session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.ready = True
        return self.ready

    async def predict(self, payload: Any, *_: Any, **__: Any) -> dict[str, Any]:
        numbers = np.array([list(row.values()) for row in payload["instances"]], dtype=np.float64)
        return {"predictions": self.session.run(["probabilities"], {"numbers": numbers})[0].tolist()}


if __name__ == "__main__":
    server = kserve.ModelServer(
        http_port=int(sys.argv[1]), workers=1, enable_grpc=False, enable_latency_logging=False, access_log_format=None
    )
    server.start([Onnx("logistic"), Onnx("forest")])
