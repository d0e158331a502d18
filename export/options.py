"""The options of `servefn export` that have an answer decide, or say how sure it is."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pandas as pd

from app.bundle import Certificate
from export.calibration import COVERAGE
from export.decisions import Band, Costs, Decision, Reject, Threshold, TopK
from export.errors import ExportError

OUTCOMES = ("false_negative", "false_positive", "true_positive", "true_negative")
"""What a file of costs may name; the first two must be there."""

_FILE = click.Path(path_type=Path)
_OPTIONS = [
    click.option("--threshold", type=float, help="Decide for the positive class from this probability on."),
    click.option(
        "--abstain-between",
        type=(float, float),
        metavar="LOW HIGH",
        help="Decide for the positive class from HIGH on, for the other below LOW, and abstain in between.",
    ),
    click.option("--reject-below", type=float, help="Abstain where the likeliest class is less probable than this."),
    click.option("--top-k", type=click.IntRange(min=1), help="Name the likeliest classes, this many."),
    click.option("--cost-fn", type=float, help="Cost of a false negative; the cheapest threshold is found on --rows."),
    click.option("--cost-fp", type=float, help="Cost of a false positive."),
    click.option("--costs", type=_FILE, help=f"A TOML file with the costs of each outcome: {', '.join(OUTCOMES)}."),
    click.option("--rows", type=_FILE, help="Labelled rows that the model was not trained on, to find a threshold by."),
    click.option("--positive", help="The positive class; needed unless the classes are 0 and 1, or the like."),
    click.option(
        "--bounds",
        type=(float, float),
        metavar="LOW HIGH",
        help="Between which a request may decide otherwise; it may not without them.",
    ),
    click.option(
        "--calibration",
        type=_FILE,
        help="Labelled rows that the model was not trained on: answers have intervals, or sets of classes, that hold "
        "the truth as often as --coverage says. Half of the rows measure that.",
    ),
    click.option("--coverage", type=float, default=COVERAGE, show_default=True),
    click.option("--target", help="The column of --rows and --calibration that holds the truth."),
]


def extension_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def extension(given: Mapping[str, Any], read: Callable[[Path], pd.DataFrame]) -> dict[str, Any]:
    """The arguments of `export_model` that the options stand for; `read` reads a table. Raises ExportError."""
    return {
        "decision": _decision(given),
        "held_out": _labelled("rows", given, read),
        "calibration": _labelled("calibration", given, read),
        "coverage": given["coverage"],
    }


def findings(certificate: Certificate) -> list[str]:
    """What the labelled rows said, a line each."""
    lines = []
    if costs := certificate.costs:
        lines.append(f"threshold {costs.threshold:.4g} costs least on {costs.rows} rows: {costs.cost:.4g} a row")
    if found := certificate.coverage:
        likely = f"95 % confidence: {found.low:.3f} to {found.high:.3f}"
        lines.append(f"coverage {found.declared:g} declared, {found.measured:.3f} on {found.rows} rows ({likely})")
    return lines


def _decision(given: Mapping[str, Any]) -> Decision | None:
    positive, bounds = given["positive"], given["bounds"]
    asked: dict[str, Decision] = {}
    if given["threshold"] is not None:
        asked["--threshold"] = Threshold(given["threshold"], positive, bounds)
    if given["abstain_between"] is not None:
        low, high = given["abstain_between"]
        asked["--abstain-between"] = Band(low, high, positive, bounds)
    if given["reject_below"] is not None:
        asked["--reject-below"] = Reject(given["reject_below"], bounds)
    if given["top_k"] is not None:
        asked["--top-k"] = TopK(given["top_k"], bounds)
    if costs := _costs(given):
        asked["--costs" if given["costs"] else "--cost-fn"] = Costs(**costs, positive=positive, bounds=bounds)
    if len(asked) > 1:
        raise ExportError(f"{' and '.join(asked)} are different decisions; name one")
    if not asked and (positive is not None or bounds is not None):
        raise ExportError("--positive and --bounds belong to a decision, such as --threshold")
    return next(iter(asked.values()), None)


def _costs(given: Mapping[str, Any]) -> dict[str, float]:
    """Outcome -> cost; empty if none is given."""
    said = {"false_negative": given["cost_fn"], "false_positive": given["cost_fp"]}
    found = {name: cost for name, cost in said.items() if cost is not None}
    if given["costs"]:
        found |= _costs_file(given["costs"])
    if found and not set(OUTCOMES[:2]) <= set(found):
        raise ExportError("name the cost of a false negative and that of a false positive: --cost-fn 5 --cost-fp 1")
    return found


def _costs_file(path: Path) -> dict[str, float]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ExportError(f"cannot read {path}: {error}") from error
    for name, cost in document.items():
        if name not in OUTCOMES or isinstance(cost, bool) or not isinstance(cost, int | float):
            raise ExportError(f"{path}: '{name}' is no cost; it may have numbers for {', '.join(OUTCOMES)}")
    return document


def _labelled(
    option: str, given: Mapping[str, Any], read: Callable[[Path], pd.DataFrame]
) -> tuple[pd.DataFrame, pd.Series[Any]] | None:
    """Rows without the target, and the target."""
    path, target = given[option], given["target"]
    if path is None:
        return None
    if target is None:
        raise ExportError(f"--{option} needs --target, the column that holds the truth")
    table = read(path)
    if target not in table.columns:
        raise ExportError(f"{path} has no column '{target}' to be the target")
    if table[target].isna().any():
        raise ExportError(f"the target '{target}' is missing in some rows of {path}")
    return table.drop(columns=[target]), table[target]
