"""The binary tensor extension: section 2 of the contract."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from tests.conformance.case import ABSENT, LENGTH, Case, Raw, each
from tests.conformance.v2 import APART, BOTH, COLUMNS, ERROR, INFER, LABEL, PROBABILITIES, SETOSA

FP32, FP64 = struct.pack("<4f", *SETOSA), struct.pack("<4d", *SETOSA)
SETOSA_RAW = struct.pack("<I", 6) + b"setosa"
FOLD: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}
OCTETS = {"content-type": "application/octet-stream", LENGTH: str}


def tensor(raw: bytes, datatype: str = "FP32", shape: Sequence[int] = (1, 4), name: str = "X", **more: Any) -> Any:
    return {"name": name, "shape": [*shape], "datatype": datatype, "parameters": {"binary_data_size": len(raw)}, **more}


def binary(
    what: str,
    status: Any,
    said: Any,
    inputs: Sequence[Any] = (tensor(FP32),),
    raw: bytes = FP32,
    length: str | None = None,
    coding: str = "",
    answered: Any = None,
    **members: Any,
) -> Case:
    """A request with raw tensors behind its JSON; `length` is what its header says if that is not the length."""
    text = json.dumps({"inputs": list(inputs), **members}, separators=(",", ":")).encode()
    headers = {LENGTH: str(len(text)) if length is None else length} | ({"content-encoding": coding} if coding else {})
    body = FOLD[coding](text + raw)
    return Case(f"binary: {what}", INFER, status, said, body, headers, answered or {})


def refused(what: str, **request: Any) -> Case:
    return binary(what, 400, ERROR, answered={"content-type": "application/json", LENGTH: ABSENT}, **request)


def wanted(**binary_data: bool) -> list[Any]:
    return [{"name": name, "parameters": {"binary_data": value}} for name, value in binary_data.items()]


def described(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "data": ABSENT, "parameters": {"binary_data_size": size}}


PARTS = [tensor(struct.pack("<f", value), shape=[1], name=name) for name, value in zip(COLUMNS, SETOSA, strict=True)]
ALL = {"outputs": [described("label", 10), described("probabilities", 24)]}
JSON_ONLY = {"content-type": "application/json", LENGTH: ABSENT}
FLIGHT = {"carrier": "B6", "origin": "JFK", "dest": "RSW"}


def size(value: Any) -> list[Any]:
    return [{**tensor(b""), "parameters": {"binary_data_size": value}}]


CASES = [
    binary("in, JSON out", 200, BOTH, answered=JSON_ONLY),
    binary("FP64", 200, BOTH, [tensor(FP64, "FP64")], FP64),
    binary("FP16", 200, BOTH, [tensor(FP32[:8], "FP16")], struct.pack("<4e", *SETOSA)),
    binary("INT32", 200, BOTH, [tensor(FP32, "INT32")], struct.pack("<4i", 5, 3, 1, 1)),
    binary("UINT8", 200, BOTH, [tensor(b"1234", "UINT8")], bytes([5, 3, 1, 1])),
    binary("an input per feature", 200, BOTH, PARTS),
    binary("JSON and raw inputs", 200, BOTH, [PARTS[0], APART[1], PARTS[2], APART[3]], FP32[:4] + FP32[8:12]),
    binary("no bytes but raw is allowed", 200, BOTH, APART, b""),
    binary("the id", 200, {"id": "b1", **BOTH}, id="b1"),
    binary("all outputs", 200, Raw(ALL, 34, SETOSA_RAW), answered=OCTETS, parameters={"binary_data_output": True}),
    binary("and the id", 200, Raw({"id": "ü"}, 34), id="ü", parameters={"binary_data_output": True}),
    binary("explicitly not", 200, BOTH, answered=JSON_ONLY, parameters={"binary_data_output": False}),
    binary("one output", 200, Raw({"outputs": [described("label", 10)]}, 10, SETOSA_RAW), outputs=wanted(label=True)),
    binary("one raw, one not", 200, Raw({"outputs": [described("label", 10), PROBABILITIES]}, 10),
           outputs=wanted(label=True, probabilities=False)),
    binary("the other", 200, Raw({"outputs": [LABEL, described("probabilities", 24)]}, 24),
           outputs=wanted(label=False, probabilities=True)),
    binary("listed as not raw", 200, BOTH, outputs=wanted(label=False, probabilities=False), answered=JSON_ONLY),
    binary("gzip", 200, BOTH, coding="gzip"),
    binary("deflate", 200, BOTH, coding="deflate"),
    binary("gzip both", 200, Raw(ALL, 34), coding="gzip", parameters={"binary_data_output": True}),
    Case("binary: JSON in, raw out", INFER, 200, Raw(ALL, 34, SETOSA_RAW),
         {"inputs": APART, "parameters": {"binary_data_output": True}}, answered=OCTETS),
    Case("binary: raw request without JSON", INFER, {200, 400}, ..., FP32, {LENGTH: "0"}),
    *(refused(f"a length of {length!r}", length=length) for length in ("", "x", "-1", "1.5", "9999", str(2**80))),
    refused("a length in the middle of the JSON", length="20"),
    refused("bytes are missing", raw=FP32[:15]),
    refused("all bytes are missing", raw=b""),
    refused("bytes are left over", raw=FP32 + b"\0"),
    refused("data and size", inputs=[tensor(FP32, data=SETOSA)]),
    refused("neither data nor size", inputs=[{**tensor(FP32), "parameters": {}}], raw=b""),
    refused("shared memory", inputs=[{**tensor(FP32), "parameters": {"shared_memory_region": "x"}}], raw=b""),
    *(refused(f"a size of {some!r}", inputs=size(some)) for some in each("16", -16, 16.0, True, None, 2**70, [16], 0)),
    refused("a size that is not of the shape", inputs=[tensor(FP32, shape=[2, 4])]),
    refused("a size that is not of the datatype", inputs=[tensor(FP32, "FP64")]),
    refused("a shape beyond all memory", inputs=[tensor(FP32, shape=[2**60, 2**60])]),
    refused("an unknown datatype", inputs=[tensor(FP32, "FLOAT32")]),
    refused("NaN where none is allowed", raw=struct.pack("<f", float("nan")) + FP32[4:]),
    refused("infinity", raw=struct.pack("<f", float("inf")) + FP32[4:]),
    refused("texts for numbers", inputs=[tensor(b"12345678" * 2, "BYTES")], raw=struct.pack("<I", 0) * 4),
    refused("outputs: binary_data is no bool", outputs=[{"name": "label", "parameters": {"binary_data": "yes"}}]),
    refused("binary_data_output is no bool", parameters={"binary_data_output": "yes"}),
    Case("binary: a size and no header", INFER, 400, ERROR, {"inputs": [tensor(FP32)]}),
]  # fmt: skip
