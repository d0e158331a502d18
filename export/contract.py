"""The contract of a model: read from its sample, from what was declared, and found by asking the model itself."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from app.errors import choices
from app.signature import LIMITS, SAFE_INTEGER, Datatype, Feature, Scalar, Signature, Training
from export.errors import ExportError
from export.graph import Categories
from export.original import Original
from export.sample import BASE_ROWS, Row, Sample, SampleColumn

UNSEEN = "servefn: a value nobody has seen"
"""What an open text column is tried with."""

MAX_CATEGORIES = 200
"""An open text column with more values than this is free text: its values are not listed."""

_MAGNITUDES = (1e300, 1e150, float(np.finfo(np.float32).max), 1e30, 1e15, 1e9, 1e6)
_TRIED_FOR_EXAMPLE = 200


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a sample cannot tell of a feature. What is None is found out."""

    description: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Scalar, ...] = ()
    nullable: bool | None = None
    example: Scalar | None = None


@dataclass(frozen=True, kw_only=True)
class ContractFile:
    """What a contract.toml says."""

    description: str = ""
    key: str | None = None
    features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_contract(path: Path) -> ContractFile:
    """Read a contract.toml. Raises ExportError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ExportError(f"cannot read {path}: {error}") from error
    _known(document, (one.name for one in fields(ContractFile)), f"{path} has")
    try:
        return msgspec.convert(document, ContractFile)
    except msgspec.ValidationError as error:
        raise ExportError(f"{path}: {error}") from error


def declare(features: Mapping[str, Mapping[str, Any]] | None, sample: Sample) -> dict[str, Declared]:
    """The declarations by feature; an unknown name or key raises ExportError."""
    found = {column.name: Declared() for column in sample.columns}
    for name, said in (features or {}).items():
        _known([name], found, "the contract declares")
        _known(said, (one.name for one in fields(Declared)), f"the contract of '{name}' has")
        try:
            found[name] = msgspec.convert(dict(said), Declared)
        except msgspec.ValidationError as error:
            raise ExportError(f"the contract of '{name}': {error}") from error
    for column in sample.columns:
        _check_range(column, found[column.name])
    return found


def _check_range(column: SampleColumn, declared: Declared) -> None:
    ends = [end for end in (declared.minimum, declared.maximum) if end is not None]
    if ends and column.datatype in (Datatype.BOOL, Datatype.BYTES):
        raise ExportError(f"column '{column.name}' holds no numbers, and so can have no minimum and maximum")
    if not np.isfinite(ends).all() or ends != sorted(ends):
        raise ExportError(f"the contract of '{column.name}' has no range from its minimum to its maximum")


def contract(
    original: Original,
    unbounded: Signature,
    declared: Mapping[str, Declared],
    noted: Mapping[str, Categories],
    agrees: Callable[[Sequence[Row]], bool],
) -> Signature:
    """What the model takes and gives. Raises ExportError where the sample, the declaration and the model disagree.

    `noted` are the categories that encoders know. `agrees` says whether the graph answers rows as the model does: a
    valid range that nobody declared ends, somewhere far out, where they part or the model gives up.
    """
    prober = _Prober(original, _example(original, declared), agrees)
    columns = original.sample.columns
    features = [prober.feature(one, declared[one.name], noted.get(one.name, Categories())) for one in columns]
    return replace(unbounded, features=tuple(prober.together(features, declared)))


def corners(features: Sequence[Feature], row: Row) -> list[Row]:
    """A row with its numbers at the ends of their valid ranges: all low, all high, and by turns."""
    ends = [feature for feature in features if _ranged(feature)]
    kinds = {feature.name: int if feature.datatype is Datatype.INT64 else float for feature in ends}
    patterns = ([0, 0], [1, 1], [0, 1], [1, 0]) if ends else ()
    return [
        {**row, **{one.name: kinds[one.name](one.range[sides[index % 2]]) for index, one in enumerate(ends)}}
        for sides in patterns
    ]


class _Prober:
    """Finds out what a model accepts, by changing one column of a row that it answers."""

    def __init__(self, original: Original, row: Row, agrees: Callable[[Sequence[Row]], bool]) -> None:
        self._original, self._row, self._agrees = original, row, agrees
        self._rows = original.sample.spread(BASE_ROWS)

    def accepts(self, name: str, *values: Scalar | None) -> bool:
        return self._original.accepts([{**self._row, name: value} for value in values])

    def _holds(self, rows: Sequence[Row]) -> bool:
        """Whether the model answers rows with finite numbers, and the graph as it does."""
        return self._original.accepts(rows, finite=True) and self._agrees(rows)

    def feature(self, column: SampleColumn, declared: Declared, noted: Categories) -> Feature:
        nullable = bool(column.holes.any()) if declared.nullable is None else declared.nullable
        if nullable and not self.accepts(column.name, None):
            raise ExportError(
                f"column '{column.name}' may be missing, and the model refuses that; impute it in the pipeline, or "
                "declare nullable = false and give a sample without missing values"
            )
        categories, unseen = self._categories(column, declared, noted)
        minimum, maximum = (None, None) if categories else self._range(column, declared)
        return Feature(
            name=column.name,
            datatype=column.datatype,
            nullable=nullable,
            categories=categories,
            unseen=unseen,
            minimum=minimum,
            maximum=maximum,
            description=declared.description,
            unit=declared.unit,
            example=self._row[column.name],
            training=_training(column, categories),
        )

    def together(self, features: Sequence[Feature], declared: Mapping[str, Declared]) -> Sequence[Feature]:
        """The features, their ranges narrowed to what the model answers right where all are far out at once."""
        for magnitude in (np.inf, *_MAGNITUDES, 0.0):
            narrowed = [_within(feature, declared[feature.name], magnitude) for feature in features]
            rows = corners(narrowed, self._row)
            groups = [[row] for row in rows] + [rows] if rows else []  # one row may overflow where several do not
            if all(self._holds(group) for group in groups):
                return narrowed
        return features

    def _categories(
        self, column: SampleColumn, declared: Declared, noted: Categories
    ) -> tuple[tuple[Scalar, ...], bool]:
        """The values to list, and whether others are answered too."""
        text = column.datatype is Datatype.BYTES
        if column.datatype is Datatype.BOOL or not (text or noted.values or declared.categories):
            return (), True
        seen = {value for value in column.wire() if value is not None}
        known = sorted({_like(column.datatype, value) for value in noted.values} | seen)
        listed = tuple(dict.fromkeys([*declared.categories, *known]))
        if not noted.closed and self.accepts(column.name, _stranger(column.datatype, listed)):
            return (listed if text and len(listed) <= MAX_CATEGORIES else ()), True
        if not self.accepts(column.name, *listed):
            listed = tuple(value for value in listed if self._taken(column.name, value, declared))
        return listed, False

    def _taken(self, name: str, value: Scalar, declared: Declared) -> bool:
        if self.accepts(name, value):
            return True
        if value in declared.categories:
            raise ExportError(f"the contract declares the category {value!r} of '{name}', and the model refuses it")
        return False

    def _range(self, column: SampleColumn, declared: Declared) -> tuple[float | None, float | None]:
        """The declared range, else the dtype's, else as far as the model answers."""
        if column.datatype in (Datatype.BOOL, Datatype.BYTES):
            return None, None
        found = [self._reach(column, sign) for sign in (-1, 1)]
        return (
            found[0] if declared.minimum is None else declared.minimum,
            found[1] if declared.maximum is None else declared.maximum,
        )

    def _reach(self, column: SampleColumn, sign: int) -> float | None:
        """How far out the model is answered right: None if that is as far as the datatype goes."""
        numbers, limit = column.numbers(), _limit(column, sign)
        kind = int if column.datatype is Datatype.INT64 else float
        for magnitude in (limit, *(one for one in _MAGNITUDES if np.abs(numbers).max() <= one < limit)):
            value = sign * magnitude
            rows: list[Row] = [{**row, column.name: kind(one)} for row in self._rows for one in (value, value / 2)]
            if self._holds(rows):
                return None if magnitude == LIMITS[column.datatype] else value
        return float(numbers.max() if sign > 0 else numbers.min())


def _limit(column: SampleColumn, sign: int) -> float:
    """The largest magnitude on that side that the sample's dtype holds, and the wire's."""
    dtype: Any = column.values.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iu" or dtype.itemsize == 8:
        return LIMITS[column.datatype]
    held = np.iinfo(dtype)
    return abs(float(held.max if sign > 0 else held.min))


def _example(original: Original, declared: Mapping[str, Declared]) -> Row:
    """The first row that the model answers, one with all its values if there is one; with what was declared."""
    sample = original.sample
    holes = np.sum([column.holes for column in sample.columns], axis=0)
    for position in np.argsort(holes, kind="stable")[:_TRIED_FOR_EXAMPLE]:
        row = sample.rows(np.array([position]))[0]
        if original.accepts([row]):
            row |= {name: said.example for name, said in declared.items() if said.example is not None}
            if not original.accepts([row]):
                raise ExportError("the model refuses the row of the declared examples")
            return row
    raise ExportError("the model answers the rows of its own sample with numbers that are not finite")


def _ranged(feature: Feature) -> bool:
    return feature.datatype not in (Datatype.BOOL, Datatype.BYTES) and not feature.categories


def _within(feature: Feature, declared: Declared, magnitude: float) -> Feature:
    """A range that nobody declared, held within a magnitude but never short of the sample's own values."""
    if not _ranged(feature) or magnitude >= LIMITS[feature.datatype]:
        return feature
    training, (low, high) = feature.training, feature.range
    lowest, highest = -magnitude, magnitude
    if training.minimum is not None and training.maximum is not None:
        lowest, highest = min(lowest, training.minimum), max(highest, training.maximum)
    return replace(
        feature,
        minimum=feature.minimum if declared.minimum is not None or low >= lowest else lowest,
        maximum=feature.maximum if declared.maximum is not None or high <= highest else highest,
    )


def _training(column: SampleColumn, categories: Sequence[Scalar]) -> Training:
    missing = float(column.holes.mean())
    if column.datatype is Datatype.BYTES:
        return Training(missing=missing, shares=_shares(column.wire(), categories))
    if column.datatype is Datatype.BOOL:
        return Training(missing=missing, shares=_shares(column.wire(), (False, True)))
    numbers = column.numbers()
    quantiles = np.quantile(numbers, np.linspace(0, 1, 11)).tolist()
    found = Training(
        missing=missing, minimum=float(numbers.min()), maximum=float(numbers.max()), quantiles=tuple(quantiles)
    )
    counts = np.bincount(np.searchsorted(found.edges, numbers), minlength=len(found.edges) + 1)
    return replace(found, shares=tuple((counts / len(numbers)).tolist()))


def _shares(values: Sequence[Scalar | None], categories: Sequence[Scalar]) -> tuple[float, ...]:
    """How much of the values that are there each category is."""
    counts = Counter(value for value in values if value is not None)
    return tuple(counts[category] / max(1, counts.total()) for category in categories)


def _like(datatype: Datatype, value: Scalar) -> Scalar:
    """A category as the wire has it, whatever the encoder keeps it as."""
    if datatype is Datatype.BYTES:
        return str(value)
    return int(value) if datatype is Datatype.INT64 else float(value)


def _stranger(datatype: Datatype, known: tuple[Scalar, ...]) -> Scalar:
    if datatype is Datatype.BYTES:
        return UNSEEN
    largest = max(float(value) for value in known)
    return int(min(largest + 1, SAFE_INTEGER)) if datatype is Datatype.INT64 else largest + 1


def _known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    words = list(known)
    for name in names:
        if name not in words:
            raise ExportError(f"{where} '{name}', which there is not.{choices(name, words)}")
