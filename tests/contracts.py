"""A signature with a feature of every sort, and rows for it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from app.signature import SAFE_INTEGER, Datatype, Feature, Kind, Output, Signature

SIGNATURE = Signature(
    Kind.CLASSIFIER,
    (
        Feature(name="length (cm)", datatype=Datatype.FP64, minimum=0, maximum=10, example=1.5),
        Feature(name="weight", datatype=Datatype.FP64, nullable=True, example=None),
        Feature(name="ratio", datatype=Datatype.FP32, example=0.5),
        Feature(name="count", datatype=Datatype.INT64, minimum=0, example=3),
        Feature(name="code", datatype=Datatype.INT64, categories=(1, 2, 7), unseen=False, example=7),
        Feature(name="origin", datatype=Datatype.BYTES, categories=("EWR", "JFK", "LGA"), unseen=False, example="JFK"),
        Feature(name="note", datatype=Datatype.BYTES, nullable=True, example="naïve"),
        Feature(name="direct", datatype=Datatype.BOOL, nullable=True, example=True),
    ),
    (
        Output(name="label", datatype=Datatype.BYTES, classes=("late", "on_time")),
        Output(name="probabilities", datatype=Datatype.FP64, columns=("late", "on_time")),
    ),
    key="id",
)

GOOD: dict[str, Any] = {feature.name: feature.example for feature in SIGNATURE.features}

number = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70), st.integers(-3, 12))
anything = st.one_of(
    st.none(), st.booleans(), number, st.text(max_size=5), st.sampled_from(["JFK", "jfk", ""]), st.just([]), st.just({})
)


def valid(feature: Feature) -> st.SearchStrategy[Any]:
    """Values that a feature takes."""
    values: st.SearchStrategy[Any]
    if feature.categories and not feature.unseen:
        values = st.sampled_from(feature.categories)
    elif feature.datatype is Datatype.BOOL:
        values = st.booleans()
    elif feature.datatype is Datatype.BYTES:
        values = st.text(max_size=8).filter(lambda text: text != "\ue000")
    elif feature.datatype is Datatype.INT64:
        values = st.integers(0, SAFE_INTEGER)
    else:
        low, high = feature.range
        values = st.floats(low, high)
    return st.none() | values if feature.nullable else values


valid_rows = st.fixed_dictionaries({feature.name: valid(feature) for feature in SIGNATURE.features})

rows = st.one_of(
    valid_rows,
    st.fixed_dictionaries(
        {feature.name: valid(feature) | anything for feature in SIGNATURE.features},
        optional={"legnth (cm)": anything, "id": st.sampled_from(["a", "b", 1, 2, "", None, 1.5, True, 2**60])},
    ),
    st.dictionaries(st.sampled_from([*GOOD, "id", "x"]), anything, max_size=9),
    anything,
)
"""Rows good and bad, most of them nearly good."""
