"""All cases, by name."""

from __future__ import annotations

import warnings

from tests.matrix import estimators, preprocessing
from tests.matrix.case import known

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # estimators that scikit-learn is about to drop are still in use
    CASES = known(group() for group in (*estimators.GROUPS, *preprocessing.GROUPS))
