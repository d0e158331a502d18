"""models/<name>/<version>/: one graph, its contract, and the proof that it answers as the trained model did.

    model.onnx    raw features in, answers out
    model.json    the contract, the certificate, the provenance and the sha256 of every other file
    replay.json   rows with the original model's answers, replayed at load
    model.json.sig   who made it, if that is said

Name and version are the directory's, so that a bundle's bytes depend on nothing but the model.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from app.decision import CostCurve
from app.errors import BundleError
from app.files import listing, plain
from app.signature import NAME, VERSION, Scalar, Signature
from app.signing import SEAL, Trust
from app.uncertainty import Coverage

MANIFEST, GRAPH, REPLAY = "model.json", "model.onnx", "replay.json"

Row = Mapping[str, Scalar | None]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One kind of rows that the parity check tried: how many, and the worst difference of any."""

    rows: int
    worst: float


@dataclass(frozen=True, kw_only=True)
class WorstRow:
    """A row whose answers differ, and the check that tried it."""

    check: str
    difference: float
    row: Row


@dataclass(frozen=True, kw_only=True)
class UndecidedRow:
    """A row to which the trained model itself gives two answers, and the check that tried it."""

    check: str
    row: Row


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What the parity check found between the trained model and the graph.

    `rows` were tried, `checks` has them by kind. `worst` is the largest |served - trained| / max(1, |trained|) of any
    number in any answer; `flips` counts labels that differ. `worst_rows` are the few that differ most, if any differ.
    `exact` names the outputs that equal the trained model's to the last bit for every input, by an argument and not
    by trying: see export.exactness. `undecided` counts rows to which the trained model itself gives two answers, alone
    and among others or on the two sides of a boundary, of which the graph gives one; `undecided_rows` are a few.
    `costs` and `coverage` are what labelled rows say of decisions and of regions.
    """

    rows: int
    worst: float
    flips: int
    tolerance: float
    checks: Mapping[str, Check] = field(default_factory=dict)
    worst_rows: Sequence[WorstRow] = ()
    exact: tuple[str, ...] = ()
    undecided: int = 0
    undecided_rows: Sequence[UndecidedRow] = ()
    costs: CostCurve | None = None
    coverage: Coverage | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What model.json says."""

    signature: Signature
    certificate: Certificate
    description: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = 1


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Rows as a client would send them, and the trained model's answers: output name -> one answer per row."""

    instances: Sequence[Row] = ()
    outputs: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle in memory. `digest` is the sha256 of model.json, which holds those of the other files."""

    name: str
    version: str
    manifest: Manifest
    graph: bytes
    replay: Replay = Replay()
    digest: str = ""
    path: Path | None = None
    signed: bool = False
    signer: str = ""
    """The fingerprint of the key that signed it, if that was asked for."""

    @property
    def signature(self) -> Signature:
        return self.manifest.signature


def read(path: str | Path, trust: Trust | None = None) -> Bundle:
    """The bundle in a directory, every file of it held against its digest. Raises BundleError.

    With `trust` it must be signed, which is looked at before anything else is.
    """
    directory = Path(path).absolute()
    found = listing(directory) - {MANIFEST, SEAL}
    contract = _bytes(directory / MANIFEST)
    seal = _seal(directory)
    signer = trust.signer(contract, seal) if trust else ""
    manifest = _parse(contract, Manifest, MANIFEST)
    if manifest.format != 1:
        raise BundleError(f"{MANIFEST} has format {manifest.format}; this servefn reads format 1")
    files = _verified(directory, found, manifest.files)
    return Bundle(
        name=directory.parent.name,
        version=directory.name,
        manifest=manifest,
        graph=files[GRAPH],
        replay=_parse(files[REPLAY], Replay, REPLAY),
        digest=sha256(contract),
        path=directory,
        signed=seal is not None,
        signer=signer,
    )


@contextmanager
def staged(models: Path, name: str) -> Iterator[Path]:
    """A directory beside the published versions, which no server reads; removed at the end unless it was published."""
    if not NAME.fullmatch(name):
        raise BundleError(
            f"'{name}' cannot be a model's name: use up to 64 of a-z, 0-9, '.', '_', '-', first a letter or digit"
        )
    (models / name).mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=".staged-", dir=models / name))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        if not any((models / name).iterdir()):
            (models / name).rmdir()


def write(directory: Path, manifest: Manifest, graph: bytes, replay: Replay) -> None:
    """Write the files of a bundle, the contract last, with their digests in it."""
    files = {GRAPH: graph, REPLAY: _json(replay)}
    digests = {name: sha256(content) for name, content in files.items()}
    files[MANIFEST] = _json(replace(manifest, files=digests))
    for name, content in files.items():
        with (directory / name).open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())


def publish(directory: Path, version: str | None = None) -> Path:
    """Rename a staged bundle to its version, by default the next free one. Never overwrites. Raises BundleError."""
    if version is not None and not VERSION.fullmatch(version):
        raise BundleError(f"'{version}' cannot be a version: use a whole number from 1 on")
    directory.chmod(0o755)
    while True:
        target = directory.parent / (version or str(max(versions(directory.parent), default=0) + 1))
        try:
            return directory.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise BundleError(f"cannot publish {target}: {error.strerror}") from error
            if version:
                raise BundleError(
                    f"{target} exists, and what is published never changes; leave out the version for the next free one"
                ) from error


def versions(model: Path) -> list[int]:
    """The published versions of one model's directory, in ascending order."""
    if not model.is_dir():
        return []
    return sorted(int(entry.name) for entry in model.iterdir() if VERSION.fullmatch(entry.name))


def names(models: Path) -> list[str]:
    """The models of a directory, by name."""
    if not models.is_dir():
        return []
    return sorted(entry.name for entry in models.iterdir() if entry.is_dir() and NAME.fullmatch(entry.name))


def find(path: Path) -> list[Path]:
    """The bundles at a path, which may be one, a model with its versions, or all models; in ascending order."""
    if (path / MANIFEST).is_file():
        return [path]
    models = [path, *(path / name for name in names(path) if not VERSION.fullmatch(name))]
    found = [model / str(version) for model in models for version in versions(model)]
    return found or ([path] if path.is_dir() and VERSION.fullmatch(path.absolute().name) else [])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _verified(directory: Path, found: Set[str], digests: Mapping[str, str]) -> dict[str, bytes]:
    if missing := {GRAPH, REPLAY, *digests} - (found & set(digests)):
        raise BundleError(f"not in the bundle, or not in {MANIFEST}: {', '.join(sorted(missing))}")
    if strange := found - set(digests):
        raise BundleError(f"in the bundle, but not in {MANIFEST}: {', '.join(sorted(strange))}")
    files = {name: _bytes(directory / name) for name in digests}
    for name, content in files.items():
        if sha256(content) != digests[name]:
            raise BundleError(f"{name} is not the file that was exported: its sha256 is not the one in {MANIFEST}")
    return files


def _bytes(file: Path) -> bytes:
    try:
        return plain(file)
    except FileNotFoundError as error:
        raise BundleError(f"cannot read {file.name}: {error.strerror}") from error


def _seal(directory: Path) -> bytes | None:
    try:
        return plain(directory / SEAL)
    except FileNotFoundError:
        return None


def _parse(content: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{name} is not valid: {error}") from error


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
