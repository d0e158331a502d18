"""Requests that a model's contract admits, and what is wrong with an answer. Knows no model by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

Contract = Mapping[str, Any]
Row = dict[str, Any]

HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True)
class Call:
    """One request: how many rows it asks about, and under which keys if any."""

    path: str
    body: str
    rows: int
    key_field: str = ""
    keys: tuple[str, ...] = ()

    def fault(self, status: int, content: bytes | None) -> str | None:
        """Why this is no answer to the call, or None."""
        if status != 200 or not content:
            return f"{self.path}: status {status}: {content!r:.300}"
        answer = json.loads(content)
        if len(answer["predictions"]) != self.rows or answer.get("errors"):
            return f"{self.path}: {self.rows} rows asked, answered {content!r:.300}"
        if self.keys and [row[self.key_field] for row in answer["predictions"]] != list(self.keys):
            return f"{self.path}: keys {self.keys} asked, answered {content!r:.300}"
        return None


def online(contract: Contract, rows: Sequence[Row]) -> Call:
    body = json.dumps({"instances": rows})
    return Call(f"/models/{contract['name']}/predict", body, len(rows))


def keyed(contract: Contract, rows: Sequence[Row], keys: Sequence[str]) -> Call:
    field = contract["key"]
    body = json.dumps({"instances": [{field: key, **row} for key, row in zip(keys, rows, strict=True)]})
    return Call(f"/models/{contract['name']}/predict/keyed", body, len(rows), field, tuple(keys))


def rows(contract: Contract, count: int, random: Random) -> list[Row]:
    """The contract's example, and rows drawn from what its training data held."""
    features = contract["features"]
    drawn = [{feature["name"]: _value(feature, random) for feature in features} for _ in range(count - 1)]
    return [{feature["name"]: feature["example"] for feature in features}, *drawn]


def _value(feature: Mapping[str, Any], random: Random) -> Any:
    training, quantiles = feature["training"], feature["training"]["quantiles"]
    if feature["nullable"] and random.random() < training["missing"]:
        return None
    if feature["categories"]:
        return random.choice(feature["categories"])
    if len(quantiles) < 2:
        return feature["example"]
    step = random.randrange(len(quantiles) - 1)
    value = random.uniform(quantiles[step], quantiles[step + 1])
    return round(value) if feature["datatype"] == "INT64" else _within(round(value, 3), feature)


def _within(value: float, feature: Mapping[str, Any]) -> float:
    low, high = feature["minimum"], feature["maximum"]
    value = value if low is None else max(value, low)
    return value if high is None else min(value, high)
