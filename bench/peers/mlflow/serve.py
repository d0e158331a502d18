# mypy: ignore-errors
"""MLflow's scoring server (FastAPI since 3.0) on one uvicorn worker, with its ONNX flavour."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MODELS = Path(os.environ["BENCH_MODELS"])

if __name__ == "__main__":
    command = ["mlflow", "models", "serve", "--model-uri", str(MODELS / "logistic.mlflow"), "--env-manager", "local"]
    os.execvp("mlflow", [*command, "--workers", "1", "--host", "127.0.0.1", "--port", sys.argv[1]])  # noqa: S606, S607
