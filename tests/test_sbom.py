"""What the bill of materials says is what is installed, and the code of the service can start nothing but itself."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from deploy.sbom import _name, document
from tests.test_layers import ROOT, modules

SITE = Path(sysconfig.get_path("purelib"))
STATUS = """Package: libssl3t64
Status: install ok installed
Architecture: amd64
Version: 3.5.1-1+deb13u1
Description: Secure Sockets
 Version: 9

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: adduser
Status: install ok installed
Architecture: all
Version: 1:3.152
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return document(SITE, STATUS)


def test_every_distribution_is_in_it(found: dict[str, Any]) -> None:
    names = {_name(one): one.version for one in distributions(path=[str(SITE)])}
    listed = {(one["name"], one["version"]) for one in found["components"] if one["purl"].startswith("pkg:pypi/")}
    assert dict(listed) == {name: version for name, version in names.items() if name != "servefn"}
    assert found["metadata"]["component"]["name"] == "servefn"


def test_what_depends_on_what_is_said_by_references_that_exist(found: dict[str, Any]) -> None:
    refs = {one["bom-ref"] for one in (*found["components"], found["metadata"]["component"])}
    assert len(refs) == len(found["components"]) + 1
    needs = {one["ref"]: one["dependsOn"] for one in found["dependencies"]}
    assert set(needs) | {ref for refs in needs.values() for ref in refs} <= refs
    (ours,) = [refs for ref, refs in needs.items() if ref.startswith("pkg:pypi/servefn@")]
    assert {ref.split("/")[1].split("@")[0] for ref in ours} >= {"fastapi", "onnxruntime", "numpy", "uvicorn"}
    assert not any("catboost" in ref for ref in ours)


def test_the_packages_of_the_system_are_in_it_where_they_are_installed(found: dict[str, Any]) -> None:
    debian = [one["purl"] for one in found["components"] if one["purl"].startswith("pkg:deb/")]
    assert debian == [
        "pkg:deb/debian/adduser@1%3A3.152?arch=all",
        "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u1?arch=amd64",
    ]


def test_two_documents_of_the_same_are_equal_and_of_another_are_not(found: dict[str, Any]) -> None:
    assert document(SITE, STATUS) == found
    assert document(SITE)["serialNumber"] != found["serialNumber"]


def test_the_standard_library_is_enough_to_write_it() -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / "deploy" / "sbom.py"), str(SITE)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["bomFormat"] == "CycloneDX"


FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execve", "os.spawnv"}
"""Ways to have a text run. `subprocess` is for app.trial alone: see tests/test_layers.py."""


@pytest.mark.parametrize("module", modules("app"))
def test_no_text_is_run(module: str) -> None:
    tree = ast.parse(modules("app")[module].read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not {ast.unparse(call.func) for call in calls} & FORBIDDEN
    assert not [call for call in calls if any(one.arg == "shell" for one in call.keywords)]
