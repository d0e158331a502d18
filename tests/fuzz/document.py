"""What /openapi.json says may be asked, and what it says may not, asked of a real server, operation by operation.

python -m tests.fuzz.document [--examples N]

Every answer must be one that the document promises, and none of 500 or above but an honest 503.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.conftest import MODELS
from tests.test_cli import serving

ROUND = 50
"""Examples of an operation and a mode before the next has its turn: fewer where there are not so many."""

KNOWN = {"name": "iris", "version": "1", "alias": "challenger"}
"""For the half of the paths: what is made up names nothing that there is."""

ASKING = settings(
    max_examples=ROUND,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@dataclass
class Operation:
    """One operation in one mode, and what came of asking for it."""

    label: str
    cases: st.SearchStrategy[Case[Any]]
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    """What was wrong -> the first request of which it was."""

    def ask(self, session: requests.Session | None) -> None:
        """Send another few examples, over a session's connections to a service that is not in this process."""

        @given(case=self.cases, known=st.booleans())
        @settings(ASKING)
        def run(case: Case[Any], known: bool) -> None:
            if known:
                case.path_parameters.update({name: KNOWN[name] for name in case.path_parameters if name in KNOWN})
            response = case.call(session=session)
            self.statuses[response.status_code] += 1
            honest = response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            try:
                case.validate_response(response, checks=CHECKS[1:] if honest else CHECKS)
            except FailureGroup as found:
                said = "; ".join(str(failure) for failure in found.exceptions)
                self.failures.setdefault(f"{response.status_code}: {said}", case.as_curl_command())

        run()


@click.command()
@click.option("--examples", type=click.IntRange(1), default=1000, help="The least number, of all operations together.")
def main(examples: int) -> None:
    """Send so many examples, made from the document, and print what was answered."""
    with tempfile.TemporaryDirectory() as place:
        models = shutil.copytree(MODELS, Path(place, "models"))  # admin's operations change it
        with serving(SERVEFN_MODELS=str(models), SERVEFN_LOG_LEVEL="error") as (_, address):
            operations = list(described(schemathesis.openapi.from_url(f"{address}/openapi.json")))
            with requests.Session() as session:
                known = f"{address}/v2/repository/models/{KNOWN['name']}/load"
                while sum(operation.statuses.total() for operation in operations) < examples:
                    for operation in operations:
                        operation.ask(session)
                        session.post(known)  # it may have been unloaded
    tell(operations)
    sys.exit(any(operation.failures for operation in operations))


def described(schema: OpenApiSchema) -> Iterator[Operation]:
    """Every operation of the document, by examples that it allows and by such that it does not, where there are any."""
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # the document is valid
        for mode in GenerationMode:
            if mode is GenerationMode.POSITIVE or operation.body:
                yield Operation(f"{operation.label} ({mode.value})", operation.as_strategy(generation_mode=mode))


def tell(operations: Sequence[Operation]) -> None:
    every: Counter[int] = Counter()
    for operation in operations:
        every += operation.statuses
        click.echo(line(operation.label, operation.statuses))
    click.echo(line(f"{len(operations)} in all", every))
    for operation in operations:
        for failure, request in operation.failures.items():
            click.echo(f"{operation.label}: {failure}\n  {request}")


def line(name: str, statuses: Counter[int]) -> str:
    said = ", ".join(f"{count:,} of {status}" for status, count in sorted(statuses.items()))
    return f"{name:<70} {statuses.total():>7,} examples: {said}"


if __name__ == "__main__":
    main()
