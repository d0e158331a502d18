"""The same rows have the same answers over every protocol, and bad ones are refused by each in its own way."""

from __future__ import annotations

import csv
import io
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from export import export_model
from export.examples import iris
from tests.conftest import MODELS
from tests.test_cli import free_port
from tests.test_grpc import call
from tests.waiting import until

Rows = list[dict[str, Any]]
Answers = list[list[Any]]
"""For each row the values of its outputs, one after the other."""

ROUTES = {"AIP_HEALTH_ROUTE": "/well", "AIP_PREDICT_ROUTE": "/vertex:predict"}
LENGTH = "inference-header-content-length"
JSON, CSV, LINES = "application/json", "text/csv", "application/jsonlines"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
CONTENTS = {"BYTES": "bytes_contents", "INT64": "int64_contents", "FP64": "fp64_contents"}
GRPC_PORT = free_port()
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.9, 3.0, 4.2, 1.5]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service with the committed models and a regressor, where Vertex AI has said its routes."""
    models = Path(shutil.copytree(MODELS, tmp_path_factory.mktemp("protocols") / "models"))
    rows, _ = iris.data()
    known = rows.iloc[:, :3] if isinstance(rows, pd.DataFrame) else rows[:, :3]
    width = rows.iloc[:, 3] if isinstance(rows, pd.DataFrame) else rows[:, 3]
    export_model(LinearRegression().fit(known, width), known, models, "width", 1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ROUTES.items():
            patch.setenv(name, value)
        app = create_app(Settings(models=models, default_model="iris", grpc_port=GRPC_PORT))
    with TestClient(app) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def rows_of(client: TestClient, model: str) -> Rows:
    """Good rows of a model; those of flights have texts, and values that are missing."""
    features = client.get(f"/models/{model}").json()["features"]
    if model != "flights":
        return [dict(zip([each["name"] for each in features], row, strict=False)) for row in FLOWERS]
    flight = {each["name"]: each["example"] for each in features}
    return [flight, {**flight, "dest": "BOS", "temp": None}, {**flight, "wind_gust": None, "hour": 22}]


def flat(answer: Any) -> list[Any]:
    """The values of one row, whether by name, in lists or bare."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    return [value for each in answer for value in flat(each)] if isinstance(answer, list) else [answer]


def post(client: TestClient, path: str, content: Any, kind: str, accept: str = JSON, /, **headers: str) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = client.post(path, content=body, headers={"content-type": kind, "accept": accept, **headers})
    assert answer.status_code == 200, answer.text
    return answer


def predictions(answer: Any) -> Answers:
    return [flat(each) for each in answer.json()["predictions"]]


def columns(rows: Rows) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def as_csv(rows: Rows) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False).encode()


def as_lines(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_arrow(rows: Rows) -> bytes:
    table, sink = pa.Table.from_pylist(rows), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def as_parquet(rows: Rows) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(rows).to_parquet(file)
    return file.getvalue()


def native(content: Callable[[Rows], Any], kind: str) -> Callable[[TestClient, str, Rows], Answers]:
    return lambda client, model, rows: predictions(post(client, f"/models/{model}/predict", content(rows), kind))


def invoked(content: Callable[[Rows], Any], kind: str) -> Callable[[TestClient, str, Rows], Answers]:
    return lambda client, model, rows: predictions(post(client, f"/models/{model}/invoke", content(rows), kind))


def invoked_for_csv(client: TestClient, model: str, rows: Rows) -> Answers:
    answer = post(client, f"/models/{model}/invoke", as_csv(rows), CSV, CSV)
    return [[_number(cell) for cell in line] for line in csv.reader(io.StringIO(answer.text))]


def invoked_for_lines(client: TestClient, model: str, rows: Rows) -> Answers:
    answer = post(client, f"/models/{model}/invoke", as_lines(rows), LINES, LINES)
    return [flat(json.loads(line)) for line in answer.text.splitlines()]


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell


def by_row(client: TestClient, model: str, rows: Rows) -> Answers:
    return predictions(post(client, f"/v1/models/{model}:predict", {"instances": rows}, JSON))


def by_column(client: TestClient, model: str, rows: Rows) -> Answers:
    found = post(client, f"/v1/models/{model}:predict", {"inputs": columns(rows)}, JSON).json()["outputs"]
    values = list(found.values()) if isinstance(found, dict) else [found]
    return [flat(list(row)) for row in zip(*values, strict=True)]


def on_vertex(client: TestClient, _: str, rows: Rows) -> Answers:
    return predictions(post(client, ROUTES["AIP_PREDICT_ROUTE"], {"instances": rows}, JSON))


def tensors(rows: Rows) -> list[dict[str, Any]]:
    kinds = {str: "BYTES", int: "INT64"}
    return [
        {"name": name, "shape": [len(rows), 1], "datatype": kinds.get(type(values[0]), "FP64"), "data": values}
        for name, values in columns(rows).items()
    ]


def _outputs(found: Any) -> Answers:
    """The rows of the tensors of an answer."""
    parts = []
    for output in found["outputs"]:
        rows = output["shape"][0]
        width = len(output["data"]) // rows
        parts.append([output["data"][row * width : (row + 1) * width] for row in range(rows)])
    return [flat(list(row)) for row in zip(*parts, strict=True)]


def v2(client: TestClient, model: str, rows: Rows) -> Answers:
    return _outputs(post(client, f"/v2/models/{model}/infer", {"inputs": tensors(rows)}, JSON).json())


def raw(tensor: dict[str, Any]) -> bytes:
    if tensor["datatype"] == "BYTES":
        texts = [text.encode() for text in tensor["data"]]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    kind = "q" if tensor["datatype"] == "INT64" else "d"
    values = [float("nan") if value is None else value for value in tensor["data"]]
    return struct.pack(f"<{len(values)}{kind}", *values)


def in_bytes(client: TestClient, model: str, given: list[dict[str, Any]]) -> Answers:
    """Inputs and outputs both raw."""
    parts = [raw(tensor) for tensor in given]
    described = [
        {
            **{name: tensor[name] for name in ("name", "shape", "datatype")},
            "parameters": {"binary_data_size": len(part)},
        }
        for tensor, part in zip(given, parts, strict=True)
    ]
    text = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    headers = {LENGTH: str(len(text))}
    answer = post(client, f"/v2/models/{model}/infer", text + b"".join(parts), "application/octet-stream", **headers)
    length = int(answer.headers[LENGTH])
    found, content = json.loads(answer.content[:length]), answer.content[length:]
    for output in found["outputs"]:
        size = output["parameters"]["binary_data_size"]
        output["data"], content = _values(output["datatype"], content[:size]), content[size:]
    assert content == b""
    return _outputs(found)


def _values(datatype: str, content: bytes) -> list[Any]:
    if datatype == "FP64":
        return list(struct.unpack(f"<{len(content) // 8}d", content))
    found = []
    while content:
        end = 4 + int.from_bytes(content[:4], "little")
        found.append(content[4:end].decode())
        content = content[end:]
    return found


def v2_binary(client: TestClient, model: str, rows: Rows) -> Answers:
    return in_bytes(client, model, tensors(rows))


def v2_matrix(client: TestClient, model: str, rows: Rows) -> Answers:
    values = [value for row in rows for value in row.values()]
    return in_bytes(
        client, model, [{"name": "X", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": values}]
    )


def by_grpc(_: TestClient, model: str, rows: Rows) -> Answers:
    """Inputs and outputs both raw."""
    given = tensors(rows)
    inputs = [{name: tensor[name] for name in ("name", "shape", "datatype")} for tensor in given]
    return _called(model, inputs=inputs, raw_input_contents=[raw(tensor) for tensor in given])


def by_grpc_typed(_: TestClient, model: str, rows: Rows) -> Answers:
    inputs = tensors(rows)
    for tensor in inputs:
        kind, values = tensor["datatype"], tensor.pop("data")
        absent = [float("nan") if value is None else value for value in values]
        tensor["contents"] = {CONTENTS[kind]: [text.encode() for text in values] if kind == "BYTES" else absent}
    return _called(model, inputs=inputs)


def _called(model: str, **request: Any) -> Answers:
    with grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}") as channel:
        found = call(channel, "ModelInfer", model_name=model, **request)
    outputs = []
    for index, output in enumerate(found.outputs):
        if found.raw_output_contents:
            data = _values(output.datatype, found.raw_output_contents[index])
        else:
            data = list(getattr(output.contents, CONTENTS[output.datatype]))
        texts = [text.decode() if isinstance(text, bytes) else text for text in data]
        outputs.append({"shape": list(output.shape), "data": texts})
    return _outputs({"outputs": outputs})


def split(rows: Rows) -> Any:
    return {"dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}}


WAYS: dict[str, Callable[[TestClient, str, Rows], Answers]] = {
    "native, columns": native(lambda rows: {"columns": columns(rows)}, JSON),
    "native, CSV": native(as_csv, CSV),
    "native, JSON Lines": native(as_lines, "application/x-ndjson"),
    "native, Arrow": native(as_arrow, ARROW),
    "native, Parquet": native(as_parquet, PARQUET),
    "v2, JSON": v2,
    "v2, raw": v2_binary,
    "v2, raw matrix": v2_matrix,
    "gRPC, raw": by_grpc,
    "gRPC, typed": by_grpc_typed,
    "v1, rows": by_row,
    "v1, columns": by_column,
    "Vertex AI": on_vertex,
    "invocations, split": invoked(split, JSON),
    "invocations, records": invoked(lambda rows: {"dataframe_records": rows}, JSON),
    "invocations, instances": invoked(lambda rows: {"instances": rows}, JSON),
    "invocations, inputs": invoked(lambda rows: {"inputs": columns(rows)}, JSON),
    "invocations, CSV": invoked(as_csv, CSV),
    "invocations, CSV to CSV": invoked_for_csv,
    "invocations, JSON Lines": invoked_for_lines,
    "invocations, Parquet": invoked(as_parquet, "application/x-parquet"),
    "invocations, Arrow": invoked(as_arrow, ARROW),
}
NOT = {("v2, raw matrix", "flights"), ("Vertex AI", "flights"), ("Vertex AI", "width")}
"""Texts and numbers make no matrix, and Vertex AI has one model."""


@pytest.mark.parametrize(
    ("way", "model"),
    [(way, model) for way in WAYS for model in ("iris", "flights", "width") if (way, model) not in NOT],
)
def test_the_same_rows_have_the_same_answers(client: TestClient, way: str, model: str) -> None:
    rows = rows_of(client, model)
    expected = predictions(post(client, f"/models/{model}/predict", {"instances": rows}, JSON))
    assert len(expected) == len({str(each) for each in expected}) == 3
    assert WAYS[way](client, model, rows) == expected


PATHS = {
    "/models/iris/predict": "faults",
    "/v1/models/iris:predict": "error",
    "/v2/models/iris/infer": "error",
    "/vertex:predict": "error",
    "/invocations": "error_code",
    "/models/iris/invoke": "error_code",
}
GOOD = dict(zip(NAMES, FLOWERS[0], strict=True))
BAD: dict[str, Any] = {
    "a number too large": {**GOOD, "petal_width": 99.0},
    "a text": {**GOOD, "petal_width": "wide"},
    "a list": {**GOOD, "petal_width": [[0.2, 0.3]]},
    "an object": {**GOOD, "petal_width": {"a": 1}},
    "nothing": {**GOOD, "petal_width": None},
    "NaN": {**GOOD, "petal_width": float("nan")},
    "infinity": {**GOOD, "petal_width": float("inf")},
    "beyond any double": {**GOOD, "petal_width": 10**400},
    "a column missing": {name: value for name, value in GOOD.items() if name != "petal_width"},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_a_bad_row_is_refused_as_the_protocol_does(client: TestClient, path: str, row: dict[str, Any]) -> None:
    columns = [column(name, value) for name, value in row.items()]
    body = {"inputs": columns} if path.startswith("/v2") else {"instances": [row]}
    answer = client.post(path, content=json.dumps(body).encode(), headers={"content-type": JSON})
    assert 400 <= answer.status_code < 500, answer.text
    member = PATHS[path] if answer.json().get("error") != "malformed_body" else "error"
    assert answer.json()[member]
    if path.startswith("/models/iris/predict"):
        return
    assert answer.headers["content-type"] == JSON
    assert answer.headers.get("retry-after") is None


def column(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"[" * 100_000, b"{}", b"\0" * 9])
def test_a_bad_body_is_refused_as_the_protocol_does(client: TestClient, path: str, content: bytes) -> None:
    answer = client.post(path, content=content, headers={"content-type": JSON})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()[PATHS[path] if path != "/models/iris/predict" else "error"]
