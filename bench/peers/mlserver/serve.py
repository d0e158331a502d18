# mypy: ignore-errors
"""MLServer's scikit-learn runtime, predicting in the server process, as its documents advise for models this light."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

MODELS = Path(os.environ["BENCH_MODELS"])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def main(port: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="mlserver-"))
    server = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 0,
    }
    (folder / "settings.json").write_text(json.dumps(server))
    for name in ("logistic", "forest"):
        (folder / name).mkdir()
        uri = str(MODELS / f"{name}.joblib")
        model = {"name": name, "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": uri}}
        (folder / name / "model-settings.json").write_text(json.dumps(model))
    os.execvp("mlserver", ["mlserver", "start", str(folder)])  # noqa: S606, S607


if __name__ == "__main__":
    main(int(sys.argv[1]))
