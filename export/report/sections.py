"""The sections of the page, each a function of what is reported; one that has nothing to say gives nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

import numpy as np

from app.bundle import Manifest
from app.inspect import added, flat, listed, trained, verdict
from app.parity import LABEL
from app.signature import Array, Feature, Signature
from app.words import expectation
from export.errors import Mismatch
from export.parity import Comparison
from export.report import charts
from export.report.html import Html, joined, table, tag

CHECKS = {
    "sample": "rows that the model was trained on",
    "example": "the row that the documentation shows",
    "thresholds": "on and beside the splits of trees",
    "boundaries": "neighbouring numbers between which the answer changes",
    "beside_boundaries": "a little off them, where no last bit decides",
    "near_equal": "numbers that only a double tells apart",
    "magnitudes": "the largest, the smallest and zero",
    "missing": "each value left out that may be",
    "categories": "every category that is known",
    "unseen": "text that nobody has seen: empty, foreign, odd",
    "single_rows": "rows asked one by one, as clients do",
}
"""What each kind of rows is, for people."""

_WITHIN, _ANSWERS = 5, 4
"""Rows shown where all agree, and answers shown of a row."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is reported: a model under its name, its contract, and both answers to every row that was tried."""

    name: str
    manifest: Manifest
    comparison: Comparison


Section = Callable[[Subject], Html]


def heading(subject: Subject) -> Html:
    """What was exported, and the verdict in a sentence."""
    certificate, failure = subject.comparison.certificate, subject.comparison.failure
    kind = subject.manifest.signature.kind.replace("_", " ")
    exact = certificate.exact and f"Exact for every input, by argument: {', '.join(certificate.exact)}."
    return joined(
        [
            tag("header", tag("h1", subject.name, " ", tag("small", kind)), tag("p", subject.manifest.description)),
            tag(
                "div",
                tag("strong", "Served differs from trained" if failure else "Served equals trained"),
                tag("p", f"{failure}. Nothing was published." if failure else verdict(certificate)),
                *([tag("p", exact)] if exact else []),
                class_="verdict no" if failure else "verdict yes",
            ),
        ]
    )


def pictures(subject: Subject) -> Html:
    """Trained against served on the sample, and the worst difference of each kind of rows."""
    parts = []
    if drawn := _scatter(subject):
        parts.append(_figure("Every served answer against the trained model’s", drawn))
    tried, tolerance = subject.comparison.tried, subject.comparison.certificate.tolerance
    drawn = charts.differences([one.check for one in tried], subject.comparison.differences, tolerance)
    parts.append(_figure("The worst difference, by kind of rows", drawn))
    return tag("section", *parts, class_="pictures")


def labelled(subject: Subject) -> Html:
    """What rows with their true answers, kept apart from training, say of decisions and of how sure answers are."""
    costs, found = subject.manifest.certificate.costs, subject.manifest.certificate.coverage
    parts = []
    if costs:
        told = f"{costs.cost:.4g} a row at the threshold {costs.threshold:.4g}, the least on {costs.rows:,} rows"
        parts.append(_figure("What decisions cost", joined([charts.costs(costs), tag("p", told, class_="legend")])))
    if found:
        sure = f"95 % confidence: {found.low:.3f} to {found.high:.3f}"
        told = f"{found.measured:.3f} on {found.rows:,} rows ({sure}); mean size {found.mean_size:.4g}"
        drawn = joined([charts.coverage(found), tag("p", told, class_="legend")])
        parts.append(_figure("How often the truth is held", drawn))
    return tag("section", *parts, class_="pictures") if parts else Html("")


def checks(subject: Subject) -> Html:
    """What was tried, how often, and what came of it."""
    rows = [
        [
            _plain(one.check),
            CHECKS.get(one.check, ""),
            f"{len(one.rows):,}",
            f"{len(found.rows):,}",
            f"{found.worst:.2g}",
        ]
        for one, found in zip(subject.comparison.tried, subject.comparison.differences, strict=True)
    ]
    head = ["Check", "Rows", "Tried", "Differ", "Worst difference"]
    return _section("What was tried", table(head, rows, numeric=(2, 3, 4)))


def worst_rows(subject: Subject) -> Html:
    """The rows that differ most, with both answers."""
    found = subject.comparison.worst
    if not found:
        return Html("")
    rows = [
        [_plain(one.check), *_sides(one, subject.manifest.signature), _values(one.row), _short(one.difference)]
        for one in found[: None if subject.comparison.failure else _WITHIN]
    ]
    title = "The rows that differ" if subject.comparison.failure else "The rows that differ most, within the tolerance"
    return _section(title, table(["Check", "Answer", "Trained", "Served", "Row", "Difference"], rows, numeric=(5,)))


def contract(subject: Subject) -> Html:
    """What the model takes and answers."""
    signature = subject.manifest.signature
    features = [[tag("b", one.name), one.datatype, _takes(one), trained(one)] for one in signature.features]
    answers = [
        [tag("b", one.name), one.datatype, listed(one.classes or one.columns) or "one a row"]
        for one in signature.answers
    ]
    made = [tag("p", tag("b", name), ": ", said) for name, said in added(signature).items()]
    return _section(
        "The contract",
        table(["Feature", "Type", "Takes", "Trained on"], features),
        table(["Answer", "Type", "Values"], answers),
        *made,
    )


def provenance(subject: Subject) -> Html:
    """What it was made from."""
    rows = [[tag("b", _plain(name)), flat(value)] for name, value in subject.manifest.provenance.items()]
    return _section("What it was made from", table(["", ""], rows))


SECTIONS: Sequence[Section] = (heading, pictures, labelled, checks, worst_rows, contract, provenance)


def _scatter(subject: Subject) -> Html | None:
    """The first answer that is numbers, on the rows of the sample and on those that differ; None for labels alone."""
    comparison, sample = subject.comparison, subject.comparison.tried[0]
    name = next((name for name in sample.trained if name != LABEL), None)
    if name is None or any(_shape(one.trained, name) != _shape(one.served, name) for one in comparison.tried):
        return None
    differing = [(o, list(d.rows)) for o, d in zip(comparison.tried, comparison.differences, strict=True) if d.rows]
    was, now = (
        np.concatenate([_numbers(getattr(one, side)[name][rows]) for one, rows in [(sample, slice(None)), *differing]])
        for side in ("trained", "served")
    )
    names = subject.manifest.signature.named[name].columns
    return charts.scatter(was, now, names, range(len(sample.rows), len(was)))


def _numbers(values: Array) -> Array:
    return values.reshape(len(values), -1).astype(np.float64)


def _shape(answers: Mapping[str, Array], name: str) -> tuple[int, ...]:
    return np.shape(answers.get(name, ()))


def _figure(title: str, drawn: Html) -> Html:
    return tag("figure", tag("figcaption", title), drawn)


def _section(title: str, *parts: Html) -> Html:
    return tag("section", tag("h2", title), *parts)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _takes(feature: Feature) -> str:
    return expectation(feature) + (f", in {feature.unit}" if feature.unit else "")


def _sides(found: Mismatch, signature: Signature) -> tuple[Html, Html, Html]:
    """The answers that differ, and the label anyway: their names, the trained and the served ones, a line each."""
    trained_, served = _cells(found.trained, signature), _cells(found.served, signature)
    names = [name for name in trained_ if name == LABEL or trained_[name] != served.get(name)][:_ANSWERS]
    pairs = [(trained_[name], served.get(name, "")) for name in names]
    return (
        joined(tag("div", name) for name in names),
        joined(tag("code", was) for was, _ in pairs),
        joined(_compared(was, now) for was, now in pairs),
    )


def _compared(was: str, now: str) -> Html:
    """The served answer, marked from the first character on that is another."""
    same = next((index for index, pair in enumerate(zip(was, now, strict=False)) if len(set(pair)) > 1), len(was))
    return tag("code", now[:same], tag("mark", now[same:]))


def _cells(answers: Mapping[str, Any], signature: Signature) -> dict[str, str]:
    """Answers number by number, each under the name of its column."""
    found: dict[str, str] = {}
    for name, value in answers.items():
        columns = signature.named[name].columns or (name,)
        found |= dict(zip(columns, map(_value, value if isinstance(value, list) else [value]), strict=False))
    return found


def _values(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in row.items())


def _short(difference: float) -> str:
    return "a label" if isinf(difference) else f"{difference:.2g}"


def _value(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
