from __future__ import annotations

import re

import pytest

from app import errors
from app.errors import CallFailed, InternalError, ModelNotFound, ServingError, VersionNotFound, quoted, similar
from app.protocols.statuses import STATUSES


def family(error: type[ServingError]) -> set[type[ServingError]]:
    return {error}.union(*(family(child) for child in error.__subclasses__()))


def test_the_docstring_draws_the_tree() -> None:
    drawn = re.findall(r"^[│├└─ ]*(\w+)", errors.__doc__ or "", flags=re.MULTILINE)
    assert {error.__name__ for error in family(ServingError)} <= set(drawn)


def test_every_error_that_is_raised_has_a_status_and_a_code_of_its_own() -> None:
    served = family(ServingError) - family(CallFailed)
    raised = {error for error in served if not error.__subclasses__()} | {InternalError}
    assert set(STATUSES) == raised
    assert len({error.code for error in raised}) == len(raised)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("iris", "'iris'"), ("a\nb", r"'a\nb'"), ("\x1b[31m", r"'\x1b[31m'"), ("x" * 200, f"'{'x' * 79}…'")],
)
def test_quoted_text_cannot_break_out_of_a_line(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_a_near_miss_is_recognised() -> None:
    assert similar("Carier", ["carrier", "origin"]) == "carrier"
    assert similar("zzz", ["carrier", "origin"]) is None


def test_a_missing_model_is_met_with_what_there_is() -> None:
    assert str(ModelNotFound("irs", ["iris", "flights"])) == "There is no model 'irs'. Did you mean 'iris'?"
    assert str(VersionNotFound("iris", "9", ["1", "2"])) == "Model 'iris' has no version '9'. There is: 1, 2."
    assert str(ModelNotFound("x", [])) == "There is no model 'x'."
