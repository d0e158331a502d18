"""What a trained model answers, asked through its own public methods, under the names of the contract."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb

from app.signature import Array, Kind, Signature


def answers(model: Any, rows: Any, signature: Signature) -> dict[str, Array]:
    """Output name -> the original's answers to these rows."""
    if isinstance(model, xgb.Booster | lgb.Booster):
        return {output.name: _of_booster(model, rows, output.name) for output in signature.outputs}
    return {output.name: _answer(model, rows, output.name, signature.kind) for output in signature.outputs}


def _answer(model: Any, rows: Any, name: str, kind: Kind) -> Array:
    method = {
        "label": "predict",
        "value": "predict",
        "quantiles": "predict",
        "probabilities": "predict_proba",
        "transformed": "transform",
        "scores": "decision_function",
    }[name]
    if name == "scores" and not hasattr(model, method):
        method = "transform" if hasattr(model, "transform") else "predict_proba"
    found = getattr(model, method)(rows)
    if isinstance(found, list):  # a matrix per output
        found = np.hstack(found)
    if name == "quantiles":  # which the contract promises in ascending order, where the model's own may cross
        found = np.sort(found, axis=1)
    array = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
    flat = kind in (Kind.REGRESSOR, Kind.CLASSIFIER) and name in ("value", "label")
    return array.reshape(-1) if flat and array.ndim == 2 and array.shape[1] == 1 else array


def _of_booster(model: Any, rows: Any, name: str) -> Array:
    """A native Booster answers numbers alone: chances per class, or of the second of two."""
    given = rows if isinstance(model, lgb.Booster) else xgb.DMatrix(rows, enable_categorical=True)
    found = np.asarray(model.predict(given))
    if name == "value":
        return found
    chances = np.column_stack([1 - found, found]) if found.ndim == 1 else found
    return chances if name == "probabilities" else chances.argmax(axis=1)
