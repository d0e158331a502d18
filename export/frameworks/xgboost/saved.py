"""A model as XGBoost saves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from xgboost import Booster, DMatrix, XGBModel

from app.signature import Array, Scalar
from export.errors import UnsupportedModel

_LEARNT = ("weights", "split_conditions", "leaf_weights")


@dataclass(frozen=True)
class Saved:
    """A model as XGBoost saves it, and how it is asked.

    `rounds` are those that predict, `start` the margin [groups] before any of them. `inplace` says that rows are
    predicted without a DMatrix, which matters for dart only. Besides NaN, `missing` is a missing value.
    """

    learner: Mapping[str, Any]
    start: Array
    rounds: int
    inplace: bool
    missing: float

    @staticmethod
    def of(model: Any) -> Saved:
        """Read an estimator of XGBoost, or an AdaptedBooster."""
        document = json.loads(model.get_booster().save_raw("json"))
        rounds = getattr(model, "best_iteration", -2) + 1  # an estimator that stopped early has one
        inplace = isinstance(model, XGBModel)
        return Saved(document["learner"], _start(document), rounds, inplace, model.missing)

    @property
    def objective(self) -> str:
        return str(self.learner["objective"]["name"])

    @cached_property
    def boosted(self) -> Mapping[str, Any]:
        """The model of the booster itself, be it of trees or of weights."""
        found = self.learner["gradient_booster"]
        inner: Mapping[str, Any] = found.get("gbtree", found)["model"]
        return inner

    def trees(self) -> list[tuple[int, Mapping[str, Any], np.float32]]:
        """The trees that predict, each with its group and its weight."""
        rounds = self.boosted["iteration_indptr"]
        count = rounds[self.rounds] if self.rounds >= 0 else rounds[-1]
        groups, trees = self.boosted["tree_info"], self.boosted["trees"]
        weights = np.array(self.learner["gradient_booster"].get("weight_drop", np.ones(len(trees))), dtype=np.float32)
        return list(zip(groups, trees, weights, strict=True))[:count]

    def categories(self, feature: int, dtype: Any) -> Sequence[Scalar] | None:
        """The categories in the order of their codes; none where codes came as numbers; None for a mere number.

        `dtype` is the column's. Raises UnsupportedModel for categories that XGBoost keeps too little of.
        """
        types = self.learner["feature_types"]
        if not types or types[feature] != "c":
            return None
        known = self.boosted["cats"]["enc"]
        if not known:
            return ()
        return _words(known[feature], dtype) if "offsets" in known[feature] else list(known[feature]["values"])


def _words(kept: Mapping[str, Any], dtype: Any) -> list[Scalar]:
    """The texts that XGBoost keeps: it counts characters where it should count bytes, and so cuts some off."""
    bounds = list(pairwise(kept["offsets"]))
    text = np.array(kept["values"], dtype=np.int8).tobytes()
    if text.isascii():
        return [text[start:end].decode() for start, end in bounds]
    given = list(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else []
    same = [(end - start) for start, end in bounds] == [len(word) for word in given]
    if same and "".join(given).encode()[: len(text)] == text and len({text[a:b] for a, b in bounds}) == len(given):
        return given
    raise UnsupportedModel(
        "XGBoost keeps categories that are not ASCII cut off, and so takes some for others; rename them, or give the "
        "sample the very dtype that the model was trained on"
    )


def _start(document: Mapping[str, Any]) -> Array:
    """What XGBoost itself makes of base_score: the margin [groups] of the model with nothing in its leaves."""
    bare = json.loads(json.dumps(document))
    learner = bare["learner"]
    booster = learner["gradient_booster"]
    model = booster.get("gbtree", booster)["model"]
    for part in [model, *model.get("trees", [])]:
        part |= {name: [0.0] * len(part[name]) for name in _LEARNT if name in part}
    learner |= {"feature_names": [], "feature_types": []}
    if "cats" in model:
        model["cats"] = {"enc": [], "feature_segments": [], "sorted_idx": []}
    empty = Booster()
    empty.load_model(bytearray(json.dumps(bare), "utf-8"))
    row = DMatrix(np.zeros((1, empty.num_features())))
    found: Array = empty.predict(row, output_margin=True, strict_shape=True)[0]
    return found
