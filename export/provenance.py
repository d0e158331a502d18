"""What a bundle was made from, by whom it concerns: the sample, the libraries, the time, the revision of the code."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed
from typing import Any

import msgspec

from export.errors import ExportError
from export.sample import Sample

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "servefn", "skl2onnx")
"""What every export uses, beside the packages that the model's own steps come from."""


def provenance(model: Any, sample: Sample, packages: set[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is known here, and what the caller alone knows, such as split and seed.

    `packages` are those that the steps of the model come from. Raises ExportError for a name that is taken.
    """
    package = type(model).__module__.partition(".")[0]
    known = {
        "estimator": f"{package}.{type(model).__name__}",
        "steps": [type(step).__name__ for _, step in getattr(model, "steps", [])],
        "sample": {"rows": len(sample), "sha256": sample.fingerprint()},
    }
    made = {"libraries": _libraries(packages | {package}), "time": _time(), "revision": _revision()}
    if taken := sorted({*known, *made} & set(given)):
        raise ExportError(f"the provenance '{taken[0]}' is written by the exporter; give yours another name")
    return known | _plain(given) | {name: value for name, value in made.items() if value}


_providers = cache(packages_distributions)  # it reads the files of every package that is installed


def _libraries(packages: set[str]) -> dict[str, str]:
    providers = _providers()
    trained = {name for package in packages for name in providers.get(package, ())}
    return {"python": platform.python_version()} | {name: installed(name) for name in sorted({*_LIBRARIES, *trained})}


def _time() -> str:
    """Now in UTC, or what SOURCE_DATE_EPOCH says: see reproducible-builds.org/specs/source-date-epoch."""
    said = os.environ.get("SOURCE_DATE_EPOCH", "")
    if said and not said.isdecimal():
        raise ExportError("SOURCE_DATE_EPOCH is no whole number of seconds since 1970; correct it, or unset it")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(said) if said else None))


def _revision() -> str | None:
    """The commit of the working directory, with '-dirty' if files that it tracks were changed; None without git."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603  # our words
    except (OSError, subprocess.SubprocessError):  # no repository, or none of ours
        return None
    return found.stdout.strip()


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """The caller's part as it will be read from JSON."""
    try:
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(given)))
    except (TypeError, ValueError) as error:
        raise ExportError(f"the provenance cannot be written as JSON: {error}") from error
    return found
