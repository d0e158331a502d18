"""Imports go down the staircase; the table is the architecture's."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.protocols.wire import chosen

ROOT = Path(__file__).parents[1]

LEVELS = [
    ["app.platforms"],
    ["app.errors", "app.settings", "app.cpu", "app.extras", "app.pulse", "app.logs", "app.patience"],
    ["app.callers", "app.files", "app.client.answers", "app.client.batch", "app.client.failure"],
    ["app.tokens", "app.client.core"],
    ["app.gate", "app.client"],
    ["app.decision", "app.uncertainty", "app.signing"],
    ["app.signature"],
    ["app.admission", "app.parity", "app.bundle", "app.words", "app.answers"],
    ["app.faults", "app.inspect", "app.pages", "app.aliases"],
    ["app.codec", "app.schema"],
    ["app.predictor", "app.columns"],
    ["app.traffic", "app.frames"],
    ["app.media", "app.verify", "app.keys", "app.tensors"],
    ["app.arrow", "app.open_inference", "app.instances"],
    ["app.formats.arrow", "app.formats.csv", "app.formats.json", "app.formats.ndjson", "app.formats.parquet"],
    ["app.formats"],
    ["app.scheduler", "app.trial"],
    ["app.loader"],
    ["app.repository"],
    ["app.service", "app.keeper", "app.shadow", "app.statistics", "app.inference_body", "app.frame_schema"],
    ["app.drift", "app.descriptions"],
    ["app.metrics", "app.record", "app.protocols.statuses", "app.protocols.coding"],
    ["app.tracing", "app.protocols.body", "app.protocols.negotiation"],
    ["app.protocols.lines"],
    ["app.protocols.tables"],
    ["app.protocols.problem", "app.protocols.paths", "app.protocols.documented"],
    ["app.protocols.tfserving_document", "app.protocols.v2_document"],
    ["app.protocols.calls"],
    ["app.protocols.wire"],
    ["app.protocols.invocations"],
    [
        "app.protocols.access",
        "app.protocols.admin",
        "app.protocols.headers",
        "app.protocols.native",
        "app.protocols.operations",
        "app.openapi",
        "app.intake",
    ],
    ["app.main", "app.direct"],
    ["app.server"],
    ["app.cli", "app.remote"],
]
"""Each module imports from the rows above its own."""

WIRE = 1 + LEVELS.index(["app.protocols.invocations"])
"""Where every wire protocol stands. None is imported by name, so that none is listed here."""

PROTOCOLS = {f"app.protocols.{name}" for name in chosen("all")}
"""One may be a package: then its modules are its own."""

ONLY = {
    "onnxruntime": ["app.predictor", "export"],
    "fastapi": ["app.protocols", "app.openapi", "app.main"],
    "starlette": ["app.protocols", "app.main", "app.record"],
    "prometheus_client": ["app.metrics"],
    "asyncio": [
        "app.client.core",
        "app.gate",
        "app.scheduler",
        "app.service",
        "app.keeper",
        "app.protocols.admin",
        "app.protocols.body",
        "app.protocols.grpc",
        "app.intake",
        "app.pulse",
        "app.server",
    ],
    "uvicorn": ["app.direct", "app.patience", "app.intake", "app.server"],
    "sklearn": ["export"],
    "skl2onnx": ["export"],
    "onnx": ["export"],
    "pandas": ["export"],
    "joblib": ["export"],
    "google": ["app.extras"],
    "grpc": ["app.extras"],
    "httpx": ["app.extras"],
    "jwt": ["app.extras"],
    "pyarrow": ["app.extras"],
    "backports": ["app.extras"],
    "opentelemetry": ["app.extras"],
    "pickle": [],
    "cryptography": ["app.extras"],
    "subprocess": ["app.trial", "export"],
    "multiprocessing": [],
    "ctypes": [],
    "cffi": [],
    "marshal": [],
    "shelve": [],
    "dill": [],
    "cloudpickle": [],
    "runpy": [],
}
"""Who may import what comes from outside."""

LIBRARY = [
    "app",
    "app.errors",
    "app.decision",
    "app.uncertainty",
    "app.signature",
    "app.bundle",
    "app.signing",
    "app.parity",
    "app.predictor",
    "app.codec",
    "app.faults",
    "app.inspect",
    "app.words",
]
"""What the exporter may import of app."""


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """What a file imports, and whether it does so at its top."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name if (ROOT / (name.replace(".", "/") + ".py")).exists() else node.module for name in names]
            yield from ((str(module), node in top) for module in modules)


def modules(room: str) -> Mapping[str, Path]:
    files = sorted((ROOT / room).rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def within(module: str, rooms: list[str]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("module", modules("app"))
def test_app_imports_only_from_lower_steps(module: str) -> None:
    if module in ("app", "app.protocols"):
        allowed = ["app.errors", "app.signature", "app.predictor"] if module == "app" else []
    else:
        protocol = next((name for name in PROTOCOLS if within(module, [name])), None)
        level = WIRE if protocol else next(index for index, row in enumerate(LEVELS) if module in row)
        allowed = [name for row in LEVELS[:level] for name in row]
        allowed += [name for name in modules("app") if protocol and within(name, [protocol]) and name != protocol]
    for imported, _ in imports(modules("app")[module]):
        if within(imported, ["app", "export"]):
            assert imported in allowed, f"{module} imports {imported}"


@pytest.mark.parametrize("module", modules("export"))
def test_export_stands_on_the_library_alone(module: str) -> None:
    for imported, _ in imports(modules("export")[module]):
        if within(imported, ["app"]):
            assert imported in LIBRARY, f"{module} imports {imported}"


@pytest.mark.parametrize("module", [*modules("app"), *modules("export")])
def test_foreign_packages_stay_in_their_rooms(module: str) -> None:
    file = {**modules("app"), **modules("export")}[module]
    for imported, top in imports(file):
        assert top or module == "app.extras", f"{module} hides its import of {imported}"
        package = imported.split(".")[0]
        if package in ONLY:
            assert within(module, ONLY[package]), f"{module} imports {package}"


def test_every_module_has_its_step() -> None:
    listed = {name for row in LEVELS for name in row} | {"app", "app.protocols"} | PROTOCOLS
    assert listed == {module for module in modules("app") if module in PROTOCOLS or not within(module, [*PROTOCOLS])}
