"""The report of an export: one HTML file that asks no host for anything, readable in the light and in the dark."""

from __future__ import annotations

from pathlib import Path

from export.errors import ExportError
from export.report.html import Html, joined, tag
from export.report.sections import SECTIONS, Subject

__all__ = ["Subject", "page", "write"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --page: #f6f8fa; --card: #fff; --ink: #1f2328; --soft: #59636e; --line: #d8dee4;
  --yes: #1a7f37; --yes-card: #eafbf0; --no: #cf222e; --no-card: #fff1f0;
  --c0: #1f6feb; --c1: #d4760a; --c2: #1a7f37; --c3: #8250df; --c4: #bf3989; --c5: #0a7d83 }
@media (prefers-color-scheme: dark) {
  :root { --page: #0d1117; --card: #151b23; --ink: #f0f6fc; --soft: #9198a1; --line: #30363d;
  --yes: #3fb950; --yes-card: #12261a; --no: #f85149; --no-card: #2d1619;
  --c0: #4493f8; --c1: #e8963a; --c2: #3fb950; --c3: #ab7df8; --c4: #e275ad; --c5: #39c5cf } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 15px/1.5 -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px 48px }
h1 { font-size: 30px; line-height: 1.2; margin: 0; overflow-wrap: anywhere }
h1 small { font-size: 16px; font-weight: 400; color: var(--soft); margin-left: 6px; white-space: nowrap }
h2 { font-size: 17px; margin: 0 0 12px }
header p { margin: 6px 0 0; color: var(--soft); max-width: 44em }
.verdict { margin: 22px 0 0; padding: 16px 20px; border-radius: 10px; border-left: 5px solid }
.verdict.yes { background: var(--yes-card); border-color: var(--yes) }
.verdict.no { background: var(--no-card); border-color: var(--no) }
.verdict strong { font-size: 20px } .yes strong { color: var(--yes) } .no strong { color: var(--no) }
.verdict p { margin: 4px 0 0 }
section, figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px;
  margin: 20px 0 0; min-width: 0 }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 20px;
  padding: 0; border: 0; background: none }
figure { margin: 0 } figcaption { font-weight: 600; margin-bottom: 10px }
svg { display: block; width: 100%; max-width: 520px; height: auto; margin: 0 auto }
svg text { font-size: 12px; fill: var(--soft) } svg .name { fill: var(--ink); font-size: 13px }
.grid { stroke: var(--line) } .guide { stroke: var(--soft); stroke-dasharray: 4 4 }
.curve { fill: none; stroke: var(--c0); stroke-width: 2 }
.stem { stroke: var(--soft); stroke-width: 2; opacity: .45 } .dot { fill-opacity: .55 }
.limit { stroke: var(--no); stroke-dasharray: 5 4 } svg .limit-name, svg .off-name { fill: var(--no) }
.c0 { fill: var(--c0); background: var(--c0) } .c1 { fill: var(--c1); background: var(--c1) }
.c2 { fill: var(--c2); background: var(--c2) } .c3 { fill: var(--c3); background: var(--c3) }
.c4 { fill: var(--c4); background: var(--c4) } .c5 { fill: var(--c5); background: var(--c5) }
.off { fill: var(--no); background: var(--no) }
.legend { margin: 8px 0 0; font-size: 13px; color: var(--soft); text-align: center }
.legend span { margin: 0 8px; white-space: nowrap }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px }
.wide { overflow-x: auto; margin: 0 -20px; padding: 0 20px } .wide + .wide { margin-top: 18px }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: left; color: var(--soft); font-weight: 500 } th:empty { padding: 0 }
th, td { padding: 6px 20px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top }
th:last-child, td:last-child { padding-right: 0 } tbody tr:last-child td { border-bottom: 0 }
td { overflow-wrap: break-word } td:first-child { white-space: nowrap }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
code { display: block; font: 13px/21px ui-monospace, Menlo, Consolas, monospace; white-space: nowrap }
td div { line-height: 21px; white-space: nowrap } mark { color: var(--c1); background: none; font-weight: 600 }
section > p { margin: 10px 0 0 }
footer { margin-top: 24px; color: var(--soft); font-size: 13px }
@media (max-width: 600px) { main { padding: 20px 12px 32px } section, figure { padding: 14px }
  .wide { margin: 0 -14px; padding: 0 14px } th, td { padding-right: 14px } svg text { font-size: 13px } }
"""


def page(subject: Subject) -> str:
    """The whole page."""
    title = f"{subject.name}: {'differs' if subject.comparison.failure else 'served equals trained'}"
    head = tag(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        tag("title", title),
        tag("style", Html(_STYLE)),
    )
    end = tag("footer", "A difference is |served − trained| / max(1, |trained|). Written by servefn export.")
    body = tag("body", tag("main", joined(section(subject) for section in SECTIONS), end))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def write(path: Path, subject: Subject) -> None:
    """Write the page to a file. Raises ExportError."""
    try:
        path.write_text(page(subject), encoding="utf-8")
    except OSError as error:
        raise ExportError(f"cannot write the report to {path}: {error.strerror}") from error
