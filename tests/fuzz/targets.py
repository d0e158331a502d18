"""What takes bytes from outside. Each target gives what is right to begin with, and takes anything."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from backports import zstd
from pyarrow import csv, parquet

from app import bundle, inference_body, open_inference
from app.columns import Terms, question
from app.errors import RequestError
from app.formats import FORMATS
from app.inference_body import Inference
from app.main import create_app
from app.protocols.coding import unfolded
from app.protocols.native import Predictions
from app.settings import Settings
from app.tensors import from_values
from app.trial import Limits, tried
from tests.conftest import MODELS
from tests.contracts import GOOD, SIGNATURE
from tests.test_direct import converse
from tests.test_formats import MODEL, TYPES

ROWS: list[dict[str, Any]] = [{"id": f"k{number}", **GOOD, "length (cm)": number / 10} for number in range(12)]
LIMIT = 10**6
"""Bytes that a body may unfold to."""

SERVED = {b"200", b"400", b"403", b"404", b"405", b"406", b"408", b"413", b"415", b"422", b"503", b"504"}

PATIENCE = 0.01
"""Seconds in which an answer comes that a thread works on, where one comes at all."""

PLACES = defaultdict(lambda: "1", name="iris", model="iris", model_name="iris")
"""What stands for the names in the document's paths."""


@dataclass(frozen=True)
class Target:
    """`take` raises what is a finding. Bytes for it are made of `seeds`; `size` of them are taken at once."""

    name: str
    seeds: Sequence[bytes]
    take: Callable[[Sequence[bytes]], None]
    size: int = 1


def decoding(name: str, media_type: str, *seeds: bytes) -> Target:
    """A format, with keys and without, in one go."""

    def take(contents: Sequence[bytes]) -> None:
        for content in contents:
            for key_field in ("", "id"):
                terms = Terms(max_bytes=LIMIT, max_rows=100, keyed=bool(key_field), key_field=key_field)
                try:
                    FORMATS[media_type].decode(MODEL, content, terms)
                except RequestError:
                    continue

    return Target(name, seeds, take)


def lines() -> Target:
    def take(contents: Sequence[bytes]) -> None:
        for content in contents:
            for key_field in (None, "id"):
                try:
                    MODEL.codec.decode_line(content, 0, key_field)
                except RequestError:
                    continue

    return Target("lines", [json.dumps(row).encode() for row in ROWS[:2]], take)


def inference() -> Target:
    """Requests of the Open Inference Protocol; before each the length of its JSON in two bytes, 0 where it is all."""

    def take(contents: Sequence[bytes]) -> None:
        for content in contents:
            length = int.from_bytes(content[:2], "little")
            try:
                read = inference_body.read(MODEL.signature, content[2:], length or None, 10_000)
                asked = open_inference.table(MODEL.signature, read.inputs, read.parameters, 100)
                open_inference.complete(question(MODEL.codec, *asked))
            except RequestError:
                continue

    kinds = {"id": "BYTES", **{feature.name: feature.datatype for feature in SIGNATURE.features}}
    given = [from_values(name, kind, [len(ROWS)], [row[name] for row in ROWS]) for name, kind in kinds.items()]
    written = [inference_body.written({}, given, Inference(given, {}, raw=raw)) for raw in (False, True)]
    bodies = [(content.replace(b"outputs", b"inputs", 1), length - 1 if length else 0) for content, length in written]
    return Target("inference", [length.to_bytes(2, "little") + content for content, length in bodies], take)


def codings() -> Target:
    plain = json.dumps({"instances": ROWS}).encode()
    seeds = {b"gzip": gzip.compress(plain), b"deflate": zlib.compress(plain), b"zstd": zstd.compress(plain)}

    def take(contents: Sequence[bytes]) -> None:
        for content in contents:
            for coding in seeds:
                size, reader = 0, unfolded(coding)
                try:
                    for part in reader.parts(content):
                        size += len(part)
                        if size > LIMIT:
                            break
                    reader.end()
                except RequestError:
                    continue

    return Target("codings", list(seeds.values()), take)


def http() -> Target:
    """A connection: whatever comes, the answers are ours, and what is said of a failure is not that it is our own."""
    elsewhere = "192.0.2.1"  # where anybody may call nobody is an admin: the models stay as they are
    app = create_app(Settings(models=MODELS, load_seconds=0, host=elsewhere))
    assert isinstance(app, Predictions)
    app._repository.load()
    row = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'

    def post(path: bytes, kind: bytes, content: bytes, *headers: bytes) -> bytes:
        return request("POST", b"/models/iris/" + path, kind, content, *headers)

    body = b'{"instances":[%b]}' % row
    keyed = b'{"instances":[{"key":"a",%b]}' % row[1:]
    chunked = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    seeds = [
        post(b"predict", b"application/json", body),
        post(b"predict/keyed", b"application/json", keyed, b"accept: text/csv"),
        post(b"predict", b"application/x-ndjson", row + b"\n" + row, b"accept-encoding: gzip;q=0.5"),
        post(b"versions/1/predict?threshold=0.5&key_field=a", b"application/json", body, b"servefn-timeout-ms: 100"),
        post(b"predict", b"application/json", gzip.compress(body), b"content-encoding: gzip"),
        b"POST /models/iris/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" + chunked,
        b"GET /models HTTP/1.1\r\nhost: x\r\n\r\nGET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PUT /admin/models/irsi/aliases/x HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n{1}",
        *documented(app),
    ]

    def take(contents: Sequence[bytes]) -> None:
        for content in contents:
            written = b"".join(asyncio.run(converse(app, content, patience=PATIENCE)).written)
            statuses = {part[:3] for part in written.split(b"HTTP/1.1 ")[1:]}
            if strange := statuses - SERVED - {b"100", b"426", b"431", b"404"}:
                raise AssertionError(f"answered by {strange}")

    return Target("http", seeds, take)


def request(method: str, path: bytes, kind: bytes, content: bytes, *headers: bytes) -> bytes:
    said = [b"content-type: " + kind, *headers, b"content-length: %d" % len(content)] if kind else headers
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method.encode(), path), b"host: x", *said, b"", content])


def documented(app: Predictions) -> Iterator[bytes]:
    """Each example of a body in the document, under whatever protocol, and each operation without one."""
    answer = b"".join(asyncio.run(converse(app, b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n")).written)
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    for path, operations in document["paths"].items():
        place = path.format_map(PLACES).encode()
        for method, operation in operations.items():
            for kind, content in operation.get("requestBody", {"content": {"": {}}})["content"].items():
                for example in examples(document, content):
                    yield request(method.upper(), place, kind.encode(), example)


def examples(document: Any, content: Any) -> list[bytes]:
    """The examples of one media type, or nothing as the only one."""
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    found = [content["example"]] if "example" in content else schema.get("examples", [""])
    return [each.encode() if isinstance(each, str) else json.dumps(each).encode() for each in found]


def bundles() -> Target:
    """Graphs, in contracts with digests that fit, each of which may only be turned away for a reason of its own."""
    read = bundle.read(MODELS / "iris" / "1")

    def take(contents: Sequence[bytes]) -> None:
        with tempfile.TemporaryDirectory() as place:
            paths = [Path(place, "fuzzed", str(number)) for number, _ in enumerate(contents, 1)]
            for path, content in zip(paths, contents, strict=True):
                path.mkdir(parents=True)
                bundle.write(path, read.manifest, content, read.replay)
            for verdict in tried(paths, Limits(seconds=10, bytes=2**31)).values():
                if "could not be tried" in verdict.reason or not (verdict.reason or verdict.digest):
                    raise AssertionError(verdict.reason or "no verdict")

    return Target("bundles", [read.graph, bundle.read(MODELS / "flights" / "1").graph], take, size=64)


def tables() -> tuple[bytes, list[bytes], list[bytes]]:
    """The rows as CSV, as streams of Arrow and as files of Parquet."""
    schema = pa.schema([("id", pa.string()), *TYPES.items()])
    table = pa.table({name: [row[name] for row in ROWS] for name in schema.names}, schema)
    coded = table.set_column(0, "id", table["id"].dictionary_encode())
    text, streams, files = io.BytesIO(), [], []
    csv.write_csv(table, text)
    for each in (table, coded):
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, each.schema) as stream:
            stream.write_table(each)
        streams.append(sink.getvalue())
    for compression in ("snappy", "none", "zstd", "gzip"):
        sink = io.BytesIO()
        parquet.write_table(table, sink, compression=compression)
        files.append(sink.getvalue())
    return text.getvalue(), streams, files


def targets() -> list[Target]:
    text, streams, files = tables()
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    rows = [{name: value for name, value in row.items() if name != "id"} for row in ROWS]
    documents: list[Any] = [{"instances": ROWS}, {"instances": rows}, {"key_field": "id", "columns": columns}]
    json_seeds = [json.dumps(document).encode() for document in documents]
    ndjson = b"\n".join(json.dumps(row).encode() for row in ROWS)
    return [
        decoding("json", "application/json", *json_seeds),
        decoding("csv", "text/csv", text),
        decoding("ndjson", "application/x-ndjson", ndjson),
        decoding("arrow", "application/vnd.apache.arrow.stream", *streams),
        decoding("parquet", "application/vnd.apache.parquet", *files),
        lines(),
        inference(),
        codings(),
        http(),
        bundles(),
    ]
