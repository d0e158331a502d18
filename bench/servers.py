"""The servers that are compared: how each is started, asked and read."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import models
from bench.process import Call, ServerError

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"
MODELS = BUILD / "models"
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Wire:
    """A server's own JSON: rows [N, 30] to a body, and an answer to N probabilities of class 1."""

    title: str
    body: Callable[[models.Floats], Any]
    probabilities: Callable[[Any], list[float]]


@dataclass(frozen=True)
class Server:
    """One competitor. `{port}`, `{models}` and `{name}` are filled in. Without a wire, its answers mean nothing."""

    name: str
    title: str
    command: tuple[str, ...]
    wire: Wire | None
    path: str = "/models/{name}/predict"
    models: tuple[str, ...] = models.MODELS
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    timeout: float = 60

    def started_by(self, port: int) -> list[str]:
        return [part.format(port=port, models=MODELS) for part in self.command]

    def shown(self) -> str:
        """The command for a reader: no path of this machine."""
        command = " ".join(self.command).replace(f"{Path(sys.executable).parent}/", "").replace(f"{ROOT}/", "")
        return command.format(port="PORT", models=MODELS.relative_to(ROOT))

    def environment(self) -> dict[str, str]:
        """One core, so one thread for each library that would take more; nothing is sent home."""
        common = {"BENCH_MODELS": str(MODELS), "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
        return {**common, **self.env}

    def call(self, model: str, rows: int) -> Call:
        body = (self.wire or INSTANCES).body(models.data().rows[:rows])
        return Call(self.path.format(name=model), json.dumps(body, separators=(",", ":")).encode())

    def check(self, model: str, rows: int, answer: bytes) -> None:
        """Raises ServerError unless the answer is what scikit-learn says of these rows."""
        if self.wire is None:
            return
        try:
            found = self.wire.probabilities(json.loads(answer))
        except (ValueError, LookupError, TypeError) as error:
            raise ServerError(f"its answer cannot be read ({error!r}): {answer[:200]!r}") from error
        wanted = models.data().truth[model][:rows].tolist()
        if len(found) != rows or not all(map(_close, found, wanted)):
            raise ServerError(f"{model}: it answers {found[:3]}…, and should {wanted[:3]}…")


def _close(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=0, abs_tol=TOLERANCE)


def _named(rows: models.Floats) -> Any:
    return {"instances": [dict(zip(models.data().names, row, strict=True)) for row in rows.tolist()]}


def _positive(answer: Any) -> list[float]:
    return [row["probabilities"]["1"] for row in answer["predictions"]]


INSTANCES = Wire("rows by name", _named, _positive)
"""`{"instances": [{"mean_radius": 17.99, …}]}`: what a client of a hand-written service would send."""


def _uvicorn(app: str) -> tuple[str, ...]:
    quiet = ("--no-access-log", "--log-level", "warning")
    return (sys.executable, "-m", "uvicorn", app, "--loop", "uvloop", "--http", "httptools", *quiet, "--port", "{port}")


_SERVEFN = str(Path(sys.executable).with_name("servefn"))

FLOOR = Server("floor", "no-op ASGI app on uvicorn (the floor)", _uvicorn("bench.floor:app"), None)
HAND_WRITTEN = Server("fastapi_onnx", "FastAPI + pydantic + onnxruntime", _uvicorn("bench.fastapi_onnx:app"), INSTANCES)
SKLEARN = Server(
    "fastapi_sklearn", "FastAPI + pydantic + scikit-learn", _uvicorn("bench.fastapi_sklearn:app"), INSTANCES
)
SERVEFN = Server("servefn", "servefn", (_SERVEFN, "serve", "--models", "{models}", "--port", "{port}"), INSTANCES)

OWN = (FLOOR, SERVEFN, HAND_WRITTEN, SKLEARN)
