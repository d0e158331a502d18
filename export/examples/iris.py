"""Which iris is it? Four measurements of a flower, three species (Fisher 1936, as scikit-learn has them).

python -m export.examples.iris [--models DIR] [--report FILE]
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import click
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from export import Report, export_model

DESCRIPTION = "The species of an iris flower, from the size of its sepals and petals."
FEATURES = {
    "sepal_length": {"description": "Length of a sepal", "unit": "cm", "minimum": 0.1, "maximum": 30.0},
    "sepal_width": {"description": "Width of a sepal at its widest", "unit": "cm", "minimum": 0.1, "maximum": 30.0},
    "petal_length": {"description": "Length of a petal", "unit": "cm", "minimum": 0.1, "maximum": 30.0},
    "petal_width": {"description": "Width of a petal at its widest", "unit": "cm", "minimum": 0.1, "maximum": 30.0},
}


def data() -> tuple[pd.DataFrame, pd.Series[str]]:
    """150 flowers: their measurements in cm, and their species."""
    loaded = load_iris()
    rows = pd.DataFrame(loaded.data, columns=list(FEATURES))
    return rows, pd.Series(loaded.target_names[loaded.target], name="species")


@cache
def train() -> Pipeline:
    """The model, fitted on all flowers."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(*data())


def publish(models: Path, version: int | None = None, report: Path | None = None) -> Report:
    """Train, and export to models/iris/."""
    model, (rows, species) = train(), data()
    accuracy = cross_val_score(model, rows, species, cv=5).mean()
    return export_model(
        model,
        rows,
        models,
        "iris",
        version,
        features=FEATURES,
        description=DESCRIPTION,
        report=report,
        provenance={
            "data": "sklearn.datasets.load_iris",
            "split": {"trained on": "all rows", "accuracy": "five folds"},
            "seed": "none: nothing in it is random",
            "accuracy_5_fold": round(float(accuracy), 4),
        },
    )


@click.command(help=__doc__)
@click.option("--models", type=click.Path(path_type=Path), default=Path("models"), show_default=True)
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the parity check as a page of HTML.")
def main(models: Path, report: Path | None) -> None:
    click.echo(publish(models, report=report).path)


if __name__ == "__main__":
    main()
