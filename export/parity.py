"""The gate: what is served equals what was trained, on ordinary rows and on hostile ones, or it is not published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.bundle import Certificate, Check, Replay, UndecidedRow, WorstRow
from app.errors import InvalidRequest, PredictionFailed
from app.parity import LABEL, Difference, compare
from app.predictor import Model
from app.signature import Array
from export.errors import ExportError, Mismatch, ParityError
from export.graph import Graph
from export.hostile import Hostile, Trial
from export.original import Original
from export.sample import BASE_ROWS, Row, spread
from export.undecided import Umpire

SAMPLE_ROWS, SINGLE_ROWS, REPLAYED, SHOWN, NAMED = 2000, 12, 32, 10, 5


@dataclass(frozen=True, kw_only=True)
class Tried(Trial):
    """One kind of rows, and both answers to them.

    `undecided` are those to which the trained model has two answers: `trained` has the one that was served.
    """

    trained: dict[str, Array]
    served: dict[str, Array]
    undecided: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Every row that was tried, both answers to it, and how far they lie apart."""

    tried: Sequence[Tried]
    differences: Sequence[Difference]
    certificate: Certificate

    def check(self) -> None:
        """Raises ParityError with the worst rows if one is answered otherwise than the trained model answers it."""
        if self.failure:
            raise ParityError(f"{self.failure}; nothing was published", self.mismatches)

    @property
    def failure(self) -> str:
        """What differs by more than is tolerated, in a sentence; empty if nothing does."""
        off, found = sum(len(difference.rows) for difference in self.differences), self.certificate
        if not off:
            return ""
        return (
            f"{off} of {found.rows} rows are answered otherwise than by the trained model: by up to {found.worst:.2g} "
            f"where {found.tolerance:g} is tolerated, and in {found.flips} labels"
        )

    @property
    def mismatches(self) -> list[Mismatch]:
        """Rows over the tolerance, the worst first."""
        return [one for one in self.worst if one.difference > self.certificate.tolerance]

    @property
    def worst(self) -> list[Mismatch]:
        """The rows that differ most, the worst first; none if all answers are equal."""
        found = [
            _mismatch(one, int(row), difference)
            for one, difference in zip(self.tried, self.differences, strict=True)
            for row in np.argsort(-difference.apart, kind="stable")[:SHOWN]
            if difference.apart[row]
        ]
        return sorted(found, key=lambda mismatch: -mismatch.difference)[:SHOWN]

    @property
    def replay(self) -> Replay:
        return _replay(self.tried)


def compare_all(
    original: Original,
    model: Model,
    graph: Graph,
    tolerance: float,
    exact: Sequence[str] = (),
) -> Comparison:
    """Try the model against its graph, which `model` serves. Raises ExportError for rows that only one of them takes.

    `exact` are the outputs of which export.exactness claims that they are equal; one row that is not refutes it.
    """
    umpire = Umpire(original=original, model=model, tolerance=tolerance, exact=exact)
    tried = [_settled(one, umpire) for one in _tried(original, model, graph)]
    differences = [compare(one.trained, one.served, tolerance) for one in tried]
    held = tuple(name for name in exact if all(_equal(one, name) for one in tried))
    certificate = replace(_certificate(tried, differences, tolerance), exact=held)
    return Comparison(tried=tried, differences=differences, certificate=certificate)


def _settled(tried: Tried, umpire: Umpire) -> Tried:
    """With the trained model's own other answer to each row that is undecided: see export.undecided."""
    found = umpire.settled(tried, tried.trained, tried.served)
    trained = {name: values.copy() for name, values in tried.trained.items()}
    for row, answers in found.items():
        for name, values in answers.items():
            trained[name][row] = values[0]
    return replace(tried, trained=trained, undecided=tuple(found))


def _equal(tried: Tried, name: str) -> bool:
    return not compare({name: tried.trained[name]}, {name: tried.served[name]}, 0.0).rows


def _certificate(tried: Sequence[Tried], differences: Sequence[Difference], tolerance: float) -> Certificate:
    pairs = list(zip(tried, differences, strict=True))
    named = [worst for one, difference in pairs for worst in _worst_rows(one, difference)]
    undecided = [UndecidedRow(check=one.check, row=one.rows[row]) for one in tried for row in one.undecided]
    return Certificate(
        rows=sum(len(one.rows) for one in tried),
        worst=max(difference.worst for difference in differences),
        flips=sum(difference.flips for difference in differences),
        tolerance=tolerance,
        checks={one.check: Check(rows=len(one.rows), worst=difference.worst) for one, difference in pairs},
        worst_rows=sorted(named, key=lambda worst: -worst.difference)[:NAMED],
        undecided=len(undecided),
        undecided_rows=undecided[:NAMED],
    )


def _worst_rows(tried: Tried, difference: Difference) -> list[WorstRow]:
    order = np.argsort(-difference.apart, kind="stable")[:NAMED]
    return [
        WorstRow(check=tried.check, difference=float(difference.apart[index]), row=tried.rows[index])
        for index in order
        if difference.apart[index]
    ]


def agree(original: Original, model: Model, tolerance: float, rows: Sequence[Row]) -> bool:
    """Whether the graph answers rows, that the model answers, as it does."""
    try:
        served = model.predict(rows)
    except PredictionFailed:
        return False
    return not compare(original.answers(rows), served, tolerance).rows


def _tried(original: Original, model: Model, graph: Graph) -> Iterator[Tried]:
    yield _try(Trial(check="sample", rows=original.sample.spread(SAMPLE_ROWS)), original, model)
    yield _try(Trial(check="example", rows=[{f.name: f.example for f in model.signature.features}]), original, model)
    base = original.sample.spread(BASE_ROWS)
    trials = [trial for trial in Hostile(model, base, graph).checks(original) if trial.rows]
    yield from (_try(trial, original, model) for trial in trials)
    yield _one_by_one([_alone(trial) for trial in (Trial(check="sample", rows=base), *trials)], original, model)


def _try(trial: Trial, original: Original, model: Model) -> Tried:
    try:
        served = model.predict(trial.rows)
    except InvalidRequest as error:
        raise ExportError(f"the sample breaks the contract: {error}") from error
    except PredictionFailed as error:
        raise ExportError(f"onnxruntime fails on rows of the check '{trial.check}': {error.__cause__}") from error
    graph = {name: served[name] for name in model.signature.named}  # not what is made of its answers
    trained = original.asked(trial.check, trial.rows)
    return Tried(check=trial.check, rows=trial.rows, twins=trial.twins, trained=trained, served=graph)


def _alone(trial: Trial) -> list[Trial]:
    """A few of the rows, a trial each."""
    return [
        Trial(check="single_rows", rows=[trial.rows[row]], twins=trial.twins[row : row + 1])
        for row in spread(len(trial.rows), SINGLE_ROWS)
    ]


def _one_by_one(parts: Iterable[Sequence[Trial]], original: Original, model: Model) -> Tried:
    """Each row alone, on both sides: an answer must not depend on its neighbours."""
    each = [_try(trial, original, model) for part in parts for trial in part]
    trained, served = (
        {name: np.concatenate([getattr(one, side)[name] for one in each]) for name in each[0].trained}
        for side in ("trained", "served")
    )
    twins = [one.twins[0] if one.twins else None for one in each]
    return Tried(check="single_rows", rows=[one.rows[0] for one in each], twins=twins, trained=trained, served=served)


def _mismatch(tried: Tried, row: int, difference: Difference) -> Mismatch:
    return Mismatch(
        check=tried.check,
        row=tried.rows[row],
        trained=_answer(tried.trained, row),
        served=_answer(tried.served, row),
        difference=float(difference.apart[row]),
    )


def _answer(answers: dict[str, Array], row: int) -> dict[str, Any]:
    """One row's answers, but for an output that gives fewer answers than it was given rows."""
    return {name: values[row : row + 1].tolist()[0] for name, values in answers.items() if row < len(values)}


def _replay(tried: Sequence[Tried]) -> Replay:
    """Rows of every kind, half of them ordinary, whose answers JSON can hold."""
    hostile = [one for one in tried[1:] if one.check != "single_rows"]
    share = {one.check: REPLAYED // 2 // len(hostile) for one in hostile} | {tried[0].check: REPLAYED // 2}
    instances: list[Row] = []
    outputs: dict[str, list[Any]] = {name: [] for name in tried[0].trained}
    for one in (tried[0], *hostile):
        finite = np.setdiff1d(np.flatnonzero(_finite(one.trained)), one.undecided)
        chosen = finite[spread(len(finite), share[one.check])]
        instances += [one.rows[index] for index in chosen]
        for name, values in one.trained.items():
            outputs[name] += values[chosen].tolist()
    return Replay(instances=instances, outputs=outputs)


def _finite(trained: dict[str, Array]) -> Array:
    numbers = [np.isfinite(values.reshape(len(values), -1)).all(axis=1) for n, values in trained.items() if n != LABEL]
    found: Array = np.logical_and.reduce(numbers) if numbers else np.full(len(trained[LABEL]), True)
    return found
