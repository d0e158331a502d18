# mypy: ignore-errors
"""Save the model as MLflow keeps models, before any clock runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import mlflow.onnx
import onnx

MODELS = Path(os.environ["BENCH_MODELS"])

if __name__ == "__main__":
    shutil.rmtree(MODELS / "logistic.mlflow", ignore_errors=True)
    graph = onnx.load(MODELS / "logistic" / "1" / "model.onnx")
    mlflow.onnx.save_model(graph, MODELS / "logistic.mlflow", pip_requirements=[])
