"""Pictures as inline SVG, in the colours of the page: answers, differences by check, costs by threshold, coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.decision import CostCurve
from app.parity import Difference
from app.signature import Array
from app.uncertainty import Coverage
from export.report.html import Html, joined, tag
from export.sample import spread

WIDTH = 440.0
POINTS = 600
"""Points drawn of many: enough for the eye, and few enough for a small file."""

COLOURS = 6
_LEFT, _TOP, _SIDE, _LOW = 58.0, 10.0, 368.0, 200.0
_NAMES, _NOTES, _HEAD = 104.0, 66.0, 30.0
_LEAST = -17
"""The power of ten at which smaller differences are drawn: less than the last bit of an answer near 1."""


def scatter(trained: Array, served: Array, names: Sequence[str], off: Sequence[int]) -> Html:
    """The trained model's answers [rows, columns] against the served ones. The rows `off` stand out."""
    finite = np.isfinite(np.hstack([trained, served])).all(axis=1)
    both = np.concatenate([trained[finite], served[finite], np.zeros((1, trained.shape[1]))])
    axis = _Axis(float(both.min()), float(both.max()))
    width = trained.shape[1]

    def points(rows: Sequence[int], radius: float, kind: str = "") -> Html:
        return joined(
            tag(
                "circle",
                cx=_LEFT + axis.place(trained[row, column]),
                cy=_TOP + _SIDE - axis.place(served[row, column]),
                r=radius,
                class_=kind or f"dot c{column % COLOURS}",
            )
            for row in rows
            if finite[row]
            for column in range(width)
        )

    ordinary = spread(len(trained), max(1, POINTS // width)).tolist()
    diagonal = tag("line", x1=_LEFT, y1=_TOP + _SIDE, x2=_LEFT + _SIDE, y2=_TOP, class_="guide")
    drawn = [_grid(axis), diagonal, points(ordinary, 3.5), points(off[:POINTS], 4.5, "off")]
    picture = _svg(_TOP + _SIDE + 44, "Each served answer against the trained model's", drawn)
    return joined([picture, _legend(names, differ=bool(off))])


def differences(names: Sequence[str], found: Sequence[Difference], tolerance: float) -> Html:
    """The worst difference of each kind of rows on a scale of powers of ten, beside what is tolerated."""
    numbers = [one.worst for one in found if one.worst < math.inf] + [tolerance]
    scale = _Scale(max(math.ceil(math.log10(value)) if value else _LEAST for value in numbers) + 2)
    height = min(max((_SIDE - _HEAD) / len(names), 26.0), 52.0)
    bottom = _HEAD + height * len(names)
    middles = [_HEAD + height * (index + 0.5) for index in range(len(names))]
    rows = [_row(*one, scale) for one in zip(names, found, middles, strict=True)]
    at = scale.place(tolerance)
    limit = tag("line", x1=at, x2=at, y1=_HEAD - 6, y2=bottom, class_="limit")
    said = _text(at, _HEAD - 12, f"tolerated: {tolerance:g}", "limit-name", "middle")
    return _svg(bottom + 30, "The worst difference of each kind of rows", [scale.grid(bottom), *rows, limit, said])


def costs(curve: CostCurve) -> Html:
    """What a row costs by threshold, and the threshold that was chosen."""
    across, up = _Axis(0.0, 1.0), _Axis(min(0.0, *curve.costs), max(curve.costs))
    x = [_LEFT + across.place(value) for value in curve.thresholds]
    y = [_TOP + _LOW - up.place(value) * _LOW / _SIDE for value in curve.costs]
    at = _LEFT + across.place(curve.threshold)
    return _svg(
        _TOP + _LOW + 44,
        "The mean cost of a row at every threshold",
        [
            _ruled(across, _TOP + _LOW),
            *(_level(value, _TOP + _LOW - up.place(value) * _LOW / _SIDE) for value in up.ticks),
            tag("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)), class_="curve"),
            tag("line", x1=at, x2=at, y1=_TOP, y2=_TOP + _LOW, class_="limit"),
            _text(_LEFT + _SIDE / 2, _TOP + _LOW + 36, "threshold", "name", "middle"),
        ],
    )


def coverage(found: Coverage) -> Html:
    """The coverage that was measured with its confidence interval, beside the one that is declared."""
    ends = (found.declared, found.low, found.high)
    axis, middle, bottom = _Axis(min(ends) - 0.02, max(ends) + 0.02), _HEAD + 26.0, _HEAD + 52.0
    low, high, at, declared = (
        _LEFT + axis.place(value) for value in (found.low, found.high, found.measured, found.declared)
    )
    return _svg(
        bottom + 44,
        "The coverage measured, and the one declared",
        [
            _ruled(axis, bottom, _HEAD),
            tag("line", x1=low, x2=high, y1=middle, y2=middle, class_="stem"),
            tag("circle", cx=at, cy=middle, r=5.0, class_="c0"),
            tag("line", x1=declared, x2=declared, y1=_HEAD - 6, y2=bottom, class_="limit"),
            _text(declared, _HEAD - 12, f"declared: {found.declared:g}", "limit-name", "middle"),
            _text(_LEFT + _SIDE / 2, bottom + 36, "share of rows whose truth is held", "name", "middle"),
        ],
    )


@dataclass(frozen=True)
class _Axis:
    """A linear axis as long as the picture's side, a little longer than its values need."""

    low: float
    high: float

    def place(self, value: float) -> float:
        room = (self.high - self.low) or 1.0
        return _SIDE * (0.03 + 0.94 * (float(value) - self.low) / room)

    @property
    def ticks(self) -> list[float]:
        step = 10.0 ** math.floor(math.log10((self.high - self.low) or 1.0))
        step = next(s for s in (step / 5, step / 2, step, 2 * step) if (self.high - self.low) / s <= 6)
        first = math.ceil(self.low / step)
        return [step * index for index in range(first, math.floor(self.high / step) + 1)]


@dataclass(frozen=True)
class _Scale:
    """Powers of ten from the least difference there can be to `last`; zero stands before them."""

    last: int

    def place(self, difference: float) -> float:
        room = WIDTH - _NAMES - _NOTES - 24
        if not difference:
            return _NAMES + 8
        power = min(max(math.log10(difference), _LEAST), self.last) if difference < math.inf else self.last
        return _NAMES + 24 + room * (power - _LEAST) / (self.last - _LEAST)

    def grid(self, bottom: float) -> Html:
        powers = range(_LEAST + 1, self.last + 1, 4)
        lines = {"0": self.place(0.0)} | {f"1e{power}": self.place(10.0**power) for power in powers}
        ticks = (_text(at, bottom + 18, label, "tick", "middle") for label, at in lines.items())
        return joined(
            [*(tag("line", x1=at, x2=at, y1=_HEAD, y2=bottom, class_="grid") for at in lines.values()), *ticks]
        )


def _row(name: str, found: Difference, y: float, scale: _Scale) -> Html:
    at = scale.place(found.worst)
    note, dot = ("off-name", "off") if found.rows else ("tick", "c0")
    said = f"{found.flips} labels" if found.flips else f"{found.worst:.1e}" if found.worst else "equal"
    return joined(
        [
            _text(_NAMES - 8, y + 4, name.replace("_", " "), "name", "end"),
            tag("line", x1=scale.place(0.0), x2=at, y1=y, y2=y, class_="stem"),
            tag("circle", cx=at, cy=y, r=5.0, class_=dot),
            _text(WIDTH - 4, y + 4, said, note, "end"),
        ]
    )


def _ruled(axis: _Axis, bottom: float, top: float = _TOP) -> Html:
    """Upright lines at the ticks of a level axis."""
    places = {f"{value:.6g}": _LEFT + axis.place(value) for value in axis.ticks}
    lines = (tag("line", x1=at, x2=at, y1=top, y2=bottom, class_="grid") for at in places.values())
    return joined([*lines, *(_text(at, bottom + 16, label, "tick", "middle") for label, at in places.items())])


def _level(value: float, y: float) -> Html:
    """A level line at one tick of an upright axis."""
    line = tag("line", x1=_LEFT, x2=_LEFT + _SIDE, y1=y, y2=y, class_="grid")
    return joined([line, _text(_LEFT - 8, y + 4, f"{value:.6g}", "tick", "end")])


def _grid(axis: _Axis) -> Html:
    parts: list[Html] = []
    for value in axis.ticks:
        at = axis.place(value)
        x, y = _LEFT + at, _TOP + _SIDE - at
        parts.append(tag("line", x1=x, x2=x, y1=_TOP, y2=_TOP + _SIDE, class_="grid"))
        parts.append(tag("line", x1=_LEFT, x2=_LEFT + _SIDE, y1=y, y2=y, class_="grid"))
        parts.append(_text(x, _TOP + _SIDE + 16, f"{value:.6g}", "tick", "middle"))
        parts.append(_text(_LEFT - 8, y + 4, f"{value:.6g}", "tick", "end"))
    parts.append(_text(_LEFT + _SIDE / 2, _TOP + _SIDE + 36, "trained model", "name", "middle"))
    middle = _TOP + _SIDE / 2
    title = _text(12, middle, "served", "name", "middle")
    parts.append(tag("g", title, transform=f"rotate(-90 12 {middle:g})"))
    return joined(parts)


def _legend(names: Sequence[str], *, differ: bool) -> Html:
    few = names if 1 < len(names) <= COLOURS else ()
    keys = [(f"c{index}", name) for index, name in enumerate(few)] + ([("off", "differs")] if differ else [])
    return tag("p", *(tag("span", tag("i", class_=kind), name) for kind, name in keys), class_="legend")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> Html:
    return tag("text", text, x=float(x), y=float(y), class_=kind, text_anchor=anchor)


def _svg(height: float, label: str, parts: Sequence[Html]) -> Html:
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", aria_label=label)
