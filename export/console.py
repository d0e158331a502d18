"""What the commands print: how far they are, and why they failed, without a traceback."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import click

from export.errors import ExportError, Mismatch, ParityError


class ConvertedWrong(click.ClickException):
    exit_code = 1


class CannotExport(click.ClickException):
    exit_code = 2


class Interrupted(click.ClickException):
    exit_code = 130  # as shells have it: 128 + SIGINT


class Progress:
    """A line for each stage as it begins, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def __call__(self, stage: str) -> None:
        click.echo(f"{time.perf_counter() - self._started:6.1f} s  {stage}", err=True)


@contextmanager
def plainly() -> Iterator[None]:
    """Failures as click prints them. What a model itself prints goes to stderr: stdout is for data."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except ParityError as error:
        raise ConvertedWrong("\n".join([str(error), *table(error.mismatches)])) from error
    except ExportError as error:
        raise CannotExport(str(error)) from error
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted; nothing was published") from error


def table(mismatches: Sequence[Mismatch]) -> list[str]:
    """The worst rows, a line each."""
    return [f"{'check':<12} {'difference':>10}  trained | served | row", *map(_line, mismatches)]


def _line(mismatch: Mismatch) -> str:
    answers = " | ".join(_short(side) for side in (mismatch.trained, mismatch.served, mismatch.row))
    return f"{mismatch.check:<12} {mismatch.difference:>10.2g}  {answers}"


def _short(values: Mapping[str, Any], limit: int = 120) -> str:
    text = ", ".join(
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    )
    return text if len(text) <= limit else text[: limit - 1] + "…"
