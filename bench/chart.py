"""Bar charts as SVG, by hand: a few rectangles and words that read well on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABELS, VALUES, BAR, GAP, MARGIN = 860, 290, 130, 18, 9, 24
TITLE, FONT = 44, 13

STYLE = """
  .card { fill: #ffffff; stroke: #d0d7de }  .ink { fill: #1f2328 }  .soft { fill: #59636e }
  .bar { fill: #a9b4c0 }  .ours { fill: #1f6feb }  .own { font-weight: 600 }
  text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
  .title { font-size: 15px; font-weight: 600 }  .note { font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d }  .ink { fill: #f0f6fc }  .soft { fill: #9198a1 }
    .bar { fill: #545d68 }  .ours { fill: #4493f8 }
  }"""


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, whether it is the one that the chart is about."""

    label: str
    value: float
    ours: bool = False


@dataclass(frozen=True)
class Panel:
    """Bars on a scale of their own, under a title."""

    title: str
    unit: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return TITLE + len(self.bars) * (BAR + GAP)


def svg(panels: Sequence[Panel], note: str) -> str:
    """The panels, one below the other, and a line of small print."""
    height = 2 * MARGIN + sum(panel.height + MARGIN for panel in panels)
    parts, top = [], MARGIN
    for panel in panels:
        parts += _panel(panel, top)
        top += panel.height + MARGIN
    parts.append(_text(MARGIN, top + 8, note, "note soft"))
    title = escape("; ".join(panel.title for panel in panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{title}">\n<style>{STYLE}\n</style>\n'
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(panel: Panel, top: int) -> list[str]:
    longest = max((bar.value for bar in panel.bars), default=0) or 1
    room = WIDTH - 2 * MARGIN - LABELS - VALUES
    parts = [_text(MARGIN, top + 16, panel.title, "title ink")]
    for index, bar in enumerate(panel.bars):
        y = top + TITLE - 8 + index * (BAR + GAP)
        length = max(1.0, room * bar.value / longest)
        own, fill = (" own", "ours") if bar.ours else ("", "bar")
        parts.append(_text(MARGIN, y + 13, bar.label, f"ink{own}"))
        parts.append(f'<rect class="{fill}" x="{MARGIN + LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="3"/>')
        value = f"{bar.value:,.0f} {panel.unit}"
        parts.append(_text(MARGIN + LABELS + length + 8, y + 13, value, f"soft{own}"))
    return parts


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
