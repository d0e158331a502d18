"""A framework's own model, which is no scikit-learn estimator, seen as a fitted one."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from sklearn.base import BaseEstimator, RegressorMixin

from app.signature import Array


class NativeModel(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor: whatever the native model's `predict` answers, be it a class or its probability, is the value.

    A framework's module subclasses it, sets `n_features_in_` and, if the model knows the names of its columns,
    `feature_names_in_`, as scikit-learn's estimators have them, and says how the model is asked.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    @abstractmethod
    def predict(self, X: Any) -> Array:  # noqa: N803  # as scikit-learn names it
        """What the model answers to a DataFrame or a 2-D array of rows."""
