"""What a script gets on its standard input: where the service is, and rows with the native protocol's answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class Given(NamedTuple):
    """`iris` and `flights` hold `rows`, objects by feature, and by row their `label` and `probabilities`, in the order
    of the classes. `http` and `grpc` are HOST:PORT; where no model is named, iris answers."""

    http: str
    grpc: str
    iris: dict[str, list[Any]]
    flights: dict[str, list[Any]]


def column(rows: list[Any], name: str) -> list[Any]:
    return [row[name] for row in rows]


def run(*checks: Callable[[Any], Any], on: Callable[[Given], Any] = lambda given: given) -> None:
    """Do each on what is given, and print a line of JSON for it; the first that fails ends the script."""
    given = on(Given(**json.load(sys.stdin)))
    for check in checks:
        check(given)
        print(json.dumps({"checked": check.__name__}), flush=True)  # noqa: T201
