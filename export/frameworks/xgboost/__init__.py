"""XGBoost, read from the JSON that it saves itself, and computed in float32 and in its own order, as it does.

A tree sends a row left where float32(x) < split, and a missing value where the split says so. The margin is where
boosting starts plus the leaves, added one after the other; the objective makes the answer of it.
"""

from export.frameworks.xgboost import estimators

__all__ = ["estimators"]
