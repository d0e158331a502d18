"""What a run found, as text: for a terminal, and as docs/benchmark.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median as middle

from bench.measure import SIZES, Point, Round, Rounds, median, ratio
from bench.models import MODELS
from bench.servers import FLOOR, HAND_WRITTEN, SERVEFN, Server
from bench.wrk import Load

NOTHING = "–"
FIGURE = re.compile(rf"[\d,.]+|{NOTHING}")
Figure = Callable[[Load], float]

METHOD = """One server process on one core, wrk on another; each server in turn, round after round. The figures are \
medians over the rounds; a ratio is the median of the ratios within each round. *1 row × 16* is 1 row in a request and \
16 connections, each with one request under way. Where a service's author writes its decoding, rows come by name, as \
servefn's do; where the server decides, they come as it takes them fastest. Before it is measured, a server must \
answer what scikit-learn answers, to 1e-5; with one answer other than 2xx it has no figures. *CPU* is the processor \
time of the server and its children per request, which other work on the machine disturbs least; *by CPU* is the ratio \
of those. *Ready* is the time from the start of the command until each model has answered its first prediction; *RSS* \
is after the load, of the process and its children."""


@dataclass(frozen=True)
class Goal:
    """A ratio to reach: one figure at one point, against another server."""

    what: str
    figure: Figure
    size: tuple[int, int]
    other: Server
    sign: str
    limit: float
    models: tuple[str, ...] = MODELS

    def met(self, value: float) -> bool:
        return value >= self.limit if self.sign == "≥" else value <= self.limit


def per_second(load: Load) -> float:
    return load.per_second


def p50(load: Load) -> float:
    return load.p50


def p99(load: Load) -> float:
    return load.p99


def used(load: Load) -> float:
    """Server's processor time for a request."""
    return load.cpu


def per_used(load: Load) -> float:
    """Requests that a core has time for."""
    return 1 / load.cpu


GOALS = (
    Goal("req/s, 16 connections", per_second, (1, 16), FLOOR, "≥", 0.75),
    Goal("req/s, 64 connections", per_second, (1, 64), FLOOR, "≥", 0.70),
    Goal("p50, 1 connection", p50, (1, 1), FLOOR, "≤", 1.5),
    Goal("rows/s, 100 rows, 16 connections", per_second, (100, 16), HAND_WRITTEN, "≥", 8, ("logistic",)),
)

COMPARED = {FLOOR.name, SERVEFN.name, HAND_WRITTEN.name}
"""The servers that the goals are about."""


def tables(servers: Sequence[Server], rounds: Rounds) -> str:
    """Every figure as Markdown, which reads well in a terminal too."""
    compared = ["### servefn against the others", goals(rounds)] if rounds.keys() >= COMPARED else []
    measured = [server for server in servers if server.name in rounds]
    parts = chain.from_iterable(_tables(measured, rounds, model) for model in MODELS)
    return "\n\n".join([*compared, *parts, "### Start and memory", _sizes(measured, rounds)])


def goals(rounds: Rounds) -> str:
    """The ratios that servefn is built to reach, with those of the hand-written service beside them."""
    rows = []
    for goal in GOALS:
        for model in goal.models:
            point = Point(model, *goal.size)
            found = [_ratio(rounds, each, goal, point, goal.figure) for each in (SERVEFN, HAND_WRITTEN)]
            by_cpu = f"{_ratio(rounds, SERVEFN, goal, point, per_used):.2f}" if goal.figure is per_second else NOTHING
            verdict = "yes" if goal.met(found[0]) else "no"
            against = f"{goal.what} / {goal.other.name}"
            rows.append(
                [against, model, f"{goal.sign} {goal.limit:g}", *(f"{each:.2f}" for each in found), by_cpu, verdict]
            )
    return grid(["ratio", "model", "goal", SERVEFN.name, HAND_WRITTEN.name, "servefn by CPU", "met"], rows)


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with columns lined up: words to the left, figures to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(head))]
    right = [all(FIGURE.fullmatch(line[column]) for line in lines[1:]) for column in range(len(head))]
    rule = [f"{'-' * (width - 1)}:" if flush else "-" * width for width, flush in zip(widths, right, strict=True)]
    cells = [
        [each.rjust(w) if flush else each.ljust(w) for each, w, flush in zip(line, widths, right, strict=True)]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [cells[0], rule, *cells[1:]])


def _tables(servers: Sequence[Server], rounds: Rounds, model: str) -> Iterator[str]:
    for size in SIZES:
        point = Point(model, *size)
        figures = {server: _figures(rounds[server.name], point) for server in servers if model in server.models}
        yield f"**{model}, {point.rows} {'row' if point.rows == 1 else 'rows'} × {point.connections}**"
        head = ["server", "req/s", "rows/s", "p50 ms", "p99 ms", "CPU µs"]
        yield grid(head, ([server.title, *cells] for server, cells in figures.items()))


def _figures(rounds: Sequence[Round], point: Point) -> list[str]:
    rate, half, most, cpu = (median(rounds, point, figure) for figure in (per_second, p50, p99, used))
    return [f"{rate:,.0f}", f"{rate * point.rows:,.0f}", _milliseconds(half), _milliseconds(most), f"{cpu:,.0f}"]


def _sizes(servers: Sequence[Server], rounds: Rounds) -> str:
    def row(server: Server) -> list[str]:
        own = rounds[server.name]
        return [
            server.title,
            server.wire.title if server.wire else NOTHING,
            f"{middle(each.ready for each in own):.2f}",
            f"{middle(each.resident for each in own):.0f}",
        ]

    return grid(["server", "its JSON", "ready after s", "RSS MB"], map(row, servers))


def _ratio(rounds: Rounds, server: Server, goal: Goal, point: Point, figure: Figure) -> float:
    return ratio(rounds[server.name], rounds[goal.other.name], point, figure)


def _milliseconds(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def page(
    servers: Sequence[Server],
    rounds: Rounds,
    left_out: Mapping[str, str],
    setting: Sequence[tuple[str, str]],
    command: str,
) -> str:
    """docs/benchmark.md."""
    missing = [f"- {name}: {reason}" for name, reason in left_out.items()]
    return (
        "\n\n".join(
            [
                "# How fast",
                "Written by `make bench` or `make bench-peers`; do not edit by hand.",
                "![Requests and rows per second, by server](benchmark.svg)",
                METHOD,
                tables(servers, rounds),
                *(["### Left out", "\n".join(missing)] if missing else []),
                "### The run",
                grid(["what", "which"], setting),
                f"```\n{command}\n```",
                _commands(servers, rounds),
            ]
        )
        + "\n"
    )


def _commands(servers: Sequence[Server], rounds: Rounds) -> str:
    lines = [f"taskset -c 0 {server.shown()}" for server in servers if server.name in rounds]
    return "How each server was started:\n\n```\n" + "\n".join(lines) + "\n```"
