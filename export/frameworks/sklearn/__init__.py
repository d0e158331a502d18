"""scikit-learn. Each module here writes one family of estimators, and registers what it writes."""

from export.frameworks.sklearn import compose, encoders, linear, scaling, trees

__all__ = ["compose", "encoders", "linear", "scaling", "trees"]
