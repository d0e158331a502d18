# mypy: ignore-errors
"""MLflow's scoring server (FastAPI since 3.0) on one uvicorn worker, with its ONNX flavour."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import mlflow.onnx
import onnx

MODELS = Path(os.environ["BENCH_MODELS"])

if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(prefix="mlflow-")) / "model"
    mlflow.onnx.save_model(onnx.load(MODELS / "logistic" / "1" / "model.onnx"), folder, pip_requirements=[])
    command = ["mlflow", "models", "serve", "--model-uri", str(folder), "--env-manager", "local", "--workers", "1"]
    os.execvp("mlflow", [*command, "--host", "127.0.0.1", "--port", sys.argv[1]])  # noqa: S606, S607
