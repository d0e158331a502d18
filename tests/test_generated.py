"""A typed client that openapi-python-client makes of the served document, as docs/protocols.md shows."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.test_cli import serving
from tests.test_readme import HERE, ROOT, blocks

GENERATOR = "openapi-python-client"
DOCUMENT = (ROOT / "docs/protocols.md").read_text()
OURS = ("/models", "/health", "/admin", "/metrics")


@pytest.fixture
def address(rivals: Path) -> Iterator[str]:
    with serving("--models", str(rivals)) as (_, address):
        yield address


@pytest.fixture
def said(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the generator says. Its client can be imported, as if it were installed."""
    command = [GENERATOR, "generate", "--url", f"{address}/openapi.json"]
    assert f"$ {' '.join(command)}".replace(address, HERE) in DOCUMENT
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # where it finds ruff
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    monkeypatch.syspath_prepend(tmp_path / "servefn-client")
    text: str = made.stdout + made.stderr
    return text


def test_the_generator_takes_the_document_and_its_client_predicts(said: str, address: str) -> None:
    complaints = [part for part in said.split("WARNING ")[1:] if part.split()[2].startswith(OURS)]
    assert complaints
    assert [part for part in complaints if "Unsupported content type" not in part] == []
    (code,) = (block for block in blocks("python", DOCUMENT) if "servefn_client" in block)
    test = doctest.DocTestParser().get_doctest(code.replace(HERE, address), {}, "protocols.md", None, 0)
    result = doctest.DocTestRunner().run(test, clear_globs=False)
    assert (result.failed, result.attempted > 0) == (0, True)
    httpx.put(f"{address}/admin/models/iris/aliases/champion", json={"version": "2"}).raise_for_status()
    names = test.globs
    with names["Client"](address) as client:
        again = names["predict_iris"].sync(client=client, body=names["Iris1Request"]([names["flower"]]))
    assert (again.version, again.predictions[0].label.value) == ("2", "setosa")
