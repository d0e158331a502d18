"""The matrix's own runner: how a case can end, and that a bundle that answers wrong is found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from export import export_model
from tests.matrix import check as checking
from tests.matrix import report
from tests.matrix.case import Case, known
from tests.matrix.cases import CASES
from tests.matrix.data import DATA
from tests.matrix.outcome import Ending, Outcome
from tests.matrix.run import attempt, run
from tests.matrix.splits import splits
from tests.test_export import Leaning

NUMBERS, AMOUNT = DATA["amount"].rows, DATA["amount"].target
THREE = DATA["three classes"].target


def test_the_matrix_is_large_and_its_names_are_distinct() -> None:
    assert len(CASES) > 425
    assert {"xgboost", "lightgbm", "catboost", "text", "wrappers", "pipelines"} <= {c.family for c in CASES.values()}
    twice = Case("a", "same", lambda: (Ridge(), NUMBERS))
    with pytest.raises(ValueError, match="two cases are named 'same'"):
        known([[twice], [twice]])


@pytest.mark.parametrize(
    ("name", "ending", "reason"),
    [
        ("DecisionTreeClassifier() · three classes", Ending.RIGHT, ""),
        ("log of one column | Ridge · mixed, amount", Ending.RIGHT, ""),
        ("Tfidf | LogisticRegression · texts, two classes", Ending.RIGHT, ""),
        ("a lambda | Ridge · mixed, amount", Ending.REFUSED, "runs Python"),
        ("DBSCAN() · scaled, three classes", Ending.REFUSED, "neither predict nor transform"),
    ],
)
def test_cases_end_as_they_should(name: str, ending: Ending, reason: str) -> None:
    found = attempt(CASES[name])
    assert (found.ending, found.family) == (ending, CASES[name].family)
    assert reason in found.reason
    assert (found.rows > 500) == (ending is Ending.RIGHT)


def test_a_wrong_conversion_is_stopped_by_parity() -> None:
    found = attempt(Case("own", "leaning", lambda: (Leaning().fit(NUMBERS, AMOUNT), NUMBERS)))
    assert (found.ending, "rows are answered otherwise" in found.reason) == (Ending.STOPPED, True)


@pytest.mark.parametrize("other", [LinearRegression(fit_intercept=False), Ridge(alpha=1e-2)])
def test_a_bundle_of_another_model_is_found_wrong(other: Any, tmp_path: Path) -> None:
    path = export_model(LinearRegression().fit(NUMBERS, AMOUNT), NUMBERS, tmp_path, "m").path
    assert not checking.check(LinearRegression().fit(NUMBERS, AMOUNT), NUMBERS, path).fault
    found = checking.check(other.fit(NUMBERS, AMOUNT), NUMBERS, path)
    assert "its own sample" in found.fault
    assert found.worst > 1e-5


def test_a_threshold_off_by_one_ulp_is_found_wrong(tmp_path: Path) -> None:
    """Ordinary rows would never tell."""
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(NUMBERS, THREE)
    path = export_model(model, NUMBERS, tmp_path, "m").path
    state = model.tree_.__getstate__()
    state["nodes"]["threshold"] *= 1 + 1e-7
    model.tree_.__setstate__(state)
    assert "thresholds" in checking.check(model, NUMBERS, path).fault


def test_answering_what_the_original_refuses_is_wrong(tmp_path: Path) -> None:
    holed = DATA["missing, three classes"].rows
    path = export_model(DecisionTreeClassifier(random_state=0).fit(holed, THREE), holed, tmp_path, "m").path
    found = checking.check(_Strict(random_state=0).fit(holed, THREE), holed, path)
    assert "answered, and the original refuses (no holes)" in found.fault


class _Strict(DecisionTreeClassifier):  # type: ignore[misc]  # scikit-learn is untyped
    """Learns from missing values, and refuses them afterwards."""

    def predict(self, X: Any) -> Any:  # noqa: N803  # scikit-learn's name
        if (X != X).any():
            raise ValueError("no holes")
        return super().predict(X)


@pytest.mark.parametrize("data", ["three classes", "missing, three classes"])
def test_splits_are_those_of_the_trees(data: str) -> None:
    model = DecisionTreeClassifier(random_state=0).fit(DATA[data].rows, DATA[data].target)
    inner = model.tree_.feature >= 0
    found = splits({"deep": [model]}, [f"x{index}" for index in range(6)])
    assert sorted(v for values in found.values() for v in values) == sorted(
        {v for v in model.tree_.threshold[inner] if np.isfinite(v)}
    )


def test_workers_end_alone() -> None:
    """A case that its process does not know fails in that process, and one that takes too long is ended."""
    unknown = Case("own", "unknown", lambda: (GaussianNB(), NUMBERS))
    assert [one.reason for one in run([unknown], 1, 60)] == ["its process ended with exit code 1"]
    slow = CASES["TSNE() · numbers"]
    assert [one.reason for one in run([slow], 1, 0)] == ["took longer than 0 s"]


def test_the_report_has_every_case_with_its_reason() -> None:
    outcomes = [
        Outcome(case="A", family="trees", ending=Ending.RIGHT, worst=1e-16, rows=9),
        Outcome(case="B | C", family="trees", ending=Ending.REFUSED, reason="use\nanother"),
        Outcome(case="D", family="text", ending=Ending.WRONG, reason="off"),
    ]
    text, picture = report.markdown(outcomes), report.picture(outcomes)
    assert "| trees | 1 | 1 | 0 | 0 | 0 |" in text
    assert "| **all** | 1 | 1 | 0 | 0 | 1 |" in text
    assert "| `A` | right | 1.0e-16 |  |" in text
    assert "| `B \\| C` | refused |  | use another |" in text
    assert "1 of 3 cases" in picture
    assert "published and wrong: 1" in picture
