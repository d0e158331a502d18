"""What an image is made of, as a CycloneDX document: the distributions of Python and the packages of Debian.

    python deploy/sbom.py SITE_PACKAGES [DPKG_STATUS]

Read from what is installed and not from what was asked for. Equal images have equal documents, so there is no time in
it. The Dockerfile runs this, with the standard library alone, and `make image` copies the result to build/sbom.json.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

Component = dict[str, Any]

_REQUIRED = re.compile(r"[A-Za-z0-9._-]+")


def document(site: Path, status: str = "") -> dict[str, Any]:
    """The document for the distributions of a directory, and for the packages that the text of a dpkg status lists."""
    found = {_name(one): one for one in distributions(path=[str(site)])}
    root = _component("servefn", found["servefn"])
    libraries = [_component(name, one) for name, one in sorted(found.items()) if name != "servefn"]
    parts = [*libraries, _python(), *_debian(status)]
    said = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**root, "type": "application"}},
        "components": parts,
        "dependencies": [_needs(name, one, found) for name, one in sorted(found.items())],
    }
    return {**said, "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, json.dumps(said, sort_keys=True))}"}


def _name(distribution: Distribution) -> str:
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()


def _component(name: str, distribution: Distribution) -> Component:
    purl = f"pkg:pypi/{name}@{distribution.version}"
    made = {"type": "library", "bom-ref": purl, "name": name, "version": distribution.version, "purl": purl}
    return made | _license(distribution.metadata)


def _license(metadata: Any) -> dict[str, Any]:
    if expression := metadata.get("License-Expression"):
        return {"licenses": [{"expression": expression}]}
    said = [one for one in metadata.get_all("Classifier", []) if one.startswith("License ::")]
    return {"licenses": [{"license": {"name": one.rsplit(" :: ", 1)[1]}} for one in said]} if said else {}


def _needs(name: str, distribution: Distribution, found: Mapping[str, Distribution]) -> Component:
    """What a distribution depends on of what is there, extras left out."""
    asked = [one for one in distribution.requires or () if "extra ==" not in one]
    names = {re.sub(r"[-_.]+", "-", match[0]).lower() for one in asked if (match := _REQUIRED.match(one))}
    refs = [f"pkg:pypi/{one}@{found[one].version}" for one in sorted(names & found.keys())]
    return {"ref": f"pkg:pypi/{name}@{distribution.version}", "dependsOn": refs}


def _python() -> Component:
    purl = f"pkg:generic/python@{platform.python_version()}"
    return {
        "type": "platform",
        "bom-ref": purl,
        "name": "python",
        "version": platform.python_version(),
        "purl": purl,
        "licenses": [{"license": {"id": "Python-2.0"}}],
    }


def _debian(status: str) -> Iterator[Component]:
    """The installed packages, by name; the order of the file is that of their installation."""
    entries = [dict(re.findall(r"^([A-Za-z-]+): (.*)$", entry, re.MULTILINE)) for entry in status.split("\n\n")]
    for entry in sorted(entries, key=lambda entry: entry.get("Package", "")):
        if entry.get("Status", "").endswith(" installed"):
            name, version = entry["Package"], entry["Version"]
            purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={entry['Architecture']}"
            yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main(arguments: Sequence[str]) -> None:
    site, *status = map(Path, arguments)
    print(json.dumps(document(site, "".join(each.read_text() for each in status)), indent=1))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
