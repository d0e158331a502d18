"""models/<name>/aliases.json: names for versions, such as {"champion": "2", "challenger": "3"}.

The champion answers where a request names no version; without one, the highest version does.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from app.bundle import versions
from app.errors import BundleError, choices, quoted
from app.files import plain
from app.signature import VERSION

FILE = "aliases.json"
CHAMPION = "champion"
ALIAS = re.compile(r"[a-z][a-z0-9._-]{0,63}")


def read(model: Path) -> dict[str, str]:
    """The aliases in one model's directory: alias -> version. Raises BundleError."""
    try:
        aliases = msgspec.json.decode(plain(model / FILE), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{FILE} is not valid: {error}") from error
    if not all(ALIAS.fullmatch(alias) and VERSION.fullmatch(version) for alias, version in aliases.items()):
        raise BundleError(f'{FILE} must name versions, as in {{"{CHAMPION}": "1"}}')
    return aliases


def point(model: Path, alias: str, version: str | None) -> None:
    """Have an alias name another version from now on, or none at all. Raises BundleError."""
    known = [str(each) for each in versions(model)]
    if not ALIAS.fullmatch(alias):
        raise BundleError(f"{quoted(alias)} cannot be an alias: use a letter, then up to 63 of a-z, 0-9, '.', '_', '-'")
    if not known:
        raise BundleError(f"there is no model in {model}")
    if version is not None and version not in known:
        raise BundleError(f"model '{model.name}' has no version {quoted(version)}.{choices(version, known)}")
    with _alone(model):
        before = read(model)
        after = {name: held for name, held in before.items() if name != alias}
        if version is not None:
            after[alias] = version
        if after != before:
            write(model / FILE, after)


def write(path: Path, document: Mapping[str, Any]) -> None:
    """In one step: who reads meanwhile finds the old file or the new one. Raises BundleError."""
    content = msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1)
    written = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with written.open("xb") as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        written.chmod(0o644)
        written.replace(path)
    except OSError as error:
        with suppress(OSError):
            written.unlink()
        raise BundleError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """While others wait: of two who change a file at once, one would take back what the other has done."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
