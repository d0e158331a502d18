"""servefn export: a fitted model from a file, to a bundle under models/."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import joblib
import pandas as pd

from export.contract import ContractFile, read_contract
from export.errors import ExportError, Mismatch, ParityError, first_line
from export.exporter import TOLERANCE, export_model


class _ConvertedWrong(click.ClickException):
    exit_code = 1


class _CannotExport(click.ClickException):
    exit_code = 2


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
@click.option("--tolerance", type=float, default=TOLERANCE, show_default=True, help="By what numbers may differ.")
def export(
    model: Path,
    sample: Path,
    name: str,
    version: int | None,
    models: Path,
    key: str | None,
    contract: Path | None,
    tolerance: float,
) -> None:
    """Export a fitted scikit-learn model as a bundle that servefn serves.

    MODEL.joblib is a pickle, and loading a pickle runs whatever code is in it: export only files you trust. (What is
    published holds no code; the server never opens a pickle.)

    The sample says what the features are: names, types, missing values, categories, ranges. Then the graph is compared
    with the model itself, on the sample and on hostile rows. If one answer differs, nothing is published, the worst
    rows are printed, and the exit code is 1. A model or an input that cannot be exported exits with 2.

    The path of what was published is printed on stdout, and all else on stderr.
    """
    with _plainly():
        said = read_contract(contract) if contract else ContractFile()
        report = export_model(
            _model(model),
            _sample(sample),
            models,
            name,
            version,
            key=key or said.key,
            features=said.features,
            description=said.description,
            tolerance=tolerance,
            progress=lambda stage: click.echo(f"{stage} …", err=True),
        )
    found = report.certificate
    click.echo(f"{found.rows} rows compared, worst difference {found.worst:.2g}, no label differs", err=True)
    click.echo(report.path)


@contextmanager
def _plainly() -> Iterator[None]:
    """Failures as click prints them, without a traceback."""
    try:
        yield
    except ParityError as error:
        raise _ConvertedWrong("\n".join([str(error), *_table(error)])) from error
    except ExportError as error:
        raise _CannotExport(str(error)) from error


def _model(path: Path) -> Any:
    """What a joblib file holds; warnings of other versions of scikit-learn go to stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            loaded = joblib.load(path)
        except OSError as error:
            raise ExportError(f"cannot read {path}: {error.strerror or error}") from error
        except Exception as error:  # unpickling runs code, which raises what it likes
            raise ExportError(
                f"{path} does not load as a joblib pickle ({type(error).__name__}: {first_line(error)}); save the "
                "model with joblib.dump, and export it where its libraries are installed"
            ) from error
    for warning in caught:
        click.echo(f"warning: {warning.message}".splitlines()[0], err=True)
    return loaded


def _sample(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return _csv(path)
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # pandas' and pyarrow's errors of parsing
        raise ExportError(f"cannot read {path}: {first_line(error)}") from error
    raise ExportError(f"the sample {path} is neither .csv nor .parquet")


def _csv(path: Path) -> pd.DataFrame:
    """A table, whose columns pandas would rename silently where two have one name."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0]
    if header.duplicated().any():
        raise ExportError(f"the sample has several columns named '{header[header.duplicated()].iloc[0]}'")
    return pd.read_csv(path)


def _table(error: ParityError) -> list[str]:
    """The worst rows, a line each."""
    lines = [f"{'check':<12} {'difference':>10}  trained | served | row"]
    return lines + [_line(mismatch) for mismatch in error.mismatches]


def _line(mismatch: Mismatch) -> str:
    answers = " | ".join(_short(side) for side in (mismatch.trained, mismatch.served, mismatch.row))
    return f"{mismatch.check:<12} {mismatch.difference:>10.2g}  {answers}"


def _short(values: Any, limit: int = 120) -> str:
    text = ", ".join(
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    )
    return text if len(text) <= limit else text[: limit - 1] + "…"


if __name__ == "__main__":
    export()
