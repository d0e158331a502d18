"""Bundles are loaded as far as they can be; of others it is known why not, and not tried again and again."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from app.errors import BundleError
from app.files import MOST_FILES, stamped
from app.predictor import Model, load
from app.signing import Trust
from app.trial import Limits, Verdict, tried

log = logging.getLogger("servefn")


@dataclass(frozen=True)
class Rejected:
    """A bundle, or with no version a model's file of aliases or of traffic, that is not served, and why."""

    name: str
    version: str
    reason: str


@dataclass
class Loader:
    """How bundles are loaded. What was rejected is not tried again before its files change."""

    threads: int | None
    limits: Limits | None
    trust: Trust | None
    _rejected: dict[Path, tuple[int, Rejected]] = field(default_factory=dict)

    def forget(self) -> None:
        """Try everything again."""
        self._rejected.clear()

    def loaded(self, paths: Sequence[Path]) -> Mapping[Path, Model | Rejected]:
        """Each of the bundles, or why it is not."""
        stamps = {path: stamp(path) for path in paths}
        known = {path: kept for path, kept in self._rejected.items() if kept[0] == stamps.get(path)}
        fresh = [path for path in paths if path not in known]
        verdicts = tried(fresh, self.limits, self.trust) if self.limits else {}
        found = {path: self.load(path, verdicts.get(path)) for path in fresh}
        failed = {path: (stamps[path], one) for path, one in found.items() if isinstance(one, Rejected)}
        self._rejected = known | failed
        return found | {path: rejected for path, (_, rejected) in known.items()}

    def load(self, path: Path, verdict: Verdict | None) -> Model | Rejected:
        name, version = path.parent.name, path.name
        try:
            if verdict and verdict.reason:
                raise BundleError(verdict.reason)
            model = load(path, self.threads, trust=self.trust, digest=verdict.digest if verdict else None)
        except BundleError as error:
            log.error("not served: %s version %s: %s", name, version, error)
            return Rejected(name, version, str(error))
        except Exception as error:  # whatever is in a bundle, the others are served
            log.exception("not served: %s version %s", name, version)
            return Rejected(name, version, f"it cannot be loaded ({type(error).__name__})")
        milliseconds = 1000 * model.load_seconds
        log.info("loaded and replayed: %s version %s, sha256 %.12s, %.0f ms", name, version, model.digest, milliseconds)
        return model


def stamp(bundle: Path) -> int:
    """A number that changes when one of a bundle's files does; their contents are not read."""
    try:
        with os.scandir(bundle) as entries:
            files = [(entry.name, stamped(entry.stat(follow_symlinks=False))) for entry in islice(entries, MOST_FILES)]
    except OSError as error:
        return error.errno or 0
    return hash(frozenset(files))
