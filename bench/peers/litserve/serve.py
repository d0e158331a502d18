# mypy: ignore-errors
"""LitServe at its documented best for small models: the fast queue, no timeout, no request tracking, one worker."""

import os
import sys
from pathlib import Path
from typing import Any

import litserve as ls
import numpy as np
import onnxruntime as ort
from fastapi import Request

MODELS = Path(os.environ["BENCH_MODELS"])


class Api(ls.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002  # LitServe's
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        graph = MODELS / self.api_path.strip("/") / "1" / "model.onnx"
        self.session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def decode_request(self, request: Request) -> Any:
        return np.array([list(row.values()) for row in request["instances"]], dtype=np.float64)

    def predict(self, numbers: Any) -> Any:
        return self.session.run(["label", "probabilities"], {"numbers": numbers})

    def encode_response(self, answer: Any) -> dict[str, Any]:
        pairs = zip(answer[0].tolist(), answer[1].tolist(), strict=True)
        return {"predictions": [{"label": label, "probabilities": {"0": p[0], "1": p[1]}} for label, p in pairs]}


if __name__ == "__main__":
    apis = [Api(api_path="/logistic"), Api(api_path="/forest")]
    server = ls.LitServer(apis, accelerator="cpu", workers_per_device=1, timeout=False, fast_queue=True)
    server.run(
        port=int(sys.argv[1]), num_api_servers=1, log_level="warning", access_log=False, generate_client_file=False
    )
