"""Publishing: a whole bundle or nothing, the same bytes each time, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.cluster import DBSCAN
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import export
from app import load
from export import ExportError, ParityError, UnsupportedModel, export_model
from export.frameworks import Answers, adapter, predictor
from export.frameworks.native import NativeModel
from export.graph import Columns, Graph
from tests.export_models import AMOUNT, NUMBERS, THREE

RIDGE = Ridge().fit(NUMBERS, AMOUNT)


class Leaning(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A regressor whose conversion, below, is wrong by a hair from 2 on."""

    def fit(self, X: Any, y: Any) -> Leaning:  # noqa: ARG002, N803  # scikit-learn's signature
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.asarray(X)[:, 0]


@predictor(Leaning)
def leaning(graph: Graph, model: Leaning, columns: Columns) -> Answers:  # noqa: ARG001
    value = graph.op("Reshape", graph.matrix(columns[:1]), graph.constant([-1], np.int64))
    over = graph.op("Greater", value, graph.constant(2.0))
    return {"value": graph.op("Add", value, graph.op("Mul", graph.cast(over, 11), graph.constant(1e-3)))}


class Crowd(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer whose answer to a row depends on the rows beside it."""

    def fit(self, X: Any, y: Any = None) -> Crowd:  # noqa: ARG002, N803
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        return np.asarray(X) - np.mean(X, axis=0)


class Slope:
    """A model that is no estimator: it has its own name for everything."""

    width = 4

    def answer(self, rows: Any) -> Any:
        return np.asarray(rows)[:, :2] * 2


@adapter(Slope)
class AdaptedSlope(NativeModel):
    n_features_in_ = Slope.width

    def predict(self, X: Any) -> Any:  # noqa: N803
        return self.model.answer(X)


@predictor(AdaptedSlope)
def slope(graph: Graph, model: AdaptedSlope, columns: Columns) -> Answers:  # noqa: ARG001
    return {"value": graph.op("Mul", graph.matrix(columns[:2]), graph.constant(2.0))}


def test_the_public_names() -> None:
    named = {"ExportError", "ParityError", "Report", "UnsupportedModel", "export_model"}
    assert set(export.__all__) == named | {"Band", "Buckets", "Costs", "Reject", "Threshold", "TopK"}


def test_a_native_model_is_exported_by_its_adapter(tmp_path: Path) -> None:
    report = export_model(Slope(), NUMBERS, tmp_path, "slope")
    served = load(report.path)
    assert (served.predict(NUMBERS)["value"] == NUMBERS[:, :2] * 2).all()
    assert served.manifest.provenance["estimator"] == "tests.Slope"
    with pytest.raises(ExportError, match="the sample has 3 columns, and the model was fitted on 4"):
        export_model(Slope(), NUMBERS[:, :3], tmp_path, "slope")


def test_versions_count_up_and_are_never_overwritten(tmp_path: Path) -> None:
    paths = [export_model(RIDGE, NUMBERS, tmp_path, "m", version).path.name for version in (None, 7, None)]
    assert paths == ["1", "7", "8"]
    before = (tmp_path / "m/7/model.json").read_bytes()
    with pytest.raises(ExportError, match="never overwritten"):
        export_model(RIDGE, NUMBERS, tmp_path, "m", 7)
    assert (tmp_path / "m/7/model.json").read_bytes() == before


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    model = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(NUMBERS, THREE)
    first, second = (export_model(model, NUMBERS, tmp_path / side, "m").path for side in "ab")
    files = sorted(file.name for file in first.iterdir())
    assert files == ["model.json", "model.onnx", "replay.json"]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_the_certificate_says_what_was_tried(tmp_path: Path) -> None:
    model = RandomForestClassifier(5, random_state=0).fit(NUMBERS, THREE)
    report = export_model(model, NUMBERS, tmp_path, "m", tolerance=1e-9, provenance={"seed": 0})
    found = report.certificate
    assert found.tolerance == 1e-9
    assert found.rows == sum(check.rows for check in found.checks.values())
    assert found.checks["sample"].rows == len(NUMBERS)
    assert found.worst == max(check.worst for check in found.checks.values()) == 0
    assert not found.worst_rows
    assert set(found.checks) >= {"example", "thresholds", "boundaries", "near_equal", "magnitudes", "single_rows"}
    loaded = load(report.path).manifest
    assert loaded.certificate == found
    assert loaded.provenance["seed"] == 0
    assert loaded.provenance["libraries"]["scikit-learn"]


def test_a_wrong_conversion_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="nothing was published") as raised:
        export_model(Leaning().fit(NUMBERS, AMOUNT), NUMBERS, tmp_path, "m")
    worst = raised.value.mismatches[0]
    assert worst.row["x0"] > 2
    assert worst.trained["value"] == worst.row["x0"]
    assert 1e-5 < worst.difference < 1e-3
    assert not list(tmp_path.iterdir())


def test_the_tolerance_is_the_callers(tmp_path: Path) -> None:
    report = export_model(Leaning().fit(NUMBERS, AMOUNT), NUMBERS, tmp_path, "m", tolerance=0.01)
    found = report.certificate
    assert found.tolerance == 0.01
    assert found.worst > 1e-5
    assert [r.difference for r in found.worst_rows] == sorted((r.difference for r in found.worst_rows), reverse=True)
    assert found.worst_rows[0].difference == found.worst == found.checks[found.worst_rows[0].check].worst
    assert min(float(r.row["x0"] or 0) for r in found.worst_rows) > 2
    assert load(report.path).manifest.certificate == found


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (make_pipeline(FunctionTransformer(lambda rows: rows + 1), Ridge()), "runs Python"),
        (make_pipeline(Crowd(), Ridge()), "Crowd has no conversion"),
        (DBSCAN(), "neither predict nor transform"),
    ],
)
def test_what_cannot_be_a_graph_is_refused_by_name(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=message) as raised:
        export_model(model.fit(NUMBERS, AMOUNT), NUMBERS, tmp_path, "m")
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "message"), [(Ridge(), "not fitted"), ({"a": 1}, "no estimator"), (Ridge, "no estimator")]
)
def test_what_is_no_fitted_model_is_refused(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        export_model(model, NUMBERS, tmp_path, "m")


@pytest.mark.parametrize(("name", "version"), [("Iris", None), ("", None), ("../x", None), ("m", 0), ("m", "one")])
def test_names_and_versions_that_cannot_be(name: str, version: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be a"):
        export_model(RIDGE, NUMBERS, tmp_path, name, version)


def test_a_directory_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot"):
        export_model(RIDGE, NUMBERS, tmp_path / "file", "m")
