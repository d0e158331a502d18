"""models/<name>/traffic.json: shares for other versions than the champion, by the aliases that name them.

    {"split": {"challenger": 0.1}, "shadow": {"candidate": 0.5}}

A split has a version answer the keys whose hash is below its share: blake2b, 8 bytes, of `MODEL/ALIAS` (the salt, as
blake2b's own key), over the key in UTF-8. The hash needs no state, so every replica chooses the same version; a larger
share takes keys from the champion and gives it none; and a split under another alias draws other keys. A shadow answers
nobody: it is run on a sample of what the champion has answered, and compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np

from app.aliases import ALIAS, write
from app.errors import BundleError, Fault, InvalidRequest, choices, quoted
from app.files import plain
from app.predictor import Model
from app.signature import Array, Signature, Tensors

FILE = "traffic.json"
VERSION = "version"
"""The field of an answer that says which version of a split gave it."""


Kind = Literal["split", "shadow"]


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What the file says: alias -> share, from 0 to 1. At most one version takes part in a split."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    split: Mapping[str, float] = field(default_factory=dict)
    shadow: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """Two versions that answer for one model."""

    champion: Model
    challenger: Model
    alias: str
    share: float

    def version(self, key: bytes) -> Model:
        """The version that answers a key, always and everywhere."""
        digest = blake2b(key, digest_size=8, key=self._salt).digest()
        return self.challenger if int.from_bytes(digest, "big") < self.share * 2**64 else self.champion

    def versions(self, rows: int, key_field: str, keys: Sequence[Any], key: bytes) -> list[Model]:
        """The version that answers each row: by its own key, or that of the request; without one, the champion.

        Raises InvalidRequest.
        """
        if not key_field:
            return [self.version(key) if key else self.champion] * rows
        self.check(key_field)
        return [self.version(str(each).encode()) for each in keys]

    def check(self, key_field: str) -> None:
        """Raises InvalidRequest where the rows' keys would be in the place of what says their version."""
        if key_field == VERSION:
            message = f"key_field '{VERSION}' is what says the version of each answer; name another field."
            raise InvalidRequest([Fault(code="invalid_key", field="key_field", message=message)])

    def run(self, versions: Sequence[Model], tensors: Tensors, parameters: Mapping[str, float] | None) -> Tensors:
        """The answers of each row's version, in the order of the rows. Raises PredictionFailed."""
        rows = {model: places(versions, model) for model in dict.fromkeys(versions)}
        parts = [
            model.run({name: tensor[chosen] for name, tensor in tensors.items()}, parameters)
            for model, chosen in rows.items()
        ]
        order = np.argsort(np.concatenate(list(rows.values())))
        return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}

    @property
    def seconds_per_row(self) -> float:
        return max(self.champion.seconds_per_row, self.challenger.seconds_per_row)

    @property
    def said(self) -> str:
        """The note, where it is to be one line."""
        return ", ".join(f"{name}={value}" for name, value in self.note.items())

    @cached_property
    def note(self) -> dict[str, Any]:
        """What an answer says of the version that the champion shares its model with."""
        return {"version": self.challenger.version, "digest": self.challenger.digest, "share": self.share}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What an answer says of its makers."""
        return {**self.champion.identity, "split": self.note}

    @cached_property
    def _salt(self) -> bytes:
        salt = f"{self.champion.name}/{self.alias}".encode()
        return salt if len(salt) <= blake2b.MAX_KEY_SIZE else blake2b(salt).digest()


@dataclass(frozen=True)
class Shadow:
    """A version that answers a share of what its champion has answered, for comparison alone."""

    champion: Model
    challenger: Model
    share: float


@dataclass(frozen=True)
class Plan:
    """What becomes of the traffic of one model: `said` in its file, and what follows of it now."""

    said: Traffic = Traffic()
    split: Split | None = None
    shadows: tuple[Shadow, ...] = ()


def read(model: Path) -> Traffic:
    """The file in one model's directory; without one, there is nothing but a champion. Raises BundleError."""
    try:
        document = msgspec.json.decode(plain(model / FILE), type=dict[Kind, dict[str, float]])
    except FileNotFoundError:
        return Traffic()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{FILE} is not valid: {error}") from error
    traffic = Traffic(**document)
    check(traffic)
    return traffic


def check(traffic: Traffic) -> None:
    """Raises BundleError if the shares are none."""
    shares = {**traffic.split, **traffic.shadow}
    if not all(ALIAS.fullmatch(alias) for alias in shares):
        raise BundleError(f'{FILE} must have aliases, as in {{"split": {{"challenger": 0.1}}}}')
    if not all(0 <= share <= 1 for share in (*traffic.split.values(), *traffic.shadow.values())):
        raise BundleError("a share must be a number from 0 to 1")
    if len(traffic.split) > 1:
        raise BundleError("a split has one challenger: with more, a larger share would take keys from another")


def save(model: Path, traffic: Traffic) -> None:
    """Say it from now on, to every replica that reads the directory. Raises BundleError."""
    write(model / FILE, {"split": dict(traffic.split), "shadow": dict(traffic.shadow)})


def plan(traffic: Traffic, champion: Model, named: Mapping[str, Model]) -> Plan:
    """What follows of it, for the versions that aliases name. A share of 0, or for the champion itself, is none.

    Raises BundleError if an alias names nothing, or a version whose contract is not the champion's.
    """
    check(traffic)
    split = [
        Split(champion, other, alias, share) for alias, other, share in _others(traffic.split, champion, named, "split")
    ]
    shadows = [Shadow(champion, other, share) for _, other, share in _others(traffic.shadow, champion, named, "shadow")]
    return Plan(traffic, split[0] if split else None, tuple(shadows))


def places(versions: Sequence[Model], model: Model) -> Array:
    """The rows that one version answers."""
    return np.flatnonzero([version is model for version in versions])


def _others(
    shares: Mapping[str, float], champion: Model, named: Mapping[str, Model], kind: str
) -> list[tuple[str, Model, float]]:
    found = []
    for alias, share in shares.items():
        if alias not in named:
            raise BundleError(f"the {kind} is for the alias {quoted(alias)}, and there is none.{choices(alias, named)}")
        other = named[alias]
        if reason := _unlike(champion.signature, other.signature):
            raise BundleError(f"the {kind} cannot be between versions {champion.version} and {other.version}: {reason}")
        if share and other is not champion:
            found.append((alias, other, share))
    return found


def _unlike(one: Signature, other: Signature) -> str:
    """Why two versions cannot take the same rows, or do not answer alike; '' if they do."""
    if _taken(one) != _taken(other):
        names = [feature.name for feature in one.features]
        apart = [name for name in names if _taken(one).get(name) != _taken(other).get(name)]
        apart += [feature.name for feature in other.features if feature.name not in names]
        return f"they do not take the same values of {', '.join(apart)}"
    if list(_taken(one)) != list(_taken(other)):
        return "their features stand in another order"
    if one.key != other.key:
        return "their keys are in fields of other names"
    if one.answers != other.answers:
        return "they do not answer in the same shape"
    if one.policy != other.policy:
        return "they decide by other rules"
    if VERSION in {one.key, *(output.name for output in one.answers)}:
        return f"the contract has a field '{VERSION}', where each answer would say its version"
    return ""


def _taken(signature: Signature) -> dict[str, Any]:
    """What is a good value of each feature, in order."""
    return {
        each.name: (each.datatype, each.nullable, each.range, frozenset(each.categories) if each.closed else None)
        for each in signature.features
    }
