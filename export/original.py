"""The trained model as the exporter sees it: what it is, and what it answers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from app.signature import Array, Datatype, Kind, Output
from export.classes import columns as class_columns
from export.classes import per_output, union
from export.errors import ExportError, UnsupportedModel, first_line
from export.frameworks import adapt
from export.frameworks.native import NativeModel
from export.quantiles import Distribution, by_quantile, several_quantiles
from export.sample import Row, Sample

_DATATYPES = {"b": Datatype.BOOL, "i": Datatype.INT64, "u": Datatype.INT64, "f": Datatype.FP64}


class Original:
    """A fitted estimator, asked with rows as a client sends them."""

    def __init__(self, model: Any, sample: Sample) -> None:
        """Raises UnsupportedModel if it answers nothing for new rows."""
        self.model, self.sample = model, sample
        self.kind = _kind(model)
        self._methods = _methods(model, self.kind)
        self._threads = ThreadpoolController()

    @property
    def numeric(self) -> list[str]:
        """The outputs that are numbers, or else labels."""
        return [name for name in self._methods if name != "label"] or ["label"]

    def answers(self, rows: Sequence[Row], names: Sequence[str] = ()) -> dict[str, Array]:
        """Output name -> one answer per row, in the shapes of the contract; of these outputs, or of all of them.

        Raises what the model raises.
        """
        data = self.sample.build(rows)
        with self._one_thread(), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.resetwarnings()  # scikit-learn repeats each filter for each tree of a forest
            warnings.simplefilter("ignore")
            found = {name: getattr(self.model, self._methods[name])(data) for name in names or self._methods}
        return {name: _shaped(self.kind, self._one(name, values), len(rows)) for name, values in found.items()}

    def _one(self, name: str, values: Any) -> Any:
        """A label in a column of its own, as CatBoost gives it, is one label."""
        if name != "label" or not isinstance(getattr(self.model, "classes_", None), np.ndarray):
            return values
        return np.ravel(values) if np.ndim(values) == 2 and np.shape(values)[1] == 1 else values

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """A few rows at a time, of which threads would spend more time in waiting for each other."""
        with self._threads.limit(limits=1, user_api="openmp"), parallel_config(backend="sequential"):
            yield

    def asked(self, check: str, rows: Sequence[Row], names: Sequence[str] = ()) -> dict[str, Array]:
        """The answers to rows that the contract accepts. Raises ExportError if the model refuses one of them."""
        try:
            return self.answers(rows, names)
        except Exception as error:  # whatever a model raises, it refuses a row
            refused = next((row for row in rows if not self._takes(row)), rows[0])
            raise ExportError(
                f"the model refuses a row of the check '{check}' that the contract accepts ({first_line(error)}); "
                f"declare a valid range or categories that leave it out: {refused}"
            ) from error

    def accepts(self, rows: Sequence[Row], *, finite: bool = False) -> bool:
        """Whether the model answers these rows, with finite numbers.

        A transformer may pass NaN through; if all shall be `finite`, only for a row with a missing value.
        """
        try:
            found = self.answers(rows)
        except Exception:  # whatever a model raises, it refuses the rows
            return False
        numbers = [values.reshape(len(rows), -1) for values in found.values() if values.dtype.kind == "f"]
        passed = self.kind is Kind.TRANSFORMER
        holes = np.array([[passed and (not finite or None in row.values())] for row in rows])
        return all(bool((np.isfinite(values) | (holes & np.isnan(values))).all()) for values in numbers)

    def _takes(self, row: Row) -> bool:
        try:
            self.answers([row])
        except Exception:  # whatever a model raises
            return False
        return True

    def outputs(self, answers: dict[str, Array]) -> tuple[Output, ...]:
        """The contract of these answers. Raises UnsupportedModel."""
        return tuple(self._output(name, values, answers) for name, values in answers.items())

    def _output(self, name: str, values: Array, answers: dict[str, Array]) -> Output:
        if name == "label":
            classes = self._classes() if values.ndim == 1 else self._all_classes(values)
            kind = np.array(classes).dtype.kind if classes else "i"
            columns = () if values.ndim == 1 else tuple(f"y{index}" for index in range(values.shape[1]))
            datatype = _DATATYPES.get(kind, Datatype.BYTES)
            return Output(name=name, datatype=datatype, columns=columns, classes=tuple(classes))
        if values.dtype.kind not in "bif":
            raise UnsupportedModel(f"its '{name}' are not numbers but {values.dtype}; end with an encoder")
        width = values.shape[1] if values.ndim == 2 else 0
        several = answers["label"].ndim == 2 if "label" in answers else False
        columns = class_columns(self.model, width) if several else self._columns(width)
        return Output(name=name, datatype=Datatype.FP64, columns=columns)

    def _classes(self) -> list[Any]:
        if self.kind is Kind.OUTLIER_DETECTOR:
            return [-1, 1]
        return list(np.asarray(self.model.classes_).tolist()) if self.kind is Kind.CLASSIFIER else []

    def _all_classes(self, labels: Array) -> list[Any]:
        """Those of several outputs, of the type that the labels have."""
        try:
            return list(union(per_output(self.model, labels.shape[1])).astype(labels.dtype).tolist())
        except (TypeError, ValueError) as error:
            raise UnsupportedModel(f"outputs whose classes are of several types ({first_line(error)})") from error

    def _columns(self, width: int) -> tuple[str, ...]:
        if not width:
            return ()
        if self.kind is Kind.CLASSIFIER and len(self.model.classes_) == width:
            names = [str(label) for label in self._classes()]
        elif self.kind is Kind.TRANSFORMER:
            names = _feature_names(self.model)
        else:
            names = self.model.names if isinstance(self.model, Distribution) else []
        return tuple(names) if len(set(names)) == width else tuple(f"y{index}" for index in range(width))


def fitted_estimator(model: Any) -> Any:
    """The estimator to export: the model, or what its framework makes of a native one. Raises ExportError."""
    if isinstance(model, Mapping):
        return by_quantile({level: fitted_estimator(one) for level, one in model.items()})
    estimator = several_quantiles(adapt(model))
    if not isinstance(estimator, NativeModel):
        _check_fitted(estimator)
    return estimator


def _check_fitted(model: Any) -> None:
    if isinstance(model, type) or not hasattr(model, "fit"):
        raise ExportError(f"a {type(model).__name__} is no estimator; give a fitted scikit-learn model or Pipeline")
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise ExportError(f"the {type(model).__name__} is not fitted; call fit before the export") from error


def _kind(model: Any) -> Kind:
    if is_classifier(model):
        return Kind.CLASSIFIER
    if is_regressor(model):
        return Kind.REGRESSOR
    if is_outlier_detector(model) and hasattr(model, "predict"):
        return Kind.OUTLIER_DETECTOR
    if (is_clusterer(model) or hasattr(model, "predict_proba")) and hasattr(model, "predict"):
        return Kind.CLUSTERER
    if hasattr(model, "transform"):
        return Kind.TRANSFORMER
    if hasattr(model, "predict"):
        return Kind.REGRESSOR
    raise UnsupportedModel(f"a {type(model).__name__} has neither predict nor transform for new rows")


def _methods(model: Any, kind: Kind) -> dict[str, str]:
    """Output name -> the model's method that gives it."""
    wanted = {
        Kind.CLASSIFIER: [("label", "predict"), ("probabilities", "predict_proba"), ("scores", "decision_function")],
        Kind.REGRESSOR: [("value", "predict"), ("quantiles", "predict_quantiles")],
        Kind.OUTLIER_DETECTOR: [("label", "predict"), ("scores", "decision_function")],
        Kind.CLUSTERER: [("label", "predict"), ("scores", "transform"), ("scores", "predict_proba")],
        Kind.TRANSFORMER: [("transformed", "transform")],
    }[kind]
    found: dict[str, str] = {}
    for name, method in wanted:
        if hasattr(model, method) and not (name == "scores" and "probabilities" in found):
            found.setdefault(name, method)
    return found


def _shaped(kind: Kind, values: Any, rows: int) -> Array:
    if isinstance(values, list) and kind is Kind.CLASSIFIER:  # of arrays, one per output
        return np.hstack(values)
    array = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    if kind is Kind.TRANSFORMER and array.ndim == 1:
        return array.reshape(rows, -1)  # what SparsePCA makes of a single row
    return array.reshape(-1) if kind is Kind.REGRESSOR and array.ndim == 2 and array.shape[1] == 1 else array


def _feature_names(model: Any) -> list[str]:
    try:
        return [str(name) for name in model.get_feature_names_out()]
    except (AttributeError, NotFittedError, ValueError):  # not every transformer has names to give
        return []
