"""A model as CatBoost saves it."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from catboost import CatBoostRegressor, Pool

from app.signature import Array
from export.errors import UnsupportedModel


@dataclass(frozen=True)
class Saved:
    """A model as CatBoost saves it. Feature indices within are those of all columns."""

    document: Mapping[str, Any]

    @staticmethod
    def of(model: Any) -> Saved:
        """Read a fitted model. Raises UnsupportedModel for features that are not numbers or categories."""
        if model.get_text_feature_indices() or model.get_embedding_feature_indices():
            raise UnsupportedModel("CatBoost with text or embedding features; make numbers of them in a pipeline")
        with TemporaryDirectory() as directory:
            path = Path(directory) / "model.json"
            model.save_model(str(path), format="json")
            return Saved(json.loads(path.read_bytes()))

    @property
    def loss(self) -> str:
        return str(self.document["model_info"]["params"]["loss_function"]["type"])

    @property
    def scale(self) -> float:
        return float(self.document["scale_and_bias"][0])

    @property
    def bias(self) -> Array:
        """[outputs]"""
        return np.array(self.document["scale_and_bias"][1], dtype=np.float64)

    @property
    def floats(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.document["features_info"].get("float_features", [])
        return found

    @property
    def categorical(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.document["features_info"].get("categorical_features", [])
        return found

    @property
    def ctrs(self) -> Sequence[Mapping[str, Any]]:
        """Statistics of the target by categories; a split names one of its borders by their place among all splits."""
        found: Sequence[Mapping[str, Any]] = self.document["features_info"].get("ctrs", [])
        return found


def hashes(words: Sequence[str]) -> list[int]:
    """CatBoost's own hash of each text: it writes those of a pool into a model that it exports as Python."""
    several = [*words, "yes", "no"]  # it trains on nothing less
    pool = Pool([[word] for word in several], label=list(range(len(several))), cat_features=[0])
    options = {"iterations": 1, "depth": 1, "thread_count": 1, "verbose": False, "allow_writing_files": False}
    with TemporaryDirectory() as directory:
        path = Path(directory) / "model.py"
        CatBoostRegressor(one_hot_max_size=255, **options).fit(pool).save_model(str(path), format="python", pool=pool)
        source = path.read_text()
    start = source.index("{", source.index("cat_features_hashes"))
    found = ast.literal_eval(source[start : source.index("\n}", start) + 2])
    by_word = {word.encode("latin-1").decode(): value for word, value in found.items()}
    return [by_word[word] for word in words]
