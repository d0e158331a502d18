"""The containers of SageMaker and the scoring server of MLflow: sections 7 and 8 of the contract."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from tests.conformance.case import ABSENT, REFUSED, Case, each, has
from tests.conformance.v1 import OTHER, ROW, without
from tests.conformance.v2 import COLUMNS, SETOSA, VIRGINICA

INVOKE = "POST /invocations"
CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
ERROR = {"error_code": str, "message": str}
BAD = {"error_code": re.compile("^(BAD_REQUEST|INVALID_PARAMETER_VALUE)$"), "message": str}
ONE, TWO = {"predictions": [...]}, {"predictions": [..., ...]}
SPLIT = {"columns": [*COLUMNS], "data": [SETOSA, VIRGINICA]}
BARE, NAMES = "5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n", ",".join(COLUMNS) + "\n"
TWO_LINES = re.compile(r"\A\S.*\n\S.*\n?\Z")
TWO_OBJECTS = re.compile(r"\A\{.*\}\n\{.*\}\n?\Z")


def parquet() -> bytes:
    file = io.BytesIO()
    pd.DataFrame([ROW, OTHER]).to_parquet(file)
    return file.getvalue()


def invoke(
    what: str, status: Any, said: Any, body: Any, kind: str = JSON, accept: str = "", /, **answered: Any
) -> Case:
    headers = {"content-type": kind} | ({"accept": accept} if accept else {})
    found = {name.replace("_", "-"): value for name, value in answered.items()}
    return Case(f"invocations: {what}", INVOKE, status, said, body, headers, found)


def refused(what: str, body: Any, kind: str = JSON) -> Case:
    return invoke(what, 400, BAD, body, kind, content_type="application/json")


def split(what: str, /, **changed: Any) -> Case:
    given = {name: value for name, value in (SPLIT | changed).items() if value is not ABSENT}
    return refused(f"dataframe_split: {what}", {"dataframe_split": given})


def records(*rows: Any) -> dict[str, Any]:
    return {"dataframe_records": list(rows)}


MLFLOW = [
    Case("mlflow: ping", "GET /ping", 200),
    Case("mlflow: health", "GET /health", 200),
    Case("mlflow: version", "GET /version", 200, re.compile(r"\d+\.\d+")),
    invoke("dataframe_split", 200, TWO, {"dataframe_split": SPLIT}),
    invoke("dataframe_split with an index", 200, TWO, {"dataframe_split": {**SPLIT, "index": [7, 8]}}),
    invoke("dataframe_split in another order", 200, TWO,
           {"dataframe_split": {"columns": COLUMNS[::-1], "data": [SETOSA[::-1], VIRGINICA[::-1]]}}),
    invoke("dataframe_split with more columns", 200, ONE,
           {"dataframe_split": {"columns": [*COLUMNS, "colour"], "data": [[*SETOSA, "red"]]}}),
    invoke("dataframe_split without rows", 200, {"predictions": []}, {"dataframe_split": {**SPLIT, "data": []}}),
    invoke("dataframe_records", 200, TWO, records(ROW, OTHER)),
    invoke("dataframe_records with more columns", 200, ONE, records({**ROW, "colour": "red"})),
    invoke("ints for doubles", 200, ONE, records(dict(zip(COLUMNS, [5, 3, 1, 1], strict=True)))),
    invoke("instances", 200, TWO, {"instances": [ROW, OTHER]}),
    invoke("inputs", 200, TWO, {"inputs": {name: [ROW[name], OTHER[name]] for name in COLUMNS}}),
    invoke("params", 200, ONE, {**records(ROW), "params": {}}),
    invoke("params that nobody knows", 200, ONE, {**records(ROW), "params": {"temperature": 0.5}}),
    invoke("charset", 200, ONE, records(ROW), "application/json; charset=utf-8"),
    invoke("charset in capitals", 200, ONE, records(ROW), "application/json; charset=UTF-8"),
    invoke("another charset", 415, ERROR, records(ROW), "application/json; charset=latin-1"),
    invoke("another parameter", 415, ERROR, records(ROW), "application/json; version=1"),
    invoke("a type that nobody knows", 415, ERROR, "x", "text/plain"),
    invoke("a type that is none", 415, ERROR, "x", "json"),
    Case("invocations: no content type", INVOKE, {200, 400, 415}, ..., records(ROW)),
    refused("no member of the four", {"rows": [ROW]}),
    refused("an empty object", {}),
    refused("two of the four", {**records(ROW), "instances": [ROW]}),
    refused("dataframe_split and inputs", {"dataframe_split": SPLIT, "inputs": {}}),
    split("columns missing", columns=COLUMNS[:3], data=[SETOSA[:3]]),
    split("other members", dtypes=["float"]),
    split("without columns", columns=ABSENT),
    split("without data", data=ABSENT),
    split("a row too short", data=[SETOSA[:3]]),
    split("a row too long", data=[[*SETOSA, 1]]),
    split("a row that is none", data=[1]),
    split("data that are none", data="x"),
    split("columns that are none", columns="x"),
    split("a column twice", columns=[*COLUMNS[:3], COLUMNS[0]]),
    split("a text for a number", data=[["x", 1, 1, 1]]),
    *(refused(f"dataframe_split {some!r}", {"dataframe_split": some}) for some in each(None, [], "x", 1, {})),
    *(refused(f"dataframe_records {some!r}", {"dataframe_records": some}) for some in each(None, {}, "x", [1], [{}])),
    *(refused(f"instances {some!r}", {"instances": some}) for some in each(None, {}, "x", [None], [{}])),
    *(refused(f"inputs {some!r}", {"inputs": some}) for some in each(None, "x", 1)),
    refused("inputs of no columns", {"inputs": {}}),
    refused("dataframe_split of no columns", {"dataframe_split": {"columns": [], "data": []}}),
    *(refused(f"params {some!r}", {**records(ROW), "params": some}) for some in each([], "x", 1)),
    refused("a column is missing", records(without(ROW, "petal_width"))),
    refused("null where none may be", records({**ROW, "petal_width": None})),
    refused("NaN where none may be", records({**ROW, "petal_width": float("nan")})),
    refused("infinity", records({**ROW, "petal_width": float("inf")})),
    refused("beyond any double", records({**ROW, "petal_width": 10**400})),
    refused("columns of different lengths", {"inputs": {**{name: [1.0] for name in COLUMNS}, "petal_width": [1, 2]}}),
    *(
        refused(f"a body of {text!r:.20}", text)
        for text in each(b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff", b"[" * 100_000)
    ),
    invoke("too large", 413, ERROR, b" " * (16 * 2**20 + 1)),
    invoke("too many rows", 413, ERROR, {"dataframe_split": {**SPLIT, "data": [SETOSA] * 10_001}}),
    Case("invocations: too late", INVOKE, 504, ERROR, records(ROW), {"content-type": JSON, "servefn-timeout-ms": "0"}),
    Case("invocations: GET", "GET /invocations", 405, ERROR),
]  # fmt: skip

SAGEMAKER = [
    Case("sagemaker: ping", "GET /ping", 200, b""),
    Case("sagemaker: execution parameters", "GET /execution-parameters", {200, 404}),
    invoke("CSV without a header", 200, TWO_LINES, BARE, CSV, CSV, content_type=re.compile("^text/csv")),
    invoke("CSV without the last newline", 200, TWO_LINES, BARE.rstrip(), CSV, CSV),
    invoke("CSV with \\r\\n", 200, TWO_LINES, BARE.replace("\n", "\r\n"), CSV, CSV),
    invoke("CSV with a header", 200, ..., NAMES + BARE, CSV, CSV),
    invoke("CSV whose header is announced", 200, ..., NAMES + BARE, "text/csv; header=present", CSV),
    invoke("CSV whose header is denied", 200, TWO_LINES, BARE, "text/csv; header=absent", CSV),
    invoke("CSV with a charset", 200, TWO_LINES, BARE, "text/csv; charset=utf-8", CSV),
    invoke("CSV, JSON out", 200, ..., BARE, CSV, JSON, content_type="application/json"),
    invoke("CSV with a header in another order", 200, ..., "petal_width,petal_length,sepal_width,sepal_length\n"
           "0.2,1.4,3.5,5.1\n", CSV, JSON),
    *(
        invoke(f"JSON Lines as {kind}", 200, TWO_OBJECTS, f"{json.dumps(ROW)}\n{json.dumps(OTHER)}\n", kind, kind)
        for kind in (LINES, "application/x-ndjson", "application/jsonl")
    ),
    invoke("JSON Lines to the end", 200, TWO_OBJECTS, f"{json.dumps(ROW)}\n{json.dumps(OTHER)}", LINES, LINES),
    invoke("Parquet of MLflow", 200, TWO, parquet(), "application/vnd.apache.parquet", JSON),
    invoke("Parquet of SageMaker", 200, TWO, parquet(), "application/x-parquet", JSON),
    invoke("JSON, CSV out", 200, TWO_LINES, {"instances": [ROW, OTHER]}, JSON, CSV),
    invoke("accepted: anything", 200, ONE, records(ROW), JSON, "*/*"),
    invoke("accepted: what nobody writes", {200, 406}, ..., records(ROW), JSON, "image/png"),
    Case("invocations: headers of the platform", INVOKE, 200, ONE, records(ROW), {
        "content-type": JSON, "x-amzn-sagemaker-custom-attributes": "trace=1", "x-amzn-sagemaker-inference-id": "7",
        "x-amzn-sagemaker-target-variant": "a"}),
    *(
        invoke(f"a type of SageMaker's own algorithms: {kind}", {200, 400, 415}, ..., b"1", kind)
        for kind in ("text/libsvm", "application/x-recordio-protobuf", "application/x-npy", "application/octet-stream")
    ),
    refused("CSV too short", "5.1,3.5,1.4\n", CSV),
    refused("CSV too long", "5.1,3.5,1.4,0.2,1\n", CSV),
    refused("CSV with a hole where none may be", "5.1,3.5,1.4,\n", CSV),
    refused("CSV with a text for a number", "5.1,3.5,1.4,x\n", CSV),
    refused("CSV with a column missing", "sepal_length,sepal_width,petal_length\n5.1,3.5,1.4\n", CSV),
    refused("CSV with an open quote", '5.1,3.5,1.4,"0.2\n', CSV),
    refused("CSV that is not UTF-8", b"5.1,3.5,1.4,\xff\n", CSV),
    refused("JSON Lines with a bad line", f"{json.dumps(ROW)}\n{{\n", LINES),
    refused("JSON Lines with a line that is no row", "1\n", LINES),
    refused("Parquet that is none", b"PAR1xxxxPAR1", "application/x-parquet"),
    invoke("no Parquet at all", REFUSED, ERROR, b"", "application/x-parquet"),
    Case("sagemaker: POST is no ping", "POST /ping", 405, ERROR),
]  # fmt: skip

CASES = [*MLFLOW, *SAGEMAKER]

IRIS = {"modelName": "iris", "modelUrl": str}


def several(models: Path) -> list[Case]:
    """Models that come and go; in this order, on a server of their own, whose directory of models is this."""
    place = {"model_name": "iris", "url": str(models / "iris")}
    return [
        Case("models: loaded", "GET /models", 200, {"models": has(IRIS)}),
        Case("models: one", "GET /models/iris", 200, IRIS),
        Case("models: unknown", "GET /models/irsi", 404),
        Case("models: loaded already", "POST /models", 409, ..., place),
        Case("models: invoke", "POST /models/iris/invoke", 200, ONE, records(ROW), {"content-type": JSON}),
        Case(
            "models: invoke, CSV",
            "POST /models/iris/invoke",
            200,
            TWO_LINES,
            BARE,
            {"content-type": CSV, "accept": CSV},
        ),
        Case(
            "models: invoke what is unknown", "POST /models/irsi/invoke", 404, ..., records(ROW), {"content-type": JSON}
        ),
        *(
            Case(f"models: load {some!r:.30}", "POST /models", {400, 404, 422}, ..., some)
            for some in each(
                b"",
                b"{",
                b"[]",
                {},
                {"model_name": 1},
                {"model_name": "irsi", "url": "/opt/ml/models/irsi/model"},
            )
        ),
        Case("models: unload what is unknown", "DELETE /models/irsi", 404),
        Case("models: unload", "DELETE /models/iris", 200),
        Case("models: is gone", "GET /models/iris", 404),
        Case("models: does not answer", "POST /models/iris/invoke", 404, ..., records(ROW), {"content-type": JSON}),
        Case("models: load", "POST /models", 200, ..., place),
        Case("models: answers again", "POST /models/iris/invoke", 200, ONE, records(ROW), {"content-type": JSON}),
    ]
