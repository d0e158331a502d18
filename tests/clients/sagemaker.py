"""What a user of the SageMaker SDK does with an endpoint: its local client, and its serializers."""

from __future__ import annotations

import json
from typing import Any

from sagemaker.local.local_session import LocalSagemakerRuntimeClient
from sagemaker.serializers import CSVSerializer, JSONLinesSerializer, JSONSerializer

from tests.clients.given import Given, column, run


def invoke(given: Given, serializer: Any, data: Any, accept: str, **options: Any) -> Any:
    client = LocalSagemakerRuntimeClient({"local": {"serving_port": int(given.http.split(":")[1])}})
    body, kind = serializer.serialize(data), serializer.CONTENT_TYPE
    return client.invoke_endpoint(body, "endpoint", ContentType=kind, Accept=accept, **options)["Body"]


def matrix(given: Given) -> list[list[float]]:
    return [list(row.values()) for row in given.iris["rows"]]


def csv(given: Given) -> None:
    answer = invoke(given, CSVSerializer(), matrix(given), "text/csv")
    assert answer.status == 200
    lines = [line.split(",") for line in answer.read().decode().splitlines()]
    assert [line[0] for line in lines] == given.iris["label"]
    assert [[float(cell) for cell in line[1:]] for line in lines] == given.iris["probabilities"]


def json_of_objects(given: Given) -> None:
    answer = invoke(given, JSONSerializer(), {"instances": given.iris["rows"]}, "application/json")
    assert column(json.loads(answer.read())["predictions"], "label") == given.iris["label"]


def json_of_lists(given: Given) -> None:
    answer = invoke(given, JSONSerializer(), matrix(given), "application/json")
    assert column(json.loads(answer.read())["predictions"], "label") == given.iris["label"]


def json_lines(given: Given) -> None:
    answer = invoke(given, JSONLinesSerializer(), given.iris["rows"], "application/jsonlines")
    assert [json.loads(line)["label"] for line in answer.read().splitlines()] == given.iris["label"]


def attributes(given: Given) -> None:
    options = {"CustomAttributes": "trace=1", "InferenceId": "7", "TargetVariant": "a"}
    answer = invoke(given, CSVSerializer(), matrix(given), "text/csv", **options)
    assert answer.status == 200
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"


def missing(given: Given) -> None:
    """None is an empty cell; this model may not have one."""
    answer = invoke(given, CSVSerializer(), [[None, 3.5, 1.4, 0.2]], "text/csv")
    assert answer.status == 400
    assert "sepal_length" in json.loads(answer.read())["message"]


if __name__ == "__main__":
    run(csv, json_of_objects, json_of_lists, json_lines, attributes, missing)
