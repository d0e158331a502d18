"""Content negotiation on the native operations: what comes in, what goes out, and every way to be refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from starlette.testclient import TestClient

from app import extras
from app.formats import FORMATS
from tests.conftest import MODELS
from tests.test_formats import WRITERS
from tests.test_native import IRIS, JSON, body, chunks, narrow  # noqa: F401  # a fixture

CSV = {"content-type": "text/csv"}
URL, KEYED = "/models/iris/predict", "/models/iris/predict/keyed"
HEADER = ",".join(IRIS)
LINE = ",".join(map(str, IRIS.values()))


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def expected(client: TestClient) -> dict[str, Any]:
    """What rows of JSON answer."""
    (answer,) = client.post(URL, json={"instances": [IRIS]}).json()["predictions"]
    return dict(answer)


def test_columns_are_answered_as_rows_are(client: TestClient, expected: dict[str, Any]) -> None:
    columns = {name: [value, value] for name, value in IRIS.items()}
    answer = client.post(URL, json={"columns": columns}).json()
    assert answer["predictions"] == [expected, expected]


def test_keyed_columns(client: TestClient) -> None:
    columns = {"id": ["a", "b"], **{name: [value, value] for name, value in IRIS.items()}}
    columns["petal_width"] = [0.2, None]
    document = client.post(KEYED, json={"key_field": "id", "columns": columns}).json()
    assert [row["id"] for row in document["predictions"]] == ["a"]
    assert [(row["id"], row["faults"][0]["code"]) for row in document["errors"]] == [("b", "null_not_allowed")]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"columns": []}, "columns must be an object of lists"),
        ({"columns": {}}, "no rows"),
        ({"columns": {"sepal_length": 1}}, "column 'sepal_length' must be a list"),
        ({"columns": {"sepal_length": [1], "sepal_width": []}}, "differ in length"),
        ({"columns": {"sepal_length": [1]}, "model": 1}, "there is no field 'model'"),
        ({"columns": {name.replace("petal", "pteal"): [1] for name in IRIS}}, "did you mean 'petal_length'"),
    ],
)
def test_columns_that_are_refused(client: TestClient, document: Any, said: str) -> None:
    answer = client.post(URL, json=document)
    assert answer.status_code == 422
    assert said in " ".join(fault["message"] for fault in answer.json()["faults"])


def test_csv(client: TestClient, expected: dict[str, Any]) -> None:
    answer = client.post(URL, content=f"{HEADER}\n{LINE}\n{LINE}\n", headers=CSV)
    assert answer.headers["content-type"] == "text/csv"
    assert (answer.headers["servefn-model"], answer.headers["servefn-version"]) == ("iris", "1")
    flat = {"label": expected["label"]}
    flat |= {f"probabilities.{name}": str(value) for name, value in expected["probabilities"].items()}
    assert parsed(answer.text) == [flat, flat]


def test_csv_with_a_byte_order_mark_quotes_carriage_returns_and_another_order(
    client: TestClient, expected: dict[str, Any]
) -> None:
    names = ",".join(f'"{name}"' for name in reversed(IRIS))
    line = ",".join(f'"{value}"' for value in reversed(IRIS.values()))
    content = f"\ufeff{names}\r\n{line}\r\n\r\n".encode()
    answer = client.post(URL, content=content, headers={**CSV, "accept": "application/json"})
    assert answer.json()["predictions"] == [expected]


def test_keyed_csv_says_what_is_wrong_beside_the_key(client: TestClient) -> None:
    content = f"key,{HEADER}\n007,{LINE}\nb,{LINE.replace('5.1', '')}\nc,{LINE.replace('5.1', 'wide')}\nd,{LINE}\n"
    rows = parsed(client.post(KEYED, content=content, headers=CSV).text)
    assert [row["key"] for row in rows] == ["007", "b", "c", "d"]
    assert [row["label"] for row in rows] == ["setosa", "", "", "setosa"]
    assert rows[0]["error"] == rows[3]["error"] == ""
    assert "'sepal_length' must be a number from 0.1 to 30, and is null" in rows[1]["error"]
    assert "'sepal_length' must be a number from 0.1 to 30, and is text" in rows[2]["error"]


def test_the_query_names_the_key_field(client: TestClient) -> None:
    answer = client.post(f"{KEYED}?key_field=row%20id", content=f"row id,{HEADER}\na,{LINE}\n", headers=CSV)
    assert parsed(answer.text)[0]["row id"] == "a"
    answer = client.post(f"{KEYED}?key_field=label", content=f"label,{HEADER}\na,{LINE}\n", headers=CSV)
    assert (answer.status_code, answer.json()["faults"][0]["code"]) == (422, "invalid_key")


@pytest.mark.parametrize(
    ("path", "content", "status", "said"),
    [
        (URL, "", 400, "first line names the columns"),
        (URL, f"{HEADER}\n", 422, "no rows"),
        (URL, f"{HEADER}\n{LINE},1\n", 400, "row 0 has 5 cells, and the header 4"),
        (URL, f'{HEADER}\n"5.1', 400, "not CSV"),
        (URL, b"\xff", 400, "not UTF-8"),
        (URL, f"{HEADER.replace('sepal_w', 'sepal_l').replace('idth', 'ength')}\n{LINE}\n", 422, "more than once"),
        (URL, f"{HEADER.replace('sepal_width', 'sepal_widht')}\n{LINE}\n", 422, "did you mean 'sepal_width'"),
        (URL, f"{HEADER}\n{LINE.replace('0.2', 'NaN')}\n", 422, "is NaN"),
        (KEYED, f"{HEADER}\n{LINE}\n", 422, "the key field 'key' is missing"),
        (KEYED, f"key,{HEADER}\na,{LINE}\na,{LINE}\n", 422, "stands in 2 rows"),
        (KEYED, f"key,{HEADER}\na,{LINE}\n,{LINE}\n", 422, "is not usable"),
    ],
)
def test_csv_that_is_refused(client: TestClient, path: str, content: Any, status: int, said: str) -> None:
    answer = client.post(path, content=content, headers=CSV)
    document = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in " ".join([document["detail"], *(fault["message"] for fault in document.get("faults", []))])


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "text/csv"),
        ("*/*", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json", "application/json"),
        ("application/json, text/csv", "text/csv"),
        ("application/json, text/csv;q=0.5", "application/json"),
        ("text/html, */*;q=0.1", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("text/csv;q=x, Application/JSON ; q=0.2", "application/json"),
    ],
)
def test_what_is_written_is_what_is_accepted_best(client: TestClient, accept: str | None, media_type: str) -> None:
    headers = {**CSV, **({"accept": accept} if accept else {})}
    if accept is None:
        client = TestClient(client.app, headers={})
    answer = client.post(URL, content=f"{HEADER}\n{LINE}\n", headers=headers)
    assert answer.headers["content-type"] == media_type
    assert "accept" in answer.headers["vary"]


@pytest.mark.parametrize("accept", ["text/html", "text/csv;q=0", "image/*, application/xml"])
def test_what_nobody_writes_is_refused_with_what_there_is(client: TestClient, accept: str) -> None:
    if accept == "text/csv;q=0":
        accept += ", text/html"
    answer = client.post(URL, json={"instances": [IRIS]}, headers={"accept": accept})
    assert (answer.status_code, answer.json()["error"]) == (406, "not_acceptable")
    assert all(found.media_type in answer.json()["detail"] for found in FORMATS.values())


def test_what_nobody_reads_is_refused_with_what_there_is(client: TestClient) -> None:
    answer = client.post(URL, content=b"", headers={"content-type": "application/xml"})
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")
    assert all(found.media_type in answer.json()["detail"] for found in FORMATS.values())


@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("zstd", extras.zstd.decompress)])
def test_large_answers_are_packed_on_request(client: TestClient, coding: str, unpack: Any) -> None:
    few, many = ({"instances": [IRIS] * rows} for rows in (3, 1000))
    headers = {"accept-encoding": coding}
    assert "content-encoding" not in client.post(URL, json=few, headers=headers).headers
    assert "content-encoding" not in client.post(URL, json=many, headers={"accept-encoding": "identity"}).headers
    assert "content-encoding" not in client.post(URL, json=many, headers={"accept-encoding": f"{coding};q=0"}).headers
    with client.stream("POST", URL, json=many, headers=headers) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == coding
    assert "accept-encoding" in answer.headers["vary"]
    assert int(answer.headers["content-length"]) == len(raw)
    assert len(json.loads(unpack(raw))["predictions"]) == 1000


def test_a_zstd_body_is_unfolded_within_the_limit(client: TestClient) -> None:
    packed = {**JSON, "content-encoding": "zstd"}
    assert client.post(URL, content=extras.zstd.compress(body(IRIS)), headers=packed).status_code == 200
    for content, status in (
        (extras.zstd.compress(b" " * 2**25), 413),
        (extras.zstd.compress(body(IRIS))[:-1], 400),
        (extras.zstd.compress(body(IRIS)) + b"x", 400),
        (b"nothing of the sort", 400),
        (extras.zstd.compress(body(IRIS), options={extras.zstd.CompressionParameter.window_log: 27}), 200),
    ):
        assert client.post(URL, content=content, headers=packed).status_code == status


ARROW = {"content-type": "application/vnd.apache.arrow.stream"}


def table(rows: int, **more: Any) -> bytes:
    sink = pa.BufferOutputStream()
    columns = pa.table({**more, **{name: [value] * rows for name, value in IRIS.items()}})
    with pa.ipc.new_stream(sink, columns.schema) as writer:
        writer.write_table(columns)
    return bytes(sink.getvalue().to_pybytes())


def test_arrow(client: TestClient, expected: dict[str, Any]) -> None:
    answer = client.post(URL, content=table(3), headers=ARROW)
    assert answer.headers["content-type"] == ARROW["content-type"]
    read = pa.ipc.open_stream(answer.content).read_all()
    assert read.schema.metadata[b"model"] == b"iris"
    assert read.schema.metadata[b"version"] == b"1"
    assert read.schema.metadata[b"digest"].decode() == client.get("/models/iris").json()["digest"]
    flat = {f"probabilities.{name}": value for name, value in expected["probabilities"].items()}
    assert read.to_pylist() == [{"label": "setosa", **flat}] * 3


@pytest.mark.parametrize("keys", [["a", "b", "c"], [1, 2, 3]])
def test_keyed_arrow_says_what_is_wrong_beside_the_key(client: TestClient, keys: list[Any]) -> None:
    content = table(3, key=keys)
    columns = pa.ipc.open_stream(content).read_all().set_column(1, "sepal_length", pa.array([5.1, None, -1.0]))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns.schema) as writer:
        writer.write_table(columns)
    answer = client.post(KEYED, content=sink.getvalue().to_pybytes(), headers=ARROW)
    rows = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    assert [row["key"] for row in rows] == keys
    assert [row["label"] for row in rows] == ["setosa", None, None]
    assert [row["error"] and "'sepal_length' must be" in row["error"] for row in rows] == [None, True, True]


def test_keys_of_two_types_are_text_in_arrow(client: TestClient) -> None:
    rows = [{"key": key, **IRIS} for key in (1, "a")]
    answer = client.post(KEYED, json={"instances": rows}, headers={"accept": ARROW["content-type"]})
    assert pa.ipc.open_stream(answer.content).read_all().column("key").to_pylist() == ["1", "a"]


def test_without_its_extra_a_format_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for media_type, found in list(FORMATS.items()):
        if found.extra == "arrow":
            monkeypatch.setitem(FORMATS, media_type, replace(found, available=False))
    read = client.post(URL, content=b"", headers=ARROW)
    written = client.post(URL, json={"instances": [IRIS]}, headers={"accept": ARROW["content-type"]})
    assert [(read.status_code, read.json()["error"]) for read in (read, written)] == [
        (415, "unsupported_media_type"),
        (406, "not_acceptable"),
    ]
    assert all("pip install 'servefn[arrow]'" in answer.json()["detail"] for answer in (read, written))
    assert client.post(URL, json={"instances": [IRIS]}, headers={"accept": "*/*"}).status_code == 200


def test_the_formats_load_without_their_extras() -> None:
    code = "import sys; sys.modules.update(pyarrow=None, backports=None); import app.main;"
    code += "from app.formats import FORMATS; print(*(name for name, found in FORMATS.items() if not found.available))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {name for name, found in FORMATS.items() if found.extra}


def test_parquet(client: TestClient) -> None:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"key": [1, 2], **{name: [value] * 2 for name, value in IRIS.items()}}), sink)
    headers = {"content-type": "application/x-parquet"}
    answer = client.post(KEYED, content=sink.getvalue().to_pybytes(), headers=headers)
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    rows = parquet.read_table(pa.BufferReader(answer.content)).to_pylist()
    assert [(row["key"], row["label"], row["error"]) for row in rows] == [(1, "setosa", None), (2, "setosa", None)]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("rows", [3, 3000])
def test_flights_are_answered_the_same_in_every_format(client: TestClient, name: str, rows: int) -> None:
    """Large enough for a thread, with text, integers and missing values; every format is read and written."""
    flights = json.loads((MODELS / "flights" / "1" / "replay.json").read_bytes())["instances"]
    asked = [{"flight_id": f"{number}", **flights[number % len(flights)]} for number in range(rows)]
    document = client.post("/models/flights/predict/keyed", json={"instances": asked}).json()
    media_type, write = WRITERS[name]
    answer = client.post("/models/flights/predict/keyed", content=write(asked), headers={"content-type": media_type})
    assert answer.headers["content-type"] == media_type
    assert flat(media_type, answer.content) == [
        (row["flight_id"], row["label"], row["probabilities"]["late"]) for row in document["predictions"]
    ]


def flat(media_type: str, content: bytes) -> list[tuple[str, str, float]]:
    """Key, label and one probability of each answer."""
    match media_type:
        case "application/json" | "application/x-ndjson":
            rows = (
                json.loads(content)["predictions"]
                if media_type.endswith("/json")
                else list(map(json.loads, content.splitlines()))
            )
            return [(row["flight_id"], row["label"], row["probabilities"]["late"]) for row in rows]
        case "text/csv":
            found = parsed(content.decode())
        case "application/vnd.apache.parquet":
            found = parquet.read_table(pa.BufferReader(content)).to_pylist()
        case _:
            found = pa.ipc.open_stream(content).read_all().to_pylist()
    return [(row["flight_id"], row["label"], float(row["probabilities.late"])) for row in found]


def test_limits_hold_in_every_format(narrow: TestClient) -> None:  # noqa: F811
    for media_type, write in WRITERS.values():
        headers = {"content-type": media_type, "accept": "application/json"}
        many, large = write([IRIS] * 4), write([IRIS]) + b" " * 3000
        refused = [
            narrow.post(URL, content=many, headers=headers),
            narrow.post(URL, content=large, headers=headers),
            narrow.post(URL, content=chunks(large), headers=headers),
            narrow.post(URL, content=gzip.compress(large), headers={**headers, "content-encoding": "gzip"}),
        ]
        assert [(answer.status_code, answer.json()["error"]) for answer in refused] == [(413, "too_large")] * 4, (
            media_type
        )
