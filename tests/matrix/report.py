"""docs/parity.md and its picture, from how the cases ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import shorten

import msgspec

from bench.chart import Bar, Panel, svg
from tests.matrix.outcome import Ending, Outcome

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = Path(__file__).parents[2] / "build" / "parity.json"

_HEAD = """# Parity: what is exported, and what is refused

Written by `make parity`, which trains every case below, exports it, loads the bundle as the server does, and compares
it with the original on rows that the exporter did not choose: shuffled and fresh rows, rows on and beside the
thresholds of its trees, values that only float64 tells apart, missing values, unseen categories, odd texts. Right
means: every number within 1e-5 of max(1, |trained|), and every label equal. **Refused** and **stopped by parity** are
not published; the reason says what to do. **Wrong** is published and differs, and must never be.

The exporter's own check accepts two answers where the trained model itself has two: to a row that it answers in one way
alone and in another among others, and to neighbouring doubles between which its answer changes. A little off such a
row, on the sample's own rows, and in outputs that are argued to be exact, one answer alone is right. Such rows are
counted in the certificate. The comparison below knows of no such thing.

![How the cases ended, by family](parity.svg)
"""


def read() -> dict[str, Outcome]:
    """How the cases ended when they were last tried, by name."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Outcome]) if RESULTS.exists() else {}


def keep(outcomes: dict[str, Outcome]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.encode(outcomes))


def write(outcomes: Sequence[Outcome], docs: Path = DOCS) -> None:
    """Write docs/parity.md and docs/parity.svg."""
    (docs / "parity.md").write_text(markdown(outcomes), encoding="utf-8")
    (docs / "parity.svg").write_text(picture(outcomes), encoding="utf-8")


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The totals by family, then each family's cases, first what is not right."""
    by_family = _by_family(outcomes)
    totals = [_totals(family, found) for family, found in by_family.items()]
    parts = [_HEAD, _table(("family", *Ending), [*totals, _totals("**all**", outcomes)])]
    for family, found in by_family.items():
        rows = [_case(one) for one in sorted(found, key=lambda one: (one.ending is Ending.RIGHT, one.ending, one.case))]
        parts.append(f"## {family.capitalize()}\n\n" + _table(("case", "outcome", "worst difference", "reason"), rows))
    return "\n".join(parts)


def picture(outcomes: Sequence[Outcome]) -> str:
    """The share of each family that is right."""
    by_family = _by_family(outcomes)
    bars = [
        Bar(f"{family} ({len(found)})", 100 * _right(found) / len(found), True) for family, found in by_family.items()
    ]
    title = f"Exported and equal: {_right(outcomes)} of {len(outcomes)} cases"
    wrong = sum(one.ending is Ending.WRONG for one in outcomes)
    return svg([Panel(title, "%", bars)], f"The others are refused with the reason; published and wrong: {wrong}.")


def _by_family(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.family].append(outcome)
    return dict(found)


def _right(outcomes: Sequence[Outcome]) -> int:
    return sum(one.ending is Ending.RIGHT for one in outcomes)


def _totals(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    counts = Counter(one.ending for one in outcomes)
    return (name, *(str(counts[ending]) for ending in Ending))


def _case(outcome: Outcome) -> tuple[str, ...]:
    worst = f"{outcome.worst:.1e}" if outcome.ending is Ending.RIGHT else ""
    return f"`{outcome.case}`", outcome.ending, worst, outcome.reason


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return shorten(text, 240, placeholder=" …").replace("|", "\\|")
