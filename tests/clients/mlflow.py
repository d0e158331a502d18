"""What a user of MLflow's scoring client does."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from tests.clients.given import Given, column, run


def client(given: Given) -> ScoringServerClient:
    host, port = given.http.split(":")
    return ScoringServerClient(host, int(port))


def health(given: Given) -> None:
    client(given).ping()
    client(given).wait_server_ready(timeout=5)
    assert "." in client(given).get_version()


def frame(given: Given) -> None:
    found = client(given).invoke(pd.DataFrame(given.iris["rows"])).get_predictions()
    assert found["label"].tolist() == given.iris["label"]


def frame_in_another_order(given: Given) -> None:
    rows = pd.DataFrame(given.iris["rows"])
    rows = rows[rows.columns[::-1]].assign(colour="red")
    rows.index = rows.index + 7
    assert client(given).invoke(rows).get_predictions()["label"].tolist() == given.iris["label"]


def parameters(given: Given) -> None:
    found = client(given).invoke(pd.DataFrame(given.iris["rows"]), params={"temperature": 1})
    assert found.get_predictions()["label"].tolist() == given.iris["label"]


def list_of_objects(given: Given) -> None:
    found = client(given).invoke(json.dumps({"instances": given.iris["rows"]}))
    assert column(found["predictions"], "label") == given.iris["label"]


def missing(given: Given) -> None:
    """The client sends a bare NaN; this model may not have one."""
    rows = pd.DataFrame(given.iris["rows"]).assign(petal_width=np.nan)
    text = ""
    try:
        client(given).invoke(rows)
    except Exception as error:  # the client has no type of its own
        text = str(error)
    for said in ("error code 400", "INVALID_PARAMETER_VALUE", "petal_width"):
        assert said in text


if __name__ == "__main__":
    run(health, frame, frame_in_another_order, parameters, list_of_objects, missing)
