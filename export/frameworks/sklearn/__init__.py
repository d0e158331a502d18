"""scikit-learn. Each module here writes one family of estimators, and registers what it writes."""

from export.frameworks.sklearn import (
    calibration,
    compose,
    encoders,
    ensembles,
    linear,
    multiclass,
    multioutput,
    scaling,
    trees,
    wrappers,
)

__all__ = [
    "calibration",
    "compose",
    "encoders",
    "ensembles",
    "linear",
    "multiclass",
    "multioutput",
    "scaling",
    "trees",
    "wrappers",
]
