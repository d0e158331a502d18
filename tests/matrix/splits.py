"""Where the trees of a model split, read from the model itself and not from its export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def splits(model: Any, names: list[str]) -> dict[int, set[float]]:
    """Column -> thresholds. Behind preprocessing they are odd values as good as others."""
    found: dict[int, set[float]] = {}
    for column, threshold in _walk(model, names, set()):
        if 0 <= column < len(names) and np.isfinite(threshold):
            found.setdefault(column, set()).add(float(threshold))
    return found


def _walk(model: Any, names: list[str], seen: set[int]) -> Iterator[tuple[int, float]]:
    """Through whatever a fitted estimator holds."""
    if id(model) in seen:
        return
    seen.add(id(model))
    kind = type(model)
    if kind.__module__.startswith("sklearn.tree._tree"):
        yield from zip(model.feature.tolist(), model.threshold.tolist(), strict=True)
    elif kind.__name__ == "TreePredictor":
        nodes = model.nodes[~model.nodes["is_leaf"].astype(bool)]
        yield from zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True)
    elif kind.__module__.startswith("xgboost") and hasattr(model, "get_dump"):
        yield from _xgboost(model, names)
    elif kind.__module__.startswith("lightgbm") and hasattr(model, "dump_model"):
        yield from _lightgbm(model, names)
    elif kind.__module__.startswith("catboost"):
        yield from _catboost(model)
    elif isinstance(model, dict):
        yield from (pair for value in model.values() for pair in _walk(value, names, seen))
    elif isinstance(model, list | tuple) or (isinstance(model, np.ndarray) and model.dtype == object):
        held = model.ravel() if isinstance(model, np.ndarray) else model
        yield from (pair for value in held for pair in _walk(value, names, seen))
    elif kind.__module__.startswith(("sklearn", "xgboost", "lightgbm")) and hasattr(model, "__dict__"):
        yield from _walk(vars(model), names, seen)


def _xgboost(booster: Any, names: list[str]) -> Iterator[tuple[int, float]]:
    try:
        table = booster.trees_to_dataframe()
    except Exception:  # gblinear has no trees
        return
    columns = {name: index for index, name in enumerate(names)} | {f"f{index}": index for index in range(len(names))}
    inner = table[table["Split"].notna()]
    for feature, threshold in zip(inner["Feature"], inner["Split"], strict=True):
        yield columns.get(feature, -1), threshold


def _lightgbm(booster: Any, names: list[str]) -> Iterator[tuple[int, float]]:
    def nodes(tree: dict[str, Any]) -> Iterator[tuple[int, float]]:
        if "split_feature" in tree:
            if isinstance(tree["threshold"], float):
                yield tree["split_feature"], tree["threshold"]
            yield from nodes(tree["left_child"])
            yield from nodes(tree["right_child"])

    del names
    for tree in booster.dump_model()["tree_info"]:
        yield from nodes(tree["tree_structure"])


def _catboost(model: Any) -> Iterator[tuple[int, float]]:
    for column, borders in (model.get_borders() or {}).items():
        yield from ((int(column), border) for border in borders)
