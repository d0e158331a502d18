"""All cases, by name."""

from __future__ import annotations

import warnings

from tests.matrix import boosters, classifiers, pipelines, preprocessing, regressors, text, wrappers
from tests.matrix.case import known

_MODULES = (classifiers, regressors, boosters, preprocessing, text, pipelines, wrappers)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # estimators that scikit-learn is about to drop are still in use
    CASES = known(group() for module in _MODULES for group in module.GROUPS)
