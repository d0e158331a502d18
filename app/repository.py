"""The models that are served: found in a directory, loaded whole, swapped in one step."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TypeVar

from app import aliases, traffic
from app.aliases import CHAMPION
from app.bundle import MANIFEST, names, sha256, versions
from app.errors import LOADING, AliasNotFound, BundleError, ModelNotFound, NotReady, VersionNotFound, quoted
from app.files import plain, stamped
from app.loader import Loader, Rejected, stamp
from app.predictor import Model
from app.signing import Trust
from app.traffic import Plan, Traffic
from app.trial import Limits

log = logging.getLogger("servefn")

Versions = Mapping[str, Model]
T = TypeVar("T")


@dataclass(frozen=True)
class Catalogue:
    """What is served at one moment: name -> version -> model, both in ascending order; name -> alias -> version.

    `plans` are those of all models.
    """

    models: Mapping[str, Versions] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()
    plans: Mapping[str, Plan] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Model]:
        """Every version of every model."""
        return (model for by_version in self.models.values() for model in by_version.values())

    def default(self, name: str) -> Model:
        """The version that answers where none is named: the champion, or else the highest."""
        by_version = self.models[name]
        champion = self.aliases.get(name, {}).get(CHAMPION)
        return by_version[champion or list(by_version)[-1]]

    def without(self, names: Set[str]) -> Catalogue:
        """The same but for some models."""

        def others(found: Mapping[str, T]) -> dict[str, T]:
            return {name: value for name, value in found.items() if name not in names}

        return replace(self, models=others(self.models), aliases=others(self.aliases), plans=others(self.plans))

    def planned(self, name: str, said: Traffic) -> Plan:
        """What would follow if that was said of a model's traffic. Raises BundleError."""
        named = {alias: self.models[name][version] for alias, version in self.aliases[name].items()}
        return traffic.plan(said, self.default(name), named)

    def check(self, name: str, said: Traffic) -> None:
        """Raises BundleError if that cannot be said of a model's traffic, or if nothing would follow."""
        self.planned(name, said)
        answers = self.default(name).version
        for alias, share in (*said.split.items(), *said.shadow.items()):
            if share and self.aliases[name][alias] == answers:
                raise BundleError(
                    f"the alias '{alias}' names version {answers}, which answers where none is named; "
                    f"have '{CHAMPION}' name another version first"
                )


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What one look at the directory changed. Models are given as `name/version`."""

    loaded: tuple[str, ...]
    unloaded: tuple[str, ...]
    kept: tuple[str, ...]
    aliases: Mapping[str, Mapping[str, str]]
    traffic: Mapping[str, Traffic]
    rejected: tuple[Rejected, ...]


class Repository:
    """Finds a model by name and version or alias. Empty, and not ready, until `load` has returned."""

    def __init__(
        self, directory: Path, threads: int | None = None, *, limits: Limits | None = None, trust: Trust | None = None
    ) -> None:
        """With `limits` each bundle is tried within them before it is loaded; with `trust` it must be signed."""
        self.directory = directory
        self._loader = Loader(threads, limits, trust)
        self.catalogue = Catalogue()
        self.loaded = False
        self.withdrawn: set[str] = set()
        """Models that are not to be served, though they may be in the directory."""
        self._loading = Lock()

    @property
    def ready(self) -> bool:
        """Whether there is a model to serve and none left to load."""
        return self.loaded and bool(self.catalogue.models)

    def load(self, *, again: bool = True) -> Changes:
        """Look at the directory: load what is new, drop what is gone, keep what is the same. Not for an event loop.

        Requests that have begun keep their model; those that follow find the new ones, from one moment to the next.
        A bundle that fails is logged and left out, and what was served under its version before still is. A directory
        that cannot be read, or that holds nothing to serve, changes nothing. With `again` bundles that failed are tried
        once more though they are what they were: the fault may have been this machine's.
        """
        with self._loading:
            served = self.catalogue
            before = served.without(self.withdrawn)
            if again:
                self._loader.forget()
            try:
                found = _catalogue(self.directory, before, self._loader, frozenset(self.withdrawn))
            except OSError as error:
                log.error("cannot read %s: %s", self.directory, error.strerror)
                found = before
            if not found.models:
                log.error("no model in %s can be served", self.directory)
                found = replace(before, rejected=found.rejected)
            self.catalogue = found
            self.loaded = True
            return _changes(served, found)

    def get(self, name: str, version: str | None = None, alias: str | None = None) -> Model:
        """Raises NotReady, ModelNotFound, VersionNotFound or AliasNotFound."""
        catalogue = self.catalogue
        by_version = catalogue.models.get(name)
        if by_version is None:
            if not self.loaded:
                raise NotReady(LOADING)
            if name in self.withdrawn:
                raise NotReady(f"Model {quoted(name)} has been unloaded.")
            raise ModelNotFound(name, catalogue.models)
        if alias is not None:
            named = catalogue.aliases.get(name, {})
            if alias not in named:
                raise AliasNotFound(name, alias, named)
            version = named[alias]
        if version is None:
            return catalogue.default(name)
        if version not in by_version:
            raise VersionNotFound(name, version, by_version)
        return by_version[version]

    def listed(self, name: str) -> None:
        """Raises ModelNotFound if a model is not among those that are served, whatever keeps it from that."""
        catalogue = self.catalogue
        if self.loaded and name not in catalogue.models:
            raise ModelNotFound(name, catalogue.models)

    def fingerprint(self) -> int:
        """A number that changes when a file of a bundle comes, goes or changes, an alias moves, or a share changes."""
        bundles = {str(path): stamp(path) for path in _paths(self.directory)}
        said = [path for file in (aliases.FILE, traffic.FILE) for path in self.directory.glob(f"*/{file}")]
        return hash((frozenset(bundles.items()), frozenset((str(path), stamped(path.stat())) for path in said)))


def _changes(before: Catalogue, after: Catalogue) -> Changes:
    old, new = set(before), set(after)
    return Changes(
        loaded=_names(new - old),
        unloaded=_names(old - new),
        kept=_names(new & old),
        aliases=after.aliases,
        traffic={name: plan.said for name, plan in after.plans.items()},
        rejected=after.rejected,
    )


def _names(models: Iterable[Model]) -> tuple[str, ...]:
    return tuple(sorted(f"{model.name}/{model.version}" for model in models))


def _catalogue(directory: Path, before: Catalogue, loader: Loader, withdrawn: Set[str]) -> Catalogue:
    paths = [path for path in _paths(directory) if path.parent.name not in withdrawn]
    loaded = loader.loaded([path for path in paths if not _same(path, before)])
    rejected = [one for one in loaded.values() if isinstance(one, Rejected)]
    models: dict[str, dict[str, Model]] = {}
    for path in paths:
        fresh = loaded.get(path)
        model = fresh if isinstance(fresh, Model) else _served(path, before)
        if model:
            models.setdefault(path.parent.name, {})[path.name] = model
    named = {
        name: _aliases(directory / name, before.aliases.get(name, {}), served, rejected)
        for name, served in models.items()
    }
    found = Catalogue(models, named)
    plans = {name: _plan(directory / name, before.plans.get(name, Plan()).said, found, rejected) for name in models}
    return replace(found, rejected=tuple(rejected), plans=plans)


def _paths(directory: Path) -> list[Path]:
    """The published bundles."""
    return [directory / name / version for name in names(directory) for version in _published(directory / name)]


def _published(model: Path) -> list[str]:
    try:
        return [str(version) for version in versions(model)]
    except OSError as error:
        log.error("cannot read %s: %s", model, error.strerror)
        return []


def _served(path: Path, before: Catalogue) -> Model | None:
    return before.models.get(path.parent.name, {}).get(path.name)


def _same(path: Path, before: Catalogue) -> bool:
    """Whether a bundle is still the one that was loaded. Its contract has the digests of all its files."""
    model = _served(path, before)
    try:
        return model is not None and sha256(plain(path / MANIFEST)) == model.digest
    except (OSError, BundleError):
        return False


def _aliases(path: Path, before: Mapping[str, str], served: Versions, rejected: list[Rejected]) -> Mapping[str, str]:
    """The aliases of a model. One for a version that is not served stands for what it did before, if that still is."""
    try:
        read = aliases.read(path)
    except BundleError as error:
        rejected.append(Rejected(path.name, "", str(error)))
        log.error("the aliases of %s: %s", path.name, error)
        read = dict(before)
    lost = {alias: version for alias, version in read.items() if version not in served}
    for alias, version in lost.items():
        reason = f"the alias '{alias}' names version {version}, which is not served"
        rejected.append(Rejected(path.name, "", reason))
        log.error("the aliases of %s: %s", path.name, reason)
    known = {**read, **{alias: before.get(alias, "") for alias in lost}}
    return {alias: version for alias, version in known.items() if version in served}


def _plan(path: Path, before: Traffic, found: Catalogue, rejected: list[Rejected]) -> Plan:
    """What the file of a model's traffic says; if that cannot be done, what it did before, if that still can."""
    try:
        return found.planned(path.name, traffic.read(path))
    except BundleError as error:
        rejected.append(Rejected(path.name, "", str(error)))
        log.error("the traffic of %s: %s", path.name, error)
    try:
        return found.planned(path.name, before)
    except BundleError:
        return Plan()
