"""TensorFlow Serving and KServe V1, and the custom containers of Vertex AI: sections 5 and 6 of the contract."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from tests.conformance.case import ABSENT, Case, each, has
from tests.conformance.v2 import COLUMNS, ERROR, SETOSA, VIRGINICA

PREDICT, FLIGHTS = "POST /v1/models/iris:predict", "POST /v1/models/flights:predict"
ROW, OTHER = dict(zip(COLUMNS, SETOSA, strict=True)), dict(zip(COLUMNS, VIRGINICA, strict=True))
FLIGHT: dict[str, Any] = {"carrier": "B6", "origin": "JFK", "dest": "RSW", "hour": 6, "weekday": 4}
SAID = {"label": "setosa", "probabilities": [float] * 3}
ONE, TWO = {"predictions": [SAID]}, {"predictions": [SAID, {**SAID, "label": "virginica"}]}
COLUMN = {"outputs": {"label": ["setosa"], "probabilities": [[float] * 3]}}
STATUS = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
STATUSES = {"model_version_status": [STATUS]}
ANY_ROWS = {"dim": [{"size": "-1", "name": str}], "unknown_rank": False}
SIGNATURE = {
    "inputs": {
        name: {"dtype": "DT_DOUBLE", "tensor_shape": {"dim": has({"size": "-1"})}, "name": str} for name in COLUMNS
    },
    "outputs": {"label": {"dtype": "DT_STRING"}, "probabilities": {"dtype": re.compile("^DT_(DOUBLE|FLOAT)$")}},
    "method_name": "tensorflow/serving/predict",
}
METADATA = {
    "model_spec": {"name": "iris", "signature_name": str, "version": "1"},
    "metadata": {"signature_def": {"signature_def": {"serving_default": SIGNATURE}}},
}


def predict(what: str, status: Any = 200, said: Any = ONE, ask: str = PREDICT, **body: Any) -> Case:
    return Case(f"v1 predict: {what}", ask, status, said, body)


def refused(what: str, **body: Any) -> Case:
    return predict(what, 400, ERROR, **body)


def rows(what: str, *instances: Any, ask: str = PREDICT) -> Case:
    return predict(what, 400, ERROR, ask, instances=list(instances))


def columns(**changed: Any) -> dict[str, Any]:
    given = {name: [value] for name, value in ROW.items()} | changed
    return {name: value for name, value in given.items() if value is not ABSENT}


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in row.items() if each != name}


def in_bytes(text: str) -> dict[str, str]:
    return {"b64": b64encode(text.encode()).decode()}


GOOD = {"instances": [ROW]}

MODELS = [
    Case("v1: alive", "GET /", 200, {"status": "alive"}),
    Case("v1: models", "GET /v1/models", 200, {"models": has("iris", "flights")}),
    Case("v1: model status, both ways", "GET /v1/models/iris", 200, {"name": "iris", "ready": True, **STATUSES}),
    Case("v1: status of a version", "GET /v1/models/iris/versions/1", 200, STATUSES),
    Case("v1: status of a label", "GET /v1/models/iris/labels/champion", 200, STATUSES),
    Case("v1: status of an unknown model", "GET /v1/models/irsi", 404, ERROR),
    Case("v1: status of an unknown version", "GET /v1/models/iris/versions/2", 404, ERROR),
    Case("v1: status of an unknown label", "GET /v1/models/iris/labels/best", 404, ERROR),
    Case("v1: status of a version that is no number", "GET /v1/models/iris/versions/x", {400, 404}, ERROR),
    Case("v1: metadata", "GET /v1/models/iris/metadata", 200, METADATA),
    Case("v1: metadata of a version", "GET /v1/models/iris/versions/1/metadata", 200, METADATA),
    Case("v1: metadata of a label", "GET /v1/models/iris/labels/champion/metadata", 200, METADATA),
    Case("v1: metadata of an unknown model", "GET /v1/models/irsi/metadata", 404, ERROR),
    Case("v1: metadata of an unknown version", "GET /v1/models/iris/versions/2/metadata", 404, ERROR),
    Case("v1: a name in percents", "GET /v1/models/%69ris", 200, STATUSES),
    Case("v1: explain", "POST /v1/models/iris:explain", 501, ERROR, GOOD),
    Case("v1: classify", "POST /v1/models/iris:classify", {200, 400, 404, 501}, ..., {"examples": [ROW]}),
    Case("v1: regress", "POST /v1/models/iris:regress", {200, 400, 404, 501}, ..., {"examples": [ROW]}),
    Case("v1: an unknown verb", "POST /v1/models/iris:divine", {400, 404}, ERROR, GOOD),
    Case("v1: an unknown path", "GET /v1/modelz", {400, 404}, ERROR),
    Case("v1: GET predicts nothing", "GET /v1/models/iris:predict", {400, 404, 405}, ERROR),
    Case("v1: POST has no status", "POST /v1/models/iris", {400, 404, 405}, ERROR),
]

TAKEN = [
    predict("a row", instances=[ROW]),
    predict("two rows", said=TWO, instances=[ROW, OTHER]),
    predict("values as lists of one", instances=[{name: [value] for name, value in ROW.items()}]),
    predict("members in another order", instances=[dict(reversed(ROW.items()))]),
    predict("rows as lists, as of KServe", said=TWO, instances=[SETOSA, VIRGINICA]),
    predict("ints where doubles are", instances=[dict(zip(COLUMNS, [5, 3, 1, 1], strict=True))]),
    predict("columns", said=COLUMN, inputs=columns()),
    predict("columns of lists of one", said=COLUMN, inputs={name: [[value]] for name, value in ROW.items()}),
    predict("columns and more, which is ignored", said=COLUMN, inputs=columns(colour=["red"])),
    predict("the signature's name", signature_name="serving_default", instances=[ROW]),
    predict("members that nobody knows", instances=[ROW], other=1),
    predict("a version", ask="POST /v1/models/iris/versions/1:predict", instances=[ROW]),
    predict("a label", ask="POST /v1/models/iris/labels/champion:predict", instances=[ROW]),
    *(
        Case(f"v1 predict: content type {kind}", PREDICT, 200, ONE, GOOD, {"content-type": kind})
        for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", "image/png")
    ),
    Case("v1 predict: no content type", PREDICT, 200, ONE, GOOD, answered={"content-type": "application/json"}),
    Case("v1 predict: text behind the value", PREDICT, 200, ONE, '{"instances": [[1, 1, 1, 1]]} and more'),
]

BAD = [
    *(
        refused(f"instances {some!r}", instances=some)
        for some in each([], None, {}, "x", 1, [None], [1], [[]], ["x"], [{}])
    ),
    *(refused(f"inputs {some!r}", inputs=some) for some in each([], None, {}, "x", 1)),
    refused("neither instances nor inputs"),
    refused("both", instances=[ROW], inputs=columns()),
    refused("an unknown signature", signature_name="other", instances=[ROW]),
    refused("a signature that is no text", signature_name=1, instances=[ROW]),
    rows("a member is missing", without(ROW, "petal_width")),
    rows("a member is missing in the second", ROW, without(ROW, "petal_width")),
    rows("a member too many", {**ROW, "colour": 1.0}),
    rows("a member too many in the second", ROW, {**ROW, "colour": 1.0}),
    rows("objects and lists", ROW, SETOSA),
    rows("lists of different lengths", SETOSA, SETOSA[:3]),
    rows("rows too short", SETOSA[:3]),
    rows("rows too long", [*SETOSA, 1.0]),
    rows("rows too deep", [SETOSA]),
    rows("values of different shapes", ROW, {**ROW, "petal_width": [0.2]}),
    rows("two values for one", {**ROW, "petal_width": [0.2, 0.3]}),
    *(
        rows(f"{some!r} for a number", {**ROW, "petal_width": some})
        for some in each("0.2", True, None, {}, [], {"b64": "MC4y"})
    ),
    *(
        rows(f"{some} for a number", {**ROW, "petal_width": some})
        for some in each(float("nan"), float("inf"), 10**400, -1.0)
    ),
    refused("a column is missing", inputs=columns(petal_width=ABSENT)),
    refused("columns of different lengths", inputs=columns(petal_width=[0.2, 0.3])),
    refused("columns that are no lists", inputs=columns(petal_width={})),
    predict("unknown model", 404, ERROR, "POST /v1/models/irsi:predict", **GOOD),
    predict("unknown version", 404, ERROR, "POST /v1/models/iris/versions/2:predict", **GOOD),
    predict("unknown label", 404, ERROR, "POST /v1/models/iris/labels/best:predict", **GOOD),
    *(
        Case(f"v1 predict: a body of {text!r:.20}", PREDICT, 400, ERROR, text)
        for text in each(b"", b"{", b"[]", b"null", b'"x"', b"1", b"instances=1", b"\xff", b"[" * 100_000)
    ),
    Case("v1 predict: very deep", PREDICT, 400, ERROR, b'{"instances":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    Case("v1 predict: too large", PREDICT, 413, ERROR, b" " * (16 * 2**20 + 1)),
    predict("too many rows", 413, ERROR, instances=[SETOSA] * 10_001),
    Case("v1 predict: too late", PREDICT, 504, ERROR, GOOD, {"servefn-timeout-ms": "0"}),
    Case("v1 predict: unknown encoding", PREDICT, 415, ERROR, GOOD, {"content-encoding": "zip"}),
]

CASES = [*MODELS, *TAKEN, *BAD]

VERTEX = {
    "AIP_HTTP_PORT": "8080",
    "AIP_HEALTH_ROUTE": "/v1/endpoints/71/deployedModels/4",
    "AIP_PREDICT_ROUTE": "/v1/endpoints/71/deployedModels/4:predict",
    "AIP_STORAGE_URI": "",
    "AIP_MODE": "PREDICTION",
    "AIP_ENDPOINT_ID": "71",
}
HEALTH, ROUTE = f"GET {VERTEX['AIP_HEALTH_ROUTE']}", f"POST {VERTEX['AIP_PREDICT_ROUTE']}"
JSON = {"content-type": "application/json"}


def vertex(what: str, status: Any, said: Any, sent: Any, ask: str = ROUTE) -> Case:
    return Case(f"vertex: {what}", ask, status, said, sent, JSON, {"content-type": "application/json"})


PREDICTED = {"predictions": [...]}

ON_VERTEX = [
    Case("vertex: health", HEALTH, 200),
    vertex("an object", 200, PREDICTED, {"instances": [ROW]}),
    vertex("an array in the order of the columns", 200, PREDICTED, {"instances": [SETOSA]}),
    vertex("two", 200, {"predictions": [..., ...]}, {"instances": [ROW, OTHER]}),
    vertex("no parameters", 200, PREDICTED, {"instances": [ROW], "parameters": {}}),
    vertex("null parameters", 200, PREDICTED, {"instances": [ROW], "parameters": None}),
    vertex("members in another order", 200, PREDICTED, {"instances": [dict(reversed(ROW.items()))]}),
    *(
        vertex(f"a body of {text!r:.20}", 400, ..., text)
        for text in each(b"", b"{", b"[]", b"null", b"x", b"[" * 100_000)
    ),
    *(
        vertex(f"instances {some!r}", 400, ..., {"instances": some})
        for some in each(None, {}, "x", [1], [None], [{}], [[]])
    ),
    *(vertex(f"parameters {some!r}", 400, ..., {"instances": [ROW], "parameters": some}) for some in each([], "x", 1)),
    vertex("a column is missing", 400, ..., {"instances": [without(ROW, "petal_width")]}),
    vertex("a row too short", 400, ..., {"instances": [SETOSA[:3]]}),
    vertex("a text for a number", 400, ..., {"instances": [{**ROW, "petal_width": "x"}]}),
    vertex("too large", 413, ..., b" " * (16 * 2**20 + 1)),
    Case("vertex: POST is no health", HEALTH.replace("GET", "POST"), {400, 404, 405}),
    Case("vertex: GET predicts nothing", ROUTE.replace("POST", "GET"), {400, 404, 405}),
]
"""With the variables that the platform sets, and one model."""
