"""Why a model is not published.

ExportError              the message says what to do; nothing was published
├── UnsupportedModel     the model, or a step of it, cannot be expressed as a graph
└── ParityError          the graph answers otherwise than the model it was made from
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class ExportError(Exception):
    """Base of every failure of an export."""


class UnsupportedModel(ExportError):
    """The model, or a step of it, cannot be expressed as a graph."""


@dataclass(frozen=True)
class Mismatch:
    """One row that the graph answers otherwise than the model, and in which check it was tried."""

    check: str
    row: Mapping[str, Any]
    trained: Mapping[str, Any]
    served: Mapping[str, Any]
    difference: float


class ParityError(ExportError):
    """The graph answers otherwise than the model. `mismatches` has the worst rows first."""

    def __init__(self, message: str, mismatches: Sequence[Mismatch]) -> None:
        super().__init__(message)
        self.mismatches = tuple(mismatches)


@contextmanager
def explained() -> Iterator[None]:
    """Whatever a model raises becomes an ExportError: any attribute or method of it may run anybody's code."""
    try:
        yield
    except ExportError:
        raise
    except (Exception, SystemExit) as error:
        raise UnsupportedModel(
            f"nobody foresaw how this model fails ({type(error).__name__}: {first_line(error)}); "
            "export_model in Python shows where"
        ) from error


def first_line(error: BaseException) -> str:
    """What another library's error says, short enough to be part of a message."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)[:200]
