"""What a case of the matrix is, and the few ways in which cases are written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.matrix.data import DATA

Fitted = tuple[Any, Any]
"""A fitted model, and the sample it is exported with."""


@dataclass(frozen=True)
class Case:
    """One model to export. `build` fits it, in the worker that tries it."""

    family: str
    name: str
    build: Callable[[], Fitted]


def fits(family: str, data: str, *models: Any, **named: Any) -> list[Case]:
    """Cases of these estimators, each fitted on the data of that name; without a name of their own, by their text."""
    pairs = [(_text(model), model) for model in models] + list(named.items())
    return [Case(family, f"{name} · {data}", _build(model, data)) for name, model in pairs]


def known(groups: Iterable[list[Case]]) -> dict[str, Case]:
    """All cases by name. A name used twice is an error."""
    found: dict[str, Case] = {}
    for case in (case for group in groups for case in group):
        if case.name in found:
            raise ValueError(f"two cases are named {case.name!r}")
        found[case.name] = case
    return found


def _build(model: Any, data: str) -> Callable[[], Fitted]:
    def build() -> Fitted:
        np.random.seed(0)  # for estimators that take no seed
        rows, target = DATA[data].rows, DATA[data].target
        return (model.fit(rows) if target is None else model.fit(rows, target)), rows

    return build


def _text(model: Any) -> str:
    """The estimator as its repr has it, without what says nothing of its kind."""
    return re.sub(r",? ?random_state=0", "", re.sub(r"\s+", " ", repr(model))).replace("(, ", "(")
