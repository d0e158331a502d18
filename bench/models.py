"""What every server serves: two classifiers of 30 floats, trained with a fixed seed, and the answers they must give.

build/bench/models/{logistic,forest}/1/model.onnx    as servefn exports them
build/bench/models/{logistic,forest}.joblib          the same, as scikit-learn has them
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from export import export_model

MODELS = ("logistic", "forest")
SEED = 0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """The rows [N, 30], the names of their columns, and per model the probability [N] of class 1."""

    names: tuple[str, ...]
    rows: Floats
    truth: dict[str, Floats]


@cache
def data() -> Data:
    """scikit-learn's breast_cancer, and what the trained models say of it."""
    source = load_breast_cancer()
    names = tuple(str(name).replace(" ", "_") for name in source.feature_names)
    rows = np.asarray(source.data, dtype=np.float64)
    return Data(names, rows, {name: model.predict_proba(rows)[:, 1] for name, model in trained().items()})


@cache
def trained() -> dict[str, Any]:
    source = load_breast_cancer()
    untrained = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(random_state=SEED)),
        "forest": RandomForestClassifier(n_estimators=100, random_state=SEED),
    }
    return {name: model.fit(source.data, source.target) for name, model in untrained.items()}


def build(directory: Path) -> None:
    """Write the models anew, so that what is measured is what the code of today exports."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, model in trained().items():
        sample = pd.DataFrame(data().rows, columns=list(data().names))
        export_model(model, sample, directory, name)
        joblib.dump(model, directory / f"{name}.joblib")
