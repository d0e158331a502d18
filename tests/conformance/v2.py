"""Open Inference Protocol v2 over HTTP with JSON: sections 1 and 3 of the contract."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from typing import Any

from tests.conformance.case import ABSENT, REFUSED, Case, content, each, has

INFER = "POST /v2/models/iris/infer"
ERROR = {"error": str}
SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
JSON = {"content-type": "application/json"}
LABEL = {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["setosa"]}
PROBABILITIES = {"name": "probabilities", "datatype": "FP64", "shape": [1, 3], "data": [float] * 3}
BOTH = {"outputs": [LABEL, PROBABILITIES]}


def tensor(**changed: Any) -> dict[str, Any]:
    """One row of iris as one tensor; what is changed to ABSENT is left out."""
    given = {"name": "X", "shape": [1, 4], "datatype": "FP64", "data": SETOSA, **changed}
    return {name: value for name, value in given.items() if value is not ABSENT}


def infer(what: str, status: Any = 200, said: Any = BOTH, **request: Any) -> Case:
    """A case of one row, but for the members of its tensor (by name) or of its request (`inputs`, `outputs`, ...)."""
    outer = {"inputs", "outputs", "id", "parameters", "extra", "model_name"}
    body = {"inputs": [tensor(**{name: value for name, value in request.items() if name not in outer})]}
    body |= {name: value for name, value in request.items() if name in outer}
    return Case(f"infer: {what}", INFER, status, said, {k: v for k, v in body.items() if v is not ABSENT})


def refused(what: str, **request: Any) -> Case:
    return infer(what, 400, ERROR, **request)


def body(what: str, sent: Any, status: Any = 400, said: Any = ERROR, **headers: str) -> Case:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Case(f"infer: {what}", INFER, status, said, sent, named, {"content-type": "application/json"})


def column(name: str, value: Any, datatype: str = "FP64", shape: Any = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [1], "datatype": datatype, "data": [value]}


GOOD = {"inputs": [tensor()]}
SERVER = {"name": str, "version": str, "extensions": has("binary_tensor_data", "model_repository", "statistics")}
TENSOR = {"name": str, "datatype": str, "shape": list}
METADATA = {
    "name": "iris",
    "versions": ["1"],
    "platform": "onnx_onnxv1",
    "inputs": [{"name": name, "datatype": "FP64", "shape": has(-1)} for name in COLUMNS],
    "outputs": [{**TENSOR, "name": "label", "datatype": "BYTES"}, {**TENSOR, "datatype": "FP64", "shape": [-1, 3]}],
}
MORE = {"extensions": has("model_configuration", "parameters", "classification")}
READY = {"name": "iris", "ready": True}

SERVED = [
    Case("server metadata", "GET /v2", 200, SERVER, answered={"content-type": "application/json"}),
    Case("what else the server can", "GET /v2", 200, MORE),
    Case("live", "GET /v2/health/live", 200, {"live": True}),
    Case("ready", "GET /v2/health/ready", 200, {"ready": True}),
    Case("metadata", "GET /v2/models/iris", 200, METADATA, answered={"content-type": "application/json"}),
    Case("metadata of a version", "GET /v2/models/iris/versions/1", 200, METADATA),
    Case("metadata with texts", "GET /v2/models/flights", 200, {"inputs": has({"name": "dest", "datatype": "BYTES"})}),
    Case("metadata of an unknown model", "GET /v2/models/irsi", 404, ERROR),
    Case("metadata of an unknown version", "GET /v2/models/iris/versions/9", 404, ERROR),
    Case("metadata of a version that is no number", "GET /v2/models/iris/versions/x", {400, 404}, ERROR),
    Case("model ready", "GET /v2/models/iris/ready", 200, READY),
    Case("version ready", "GET /v2/models/iris/versions/1/ready", 200, READY),
    Case("unknown model ready", "GET /v2/models/irsi/ready", 404, ERROR),
    Case("unknown version ready", "GET /v2/models/iris/versions/2/ready", 404, ERROR),
    Case("config", "GET /v2/models/iris/config", 200, {"name": "iris"}),
    Case("config of a version", "GET /v2/models/iris/versions/1/config", 200, {"name": "iris"}),
    Case("config of an unknown model", "GET /v2/models/irsi/config", 404, ERROR),
    Case("config of an unknown version", "GET /v2/models/iris/versions/2/config", 404, ERROR),
    Case("infer an unknown model", "POST /v2/models/irsi/infer", 404, ERROR, GOOD),
    Case("infer a version", "POST /v2/models/iris/versions/1/infer", 200, {"model_version": "1", **BOTH}, GOOD),
    Case("infer an unknown version", "POST /v2/models/iris/versions/2/infer", 404, ERROR, GOOD),
    Case("nothing there", "GET /v2/nothing", 404, ERROR, answered={"content-type": "application/json"}),
    Case("nothing of a model", "GET /v2/models/iris/nothing", 404, ERROR),
    Case("no health", "GET /v2/health/well", 404, ERROR),
    *(
        Case(f"wrong method: {ask}", ask, 405, ERROR, answered={"allow": str, "content-type": "application/json"})
        for ask in (
            "POST /v2",
            "POST /v2/health/live",
            "DELETE /v2/health/ready",
            "POST /v2/models/iris",
            "PUT /v2/models/iris/ready",
            "GET /v2/models/iris/infer",
            "DELETE /v2/models/iris/infer",
            "POST /v2/models/iris/config",
            "POST /v2/models/iris/stats",
            "GET /v2/repository/index",
            "GET /v2/repository/models/iris/load",
            "GET /v2/repository/models/iris/unload",
        )
    ),
]

NESTED: dict[str, Any] = {"shape": [2, 4], "data": [SETOSA, VIRGINICA]}
TWO = {
    "model_name": "iris",
    "model_version": "1",
    "outputs": [
        {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["setosa", "virginica"], "parameters": ABSENT},
        {"name": "probabilities", "shape": [2, 3], "datatype": "FP64", "data": [float] * 6, "parameters": ABSENT},
    ],
}
APART = [column(name, value) for name, value in zip(COLUMNS, SETOSA, strict=True)]
RESERVED = {"sequence_id": 7, "sequence_start": True, "priority": 1, "timeout": 60_000_000, "triton_x": "y"}

TAKEN = [
    infer("flat data", said=TWO, shape=[2, 4], data=SETOSA + VIRGINICA),
    infer("nested data", said=TWO, **NESTED),
    infer("FP32", datatype="FP32"),
    infer("ints in FP64", shape=[1, 4], data=[5, 3, 1, 1]),
    infer("an integer tensor", datatype="INT64", data=[5, 3, 1, 1]),
    infer("a small unsigned tensor", datatype="UINT8", data=[5, 3, 1, 1]),
    infer("an input per feature", inputs=APART),
    infer("an input per feature, [rows, 1]", inputs=[{**one, "shape": [1, 1], "data": [one["data"]]} for one in APART]),
    infer("inputs in another order", inputs=APART[::-1]),
    infer("the id is echoed", said={"id": "42", **BOTH}, id="42"),
    infer("an id that is not ASCII", said={"id": "üñ☃", **BOTH}, id="üñ☃"),

    infer("no id is made up", said={"id": ABSENT, **BOTH}),
    infer("no nulls for what is absent", said=re.compile(r"^(?!.*null)")),
    infer("parameters of a tensor", parameters={}, name="X"),
    infer("outputs: one", said={"outputs": [LABEL]}, outputs=[{"name": "label"}]),
    infer("outputs: the other", said={"outputs": [PROBABILITIES]}, outputs=[{"name": "probabilities"}]),
    infer("outputs: none listed are all", outputs=[]),
    infer("outputs: null parameters or none", outputs=[{"name": "label", "parameters": {}}], said={"outputs": [LABEL]}),
    infer("unknown members are ignored", extra={"a": [1, None]}),
    infer("KServe's model_name is ignored", model_name="other"),
    infer("reserved parameters are ignored", parameters=RESERVED),
    infer("parameters of one's own pass", parameters={"mine": "x", "n": 1, "f": 1.5, "b": False}),
    infer("binary_data_output without effect on errors", 400, ERROR, parameters={"binary_data_output": True}, data=[1]),
    *(
        Case(f"infer: content type {kind}", INFER, 200, BOTH, GOOD, {"content-type": kind})
        for kind in ("application/json", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain")
    ),
    Case("infer: no content type", INFER, 200, BOTH, GOOD, answered={"content-type": "application/json"}),
    body("a gzip body", gzip.compress(content(GOOD)), 200, BOTH,
         content_encoding="gzip"),
    body("a deflate body", zlib.compress(content(GOOD)), 200, BOTH,
         content_encoding="deflate"),
]  # fmt: skip

SHAPES: list[Any] = [
    [-1, 4], [2, 4], [1, 3], [1, 5], [4], [1, 1, 4], [1.0, 4], ["1", 4], [True, 4], [None, 4], [], "1,4", None, 4, {},
    [2**60, 2**60], [2**62, 4], [2**64, 1], [0, 2**60], [-1, -4], [10**30, 4], [[1], 4],
]  # fmt: skip
DATA: list[Any] = [
    SETOSA[:3], [*SETOSA, 1.0], [], None, "5.1", 5.1, {}, [[]], ["5.1", "3.5", "1.4", "0.2"], [True, 1, 1, 1],
    [None, 1, 1, 1], [{}, 1, 1, 1], [float("nan"), 1, 1, 1], [float("inf"), 1, 1, 1], [10**400, 1, 1, 1], [-1, 1, 1, 1],
    [json.loads("[" * 30 + "]" * 30), 1, 1, 1],
]  # fmt: skip
DATATYPES: list[Any] = [
    "FLOAT32",
    "STRING",
    "FP16",
    "BF16",
    "BYTES",
    "BOOL",
    "fp64 ",
    "",
    None,
    1,
    {},
    "UINT128",
    "x" * 9999,
]

BAD = [
    *(refused(f"shape {shape}", shape=shape) for shape in SHAPES),
    *(refused(f"data {data!r:.60}", data=data) for data in DATA),
    *(refused(f"datatype {str(datatype)[:20]}", datatype=datatype) for datatype in DATATYPES),
    refused("1.5 in an integer tensor", datatype="INT64", data=[1.5, 1, 1, 1]),
    refused("300 in a tensor of UINT8", datatype="UINT8", data=[300, 1, 1, 1]),
    refused("-1 in a tensor of UINT64", datatype="UINT64", data=[-1, 1, 1, 1]),
    refused("more than 64 bits", datatype="INT64", data=[2**70, 1, 1, 1]),
    *(refused(f"no {member}", **{member: ABSENT}) for member in ("name", "shape", "datatype", "data")),
    *(refused(f"name {name!r}", name=name) for name in each(None, 1, [], {})),
    *(refused(f"inputs {str(some)[:30]}", inputs=some) for some in each([], None, {}, "X", [1], [None], [[]], [{}])),
    refused("no inputs", inputs=ABSENT),
    refused("an input twice", inputs=[*APART, APART[0]]),
    refused("a matrix twice", inputs=[tensor(), tensor()]),
    refused("an input is missing", inputs=APART[1:]),
    refused("an unknown input", inputs=[*APART, column("colour", 1.0)]),
    refused("inputs of different lengths", inputs=[*APART[1:], {**APART[0], "shape": [2], "data": [1.0, 1.0]}]),
    refused("shared memory", data=ABSENT, parameters={"shared_memory_region": "r"}),
    *(refused(f"id {some}", id=some) for some in each(42, [], {}, True)),
    *(refused(f"parameters {some}", parameters=some) for some in each([], "x", 1)),
    *(refused(f"outputs {some}", outputs=some) for some in each("label", {}, [1], ["label"], [{}], [{"name": 1}])),
    infer("outputs: unknown", REFUSED, ERROR, outputs=[{"name": "labels"}]),
    infer("outputs: one twice", {200, 400}, ..., outputs=[{"name": "label"}, {"name": "label"}]),
    infer("no rows", {200, 400}, ..., shape=[0, 4], data=[]),
    body("an empty body", b""),
    body("not JSON", b"inputs=1"),
    body("half of it", b'{"inputs":[{"name":"X","shape":[1,4],'),
    body("two of them", b'{"inputs":[]}{"inputs":[]}'),
    *(body(f"a body of {text}", text) for text in each("[]", "null", "1", '"inputs"', "true", "{}")),
    body("not UTF-8", b'{"inputs":[{"name":"\xff"}]}'),
    body("a lone surrogate", b'{"inputs":[{"name":"\\ud800","shape":[1,4],"datatype":"FP64","data":[1,1,1]}]}'),
    body("very deep", b"[" * 100_000),
    body("very deep data", b'{"inputs":[{"name":"X","shape":[1],"datatype":"FP64","data":' + b"[" * 50_000),
    body("deep and whole", b'{"inputs":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    body("an encoding that nobody knows", GOOD, 415, content_encoding="zip"),
    body("gzip that is none", GOOD, content_encoding="gzip"),
    body("deflate that is none", GOOD, content_encoding="deflate"),
    body("half a gzip", gzip.compress(b"{}" * 100)[:-12], content_encoding="gzip"),
    body("too large", b" " * (16 * 2**20 + 1), 413),
    body("too large when unfolded", gzip.compress(b" " * (16 * 2**20 + 1)), 413, content_encoding="gzip"),
    body("too many rows", {"inputs": [tensor(shape=[10_001, 4], data=SETOSA * 10_001)]}, 413),
    body("too late", GOOD, 504, servefn_timeout_ms="0"),
]

ONE = re.compile(r"^[01]\.\d{6}:0:setosa$")


def classified(what: str, k: Any, status: int = 200, said: Any = ERROR, **request: Any) -> Case:
    asked = [{"name": "probabilities", "parameters": {"classification": k}}]
    return infer(f"classification {what}", status, said, outputs=asked, **request)


def classes(shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"outputs": [{"name": "probabilities", "datatype": "BYTES", "shape": shape, "data": data}]}


CLASSIFICATION = [
    classified("of one", 1, said=classes([1, 1], [ONE])),
    classified("of two classes", 2, said=classes([1, 2], [ONE, re.compile(r"^0\.\d{6}:1:versicolor$")])),
    classified("of more than there are", 9, said=classes([1, 3], [ONE, str, str])),
    classified("of two rows", 2, said=classes([2, 2], [ONE, str, re.compile(":2:virginica$"), str]), **NESTED),
    *(classified(f"of {k}", k, 400) for k in each("two", -1, 1.5, True, [])),
]

DURATION = {"count": int, "ns": int}
TIMES = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
STATISTICS = {
    "name": "iris",
    "version": "1",
    "last_inference": int,
    "inference_count": int,
    "execution_count": int,
    "inference_stats": dict.fromkeys(TIMES, DURATION),
    "batch_stats": list,
}

COUNTED = [
    Case("statistics of all", "GET /v2/models/stats", 200, {"model_stats": has(STATISTICS, {"name": "flights"})}),
    Case("statistics of one", "GET /v2/models/iris/stats", 200, {"model_stats": [STATISTICS]}),
    Case("statistics of a version", "GET /v2/models/iris/versions/1/stats", 200, {"model_stats": [STATISTICS]}),
    Case("statistics of an unknown model", "GET /v2/models/irsi/stats", {400, 404}, ERROR),
    Case("statistics of an unknown version", "GET /v2/models/iris/versions/2/stats", {400, 404}, ERROR),
]

INDEX = "POST /v2/repository/index"
LISTED = {"name": "iris", "version": "1", "state": "READY", "reason": str}
LOAD, UNLOAD = "POST /v2/repository/models/iris/load", "POST /v2/repository/models/iris/unload"

REPOSITORY = [
    Case("index, no body", INDEX, 200, has(LISTED, {"name": "flights", "state": "READY"})),
    Case("index, an empty object", INDEX, 200, has(LISTED), {}),
    Case("index of what is ready", INDEX, 200, has(LISTED), {"ready": True}),
    Case("index of all", INDEX, 200, has(LISTED), {"ready": False}),
    *(Case(f"index: ready {some}", INDEX, 400, ERROR, {"ready": some}) for some in each("yes", 1, [])),
    *(Case(f"index: a body of {some}", INDEX, 400, ERROR, some) for some in each("[]", "1", "ready", "{")),
    Case("load", LOAD, 200, b""),
    Case("load with an empty object", LOAD, 200, b"", {}),
    Case("load with parameters", LOAD, 200, b"", {"parameters": {}}),
    Case("load with a config", LOAD, {200, 400, 501}, ..., {"parameters": {"config": "{}"}}),
    Case("load, not JSON", LOAD, 400, ERROR, "{"),
    Case("load an unknown model", "POST /v2/repository/models/irsi/load", {400, 404}, ERROR),
    Case("unload an unknown model", "POST /v2/repository/models/irsi/unload", {400, 404}, ERROR),
    Case("unload, not an object", UNLOAD, 400, ERROR, "[]"),
]

WITHDRAWN = [
    Case("infers", INFER, 200, BOTH, GOOD),
    Case("is unloaded", UNLOAD, 200, b"", {"parameters": {"unload_dependents": False}}),
    Case("is listed all the same", INDEX, 200, has({"name": "iris", "state": "UNAVAILABLE"})),
    Case("is not ready", "GET /v2/models/iris/ready", {400, 404, 503}, ERROR),
    Case("does not infer", INFER, {400, 404, 503}, ERROR, GOOD),
    Case("others do", "GET /v2/models/flights/ready", 200, {"ready": True}),
    Case("is loaded", LOAD, 200, b""),
    Case("is ready", "GET /v2/models/iris/ready", 200, READY),
    Case("is listed", INDEX, 200, has(LISTED), {"ready": True}),
    Case("infers again", INFER, 200, BOTH, GOOD),
]
"""In this order, on a server of their own."""

CASES = [*SERVED, *TAKEN, *BAD, *CLASSIFICATION, *COUNTED, *REPOSITORY]
