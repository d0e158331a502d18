"""The models that are served: found in a directory, loaded whole, swapped in one step."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.bundle import names, versions
from app.errors import BundleError, ModelNotFound, NotReady, VersionNotFound
from app.predictor import Model, load

log = logging.getLogger("servefn")


@dataclass(frozen=True)
class Rejected:
    """A bundle that is not served, and why."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """What is served at one moment: name -> version -> model, both in ascending order."""

    models: dict[str, dict[str, Model]] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()

    def __iter__(self) -> Iterator[Model]:
        """Every version of every model."""
        return (model for by_version in self.models.values() for model in by_version.values())

    def default(self, name: str) -> Model:
        """The version that answers where none is named: the highest."""
        by_version = self.models[name]
        return by_version[next(reversed(by_version))]


class Repository:
    """Finds a model by name and version, by default the highest. Empty, and not ready, until `load` has returned."""

    def __init__(self, directory: Path, threads: int | None = None) -> None:
        self.directory, self.threads = directory, threads
        self.catalogue = Catalogue()
        self.loaded = False

    @property
    def ready(self) -> bool:
        """Whether there is a model to serve and none left to load."""
        return self.loaded and bool(self.catalogue.models)

    def load(self) -> None:
        """Load every bundle. One that fails is logged and left out; the others are served. Not for an event loop."""
        try:
            self.catalogue = _catalogue(self.directory, self.threads)
        except OSError as error:
            log.error("cannot read %s: %s", self.directory, error.strerror)
        self.loaded = True
        if not self.catalogue.models:
            log.error("no model in %s can be served", self.directory)

    def get(self, name: str, version: str | None = None) -> Model:
        """Raises NotReady, ModelNotFound or VersionNotFound."""
        by_version = self.catalogue.models.get(name)
        if by_version is None:
            if not self.loaded:
                raise NotReady("The models are still being loaded and replayed; try again in a second.")
            raise ModelNotFound(name, self.catalogue.models)
        if version is None:
            return self.catalogue.default(name)
        if version not in by_version:
            raise VersionNotFound(name, version, by_version)
        return by_version[version]


def _catalogue(directory: Path, threads: int | None) -> Catalogue:
    models: dict[str, dict[str, Model]] = {}
    rejected = []
    for name in names(directory):
        for version in map(str, versions(directory / name)):
            loaded = _load(directory / name / version, threads)
            if isinstance(loaded, Model):
                models.setdefault(name, {})[version] = loaded
            else:
                rejected.append(loaded)
    return Catalogue(models, tuple(rejected))


def _load(path: Path, threads: int | None) -> Model | Rejected:
    started = time.perf_counter()
    try:
        model = load(path, threads)
    except BundleError as error:
        log.error("not served: %s version %s: %s", path.parent.name, path.name, error)
        return Rejected(path.parent.name, path.name, str(error))
    except Exception as error:  # whatever is in a bundle, the others are served
        log.exception("not served: %s version %s", path.parent.name, path.name)
        return Rejected(path.parent.name, path.name, f"it cannot be loaded ({type(error).__name__})")
    elapsed = 1000 * (time.perf_counter() - started)
    log.info(
        "loaded and replayed: %s version %s, sha256 %.12s, %.0f ms", model.name, model.version, model.digest, elapsed
    )
    return model
