"""CatBoost, from the JSON that it saves itself: it compares in float32, and adds leaves in double, tree by tree."""

from export.frameworks.catboost import estimators

__all__ = ["estimators"]
