"""What the commands are given as files: a model, and rows for it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click
import joblib
import pandas as pd

from export.errors import ExportError, first_line


def read_model(path: Path) -> Any:
    """What a joblib file or a pickle holds; warnings of other versions go to stderr. Raises ExportError."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            loaded = joblib.load(path)
        except OSError as error:
            raise ExportError(f"cannot read {path}: {error.strerror or error}") from error
        except (Exception, SystemExit) as error:  # unpickling runs code, which raises what it likes
            raise ExportError(
                f"{path} does not load as a joblib pickle ({type(error).__name__}: {first_line(error)}); save the "
                "model with joblib.dump, and export it where its libraries are installed"
            ) from error
    for warning in caught:
        click.echo(f"warning: {warning.message}".splitlines()[0], err=True)
    return loaded


def read_table(path: Path) -> pd.DataFrame:
    """A table from .csv or .parquet. Raises ExportError."""
    try:
        if path.suffix == ".csv":
            return _csv(path)
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # pandas' and pyarrow's errors of parsing
        raise ExportError(
            f"cannot read {path} as a table: {first_line(error)}; give a .csv with one header line, or a .parquet"
        ) from error
    raise ExportError(f"{path} is neither .csv nor .parquet")


def _csv(path: Path) -> pd.DataFrame:
    """A table, whose columns pandas would rename silently where two have one name."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0]
    if header.duplicated().any():
        raise ExportError(
            f"the sample has several columns named '{header[header.duplicated()].iloc[0]}'; "
            "columns need names of their own"
        )
    return pd.read_csv(path)
