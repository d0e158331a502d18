"""Rows to which the trained model itself has two answers pass with one of them; whatever else differs is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sklearn.base import BaseEstimator, RegressorMixin, is_classifier
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor, VotingClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # makes the IterativeImputer importable
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer
from sklearn.tree import DecisionTreeClassifier

from app import bundle, load
from app.bundle import Certificate
from app.inspect import verdict
from app.predictor import Model
from export import ParityError, export_model
from export.conversion import compiled, unbounded
from export.exactness import exact_outputs
from export.hostile import Trial
from export.original import Original
from export.parity import Comparison, compare_all
from export.reading import read_sample
from export.sample import Row
from export.undecided import EXAMINED, Umpire
from tests.export_models import AMOUNT, HOLED, NUMBERS, THREE

Edit = Callable[[onnx.ModelProto], None]
FOREST = RandomForestRegressor(8, random_state=0)


def compared(model: Any, sample: Any, folder: Path, edit: Edit) -> Comparison:
    """The parity check of a model against its own graph, changed by `edit`."""
    published = bundle.read(export_model(model, sample, folder, "m").path)
    original = Original(model, read_sample(sample, model, None))
    graph, _ = compiled(original, unbounded(original, "key"))
    changed = onnx.load_from_string(published.graph)
    edit(changed)
    served = Model(replace(published, graph=changed.SerializeToString()))
    exact = exact_outputs(graph, [output.name for output in published.signature.outputs])
    return compare_all(original, served, graph, 1e-5, exact)


def unchanged(_model: onnx.ModelProto) -> None:
    """Nothing."""


def one_more(size: float) -> Edit:
    """The largest constant of doubles, one number of it made larger by a part."""

    def edit(model: onnx.ModelProto) -> None:
        doubles = [one for one in model.graph.initializer if one.data_type == onnx.TensorProto.DOUBLE]
        chosen = max(doubles, key=lambda one: int(np.prod(one.dims)))
        values = numpy_helper.to_array(chosen).copy()
        values.flat[0] += size * max(1.0, abs(values.flat[0]))
        chosen.CopyFrom(numpy_helper.from_array(values, chosen.name))

    return edit


def splits(move: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """The thresholds of the trees, in float32, moved."""

    def edit(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            for held in node.attribute:
                if held.name == "nodes_values":
                    held.floats[:] = move(np.array(held.floats, dtype=np.float32)).tolist()

    return edit


def first_up(values: np.ndarray) -> np.ndarray:
    """The first threshold, one float32 up."""
    values[0] = np.nextafter(values[0], np.float32(np.inf))
    return values


BEHIND = make_pipeline(PowerTransformer(), FOREST)
VOTES = VotingClassifier(
    [
        ("lr", LogisticRegression(max_iter=500)),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
        ("nb", GaussianNB()),
    ]
)


@pytest.mark.parametrize(
    "model",
    [KNeighborsClassifier(), KNeighborsRegressor(3, metric="manhattan"), VOTES, BEHIND, make_pipeline(PCA(), FOREST)],
)
def test_rows_on_a_boundary_are_answered_as_on_one_of_its_sides(model: Any, tmp_path: Path) -> None:
    target = THREE if is_classifier(model) else AMOUNT
    report = export_model(model.fit(NUMBERS, target), NUMBERS, tmp_path, "m")
    found = report.certificate
    assert found.flips == 0
    assert found.worst <= 1e-5
    assert load(report.path).manifest.certificate == found
    assert {one.check for one in found.undecided_rows} <= {"boundaries", "single_rows"}
    assert min(found.undecided, 5) == len(found.undecided_rows)


def test_undecided_rows_are_counted_and_not_replayed(tmp_path: Path) -> None:
    path = export_model(BEHIND.fit(NUMBERS, AMOUNT), NUMBERS, tmp_path, "m").path
    read = bundle.read(path)
    certificate = read.manifest.certificate
    assert certificate.undecided > 0
    assert not [one for one in certificate.undecided_rows if one.row in read.replay.instances]


@pytest.mark.parametrize(
    ("model", "edit"),
    [
        (KNeighborsRegressor(3, metric="manhattan"), one_more(1e-3)),
        (LogisticRegression(max_iter=500), one_more(1e-4)),
        (make_pipeline(PCA(), FOREST), splits(lambda values: values + 1e-4 * np.abs(values))),
        (BEHIND, splits(lambda values: values + 1e-6 * np.abs(values))),
        (RandomForestRegressor(3, max_depth=2, random_state=0), splits(first_up)),
    ],
    ids=["a neighbour", "a coefficient", "splits behind a projection", "splits behind a step", "a split of a forest"],
)
def test_a_graph_that_is_a_little_wrong_is_stopped(model: Any, edit: Edit, tmp_path: Path) -> None:
    target = THREE if is_classifier(model) else AMOUNT
    model.fit(NUMBERS, target)
    assert not compared(model, NUMBERS, tmp_path, unchanged).failure
    assert "answered otherwise than by the trained model" in compared(model, NUMBERS, tmp_path, edit).failure


def test_missing_values_sent_the_other_way_are_stopped(tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            for held in node.attribute:
                if held.name == "nodes_missing_value_tracks_true":
                    held.ints[:] = [1 - one for one in held.ints]

    model = RandomForestRegressor(4, random_state=0).fit(HOLED, AMOUNT)
    assert compared(model, HOLED, tmp_path, edit).failure


def test_ties_in_the_sample_itself_are_stopped(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 3, NUMBERS.shape)
    with pytest.raises(ParityError) as raised:
        export_model(KNeighborsClassifier().fit(rows, THREE), rows, tmp_path, "m")
    assert "sample" in {one.check for one in raised.value.mismatches}


def test_a_model_whose_answer_depends_on_the_other_rows_is_stopped(tmp_path: Path) -> None:
    """A row of nothing is given means alone, and what regressors say of means among others: no matter of a bit."""
    model = IterativeImputer(max_iter=3, random_state=0).fit(HOLED)
    with pytest.raises(ParityError) as raised:
        export_model(model, HOLED, tmp_path, "m")
    assert {value for one in raised.value.mismatches for value in one.row.values()} == {None}


class Moody(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A model of one number that answers a row alone by `alone` and else by `among`, on the step at 1 alone."""

    def __init__(self, alone: float, among: float) -> None:
        self.alone, self.among = alone, among

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, rows: Any) -> Any:
        x = np.asarray(rows, dtype=np.float64)[:, 0]
        return np.where(x == 1.0, self.alone if len(x) == 1 else self.among, np.where(x < 1.0, 3.0, 4.0))


@pytest.fixture(scope="module")
def step(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A graph that answers 3 up to 1, and 4 beyond it."""
    model = STEP.fit(STEPS, [3.0, 3.0, 4.0, 4.0])
    return load(export_model(model, STEPS, tmp_path_factory.mktemp("m"), "step").path)


def umpire(model: Model, alone: float, among: float, exact: tuple[str, ...] = ()) -> Umpire:
    moody = Moody(alone, among)
    original = Original(moody, read_sample(STEPS, moody, None))
    return Umpire(original=original, model=model, tolerance=1e-5, exact=exact)


STEP = HistGradientBoostingRegressor(max_iter=1, learning_rate=1.0, min_samples_leaf=1)
STEPS = np.array([[0.0], [0.5], [1.5], [2.0]])
LOW: Row = {"x0": 1.0}
HIGH: Row = {"x0": float(np.nextafter(1.0, 2.0))}


@pytest.mark.parametrize(
    ("alone", "among", "served", "trial", "exact", "passes"),
    [
        (3.0, 4.0, 3.0, Trial(check="single_rows", rows=[LOW]), (), True),
        (3.0, 4.0, 5.0, Trial(check="single_rows", rows=[LOW]), (), False),
        (4.0, 4.0, 3.0, Trial(check="single_rows", rows=[LOW]), (), False),
        (3.0, 4.0, 3.0, Trial(check="single_rows", rows=[LOW]), ("value",), False),
        (3.0, 4.0, 3.0, Trial(check="sample", rows=[LOW]), (), False),
        (3.0, 3.0, 4.0, Trial(check="boundaries", rows=[LOW], twins=[HIGH]), (), True),
        (3.0, 3.0, 5.0, Trial(check="boundaries", rows=[LOW], twins=[HIGH]), (), False),
        (3.0, 3.0, 4.0, Trial(check="boundaries", rows=[LOW], twins=[None]), (), False),
        (3.0, 3.0, 4.0, Trial(check="boundaries", rows=[LOW], twins=[HIGH]), ("value",), False),
        (3.0, 4.0, 3.0, Trial(check="unseen", rows=[LOW] * (EXAMINED + 1)), (), False),
    ],
)
def test_what_passes(
    step: Model, alone: float, among: float, served: float, trial: Trial, exact: tuple[str, ...], passes: bool
) -> None:
    count = len(trial.rows)
    trained = among if served != among else alone
    found = umpire(step, alone, among, exact).settled(
        trial, {"value": np.full(count, trained)}, {"value": np.full(count, served)}
    )
    assert [answers["value"].tolist() for answers in found.values()] == ([[served]] if passes else [])
    assert set(found) <= {0}


def test_rows_a_little_off_must_agree(step: Model, tmp_path: Path) -> None:
    """With its step elsewhere a graph may serve one of the model's own answers at 1, but beside 1 it does not."""
    trained, served = {"value": np.array([4.0])}, {"value": np.array([3.0])}
    trial, judge = Trial(check="single_rows", rows=[LOW]), umpire(step, 3.0, 4.0)
    assert judge.settled(trial, trained, served)
    later = STEP.fit(STEPS + 0.5, [3.0, 3.0, 4.0, 4.0])
    elsewhere = load(export_model(later, STEPS + 0.5, tmp_path, "step").path)
    assert not replace(judge, model=elsewhere).settled(trial, trained, served)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (0, ""),
        (1, "1 row lies where the trained model itself gives two answers; the server gives one of them."),
        (2, "2 rows lie where the trained model itself gives two answers; the server gives one of them."),
    ],
)
def test_the_verdict_says_it_in_a_sentence(rows: int, words: str) -> None:
    said = verdict(Certificate(rows=9, worst=0.0, flips=0, tolerance=1e-5, undecided=rows))
    assert said.endswith(f"tolerated). {words}" if words else "tolerated).")
