"""servefn export: a fitted model from a file, to a bundle under models/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from app.inspect import verdict
from export.console import Progress, plainly
from export.contract import ContractFile, read_contract
from export.errors import ExportError
from export.exporter import TOLERANCE, export_model
from export.files import read_model, read_table
from export.options import extension, extension_options, findings


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.joblib")
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    required=True,
    help="Rows the model was trained on, some hundreds or more: .parquet or .csv.",
)
@click.option("--name", required=True, help="The model's name: a-z, 0-9, '.', '_' and '-'.")
@click.option("--version", type=click.IntRange(min=1), help="The next free one by default; never overwrites.")
@click.option("--models", type=click.Path(path_type=Path), default=Path("models"), show_default=True)
@click.option("--key", help="The sample's column that identifies rows. It is no feature, and rides beside them.")
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    help="A TOML file: description, key, and by [features.NAME] description, unit, minimum, maximum, categories, "
    "nullable, example.",
)
@click.option(
    "--provenance",
    multiple=True,
    metavar="KEY=VALUE",
    help="What you know of the training, such as split=2013-01/2013-06 or seed=0. May be given several times.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the comparison as a page of HTML, whether the answers agree or not.",
)
@click.option("--sign", type=click.Path(path_type=Path), help="A private key (servefn key) that signs the bundle.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=TOLERANCE,
    show_default=True,
    help="By how much a number may differ, relative to the larger of it and 1. A label may never.",
)
@extension_options
def export(
    model: Path,
    sample: Path,
    name: str,
    version: int | None,
    models: Path,
    key: str | None,
    contract: Path | None,
    provenance: Sequence[str],
    report: Path | None,
    sign: Path | None,
    tolerance: float,
    **beyond: Any,
) -> None:
    """Export a fitted model as a bundle that servefn serves.

    \b
      servefn export model.joblib --sample rows.parquet --name churn
      servefn export model.joblib --sample rows.csv --name churn --key customer \\
        --contract contract.toml --provenance seed=0 --report churn.html

    MODEL.joblib is a pickle, and loading a pickle runs whatever code is in it: export only files you trust. (What is
    published holds no code; the server never opens a pickle.)

    The sample says what the features are: names, types, missing values, categories, ranges. Then the graph is compared
    with the model itself, on the sample and on hostile rows: on and beside every split, near-equal, huge and tiny
    numbers, missing values, unseen categories, odd text, one row at a time.

    Beyond its label an answer can have a decision (--threshold, --abstain-between, --reject-below, --top-k, --cost-fn
    with --cost-fp, or --costs) and, with --calibration, an interval or a set of classes that holds the truth. A pickled
    dictionary of models by quantile, {0.1: …, 0.5: …, 0.9: …}, is one model that answers these quantiles.

    The exit code is 0 if the bundle is published, and its path is printed on stdout; all else goes to stderr. It is 1
    if an answer differs: the worst rows are printed. It is 2 if a model or an input cannot be exported, and 130 on
    Ctrl-C. Unless it is 0, nothing is published.

    Two exports of the same model have the same bytes but for the time in model.json, and with SOURCE_DATE_EPOCH set
    to seconds since 1970 the time is that.
    """
    progress = Progress()
    with plainly():
        said = read_contract(contract) if contract else ContractFile()
        given = _given(provenance)
        progress("loading the model")
        found = export_model(
            read_model(model),
            read_table(sample),
            models,
            name,
            version,
            key=key or said.key,
            features=said.features,
            description=said.description,
            tolerance=tolerance,
            **extension(beyond, read_table),
            provenance=given,
            report=report,
            sign=sign,
            progress=progress,
        )
    click.echo(verdict(found.certificate), err=True)
    for line in findings(found.certificate):
        click.echo(line, err=True)
    click.echo(found.path)


def _given(pairs: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE as a table; a value that is JSON is what it says, and text otherwise. Raises ExportError."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise ExportError(f"--provenance takes KEY=VALUE, such as seed=0, and not '{pair}'")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


if __name__ == "__main__":
    export()
