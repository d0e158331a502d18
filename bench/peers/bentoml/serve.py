# mypy: ignore-errors
"""BentoML: one worker, arrays in and out, which its documents have for tabular models; no access log, no tracing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    command = ["bentoml", "serve", "service:Models", "--working-dir", str(Path(__file__).parent)]
    os.execvp("bentoml", [*command, "--host", "127.0.0.1", "--port", sys.argv[1]])  # noqa: S606, S607
