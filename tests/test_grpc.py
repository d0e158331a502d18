"""The Open Inference Protocol over gRPC: a real server, and a channel of the library."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from grpc_tools import protoc
from starlette.testclient import TestClient

from app import cli, traffic
from app.errors import Fault, InvalidRequest
from app.main import create_app
from app.protocols.grpc.codes import CODES, LONGEST, text
from app.protocols.grpc.messages import DESCRIBED, MOST, messages
from app.protocols.grpc.tensors import FIELDS
from app.protocols.native import Predictions
from app.protocols.statuses import STATUSES, plain
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_auth import KEYS
from tests.test_cli import free_port, serving
from tests.test_native import IRIS
from tests.test_tls import Certificate, certificate, secured
from tests.waiting import until

INFERENCE, HEALTH = "/inference.GRPCInferenceService", "/grpc.health.v1.Health"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
Code = grpc.StatusCode


class Server(NamedTuple):
    """A server's channel, and its address of HTTP."""

    channel: Any
    address: str


@contextmanager
def spoken(*options: str, **environment: str) -> Iterator[Server]:
    """A real server process that is ready, and a channel to it."""
    port = free_port()
    with (
        serving("--grpc-port", str(port), *options, **environment) as (_, address),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Server(channel, address)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with spoken("--max-rows", "100", "--max-body-bytes", "1000000") as server:
        yield server


def message(kind: str, /, **fields: Any) -> Any:
    return messages()[kind](**fields)


def call(channel: Any, method: str, /, *headers: tuple[str, str], **fields: Any) -> Any:
    """What answers a message of the protocol."""
    request = message(f"inference.{method}Request", **fields)
    return sent(channel, method, request.SerializeToString(), *headers)


def sent(channel: Any, name: str, content: bytes, *headers: tuple[str, str], seconds: float = 20) -> Any:
    """What answers some bytes."""
    method = channel.unary_unary(f"{INFERENCE}/{name}")
    return messages()[f"inference.{name}Response"].FromString(method(content, timeout=seconds, metadata=headers))


def health(channel: Any, service: str = "") -> int:
    request = message("grpc.health.v1.HealthCheckRequest", service=service)
    answer = channel.unary_unary(f"{HEALTH}/Check")(request.SerializeToString(), timeout=20)
    status: int = messages()["grpc.health.v1.HealthCheckResponse"].FromString(answer).status
    return status


@contextmanager
def refusal(code: Any, said: str = "") -> Iterator[None]:
    """Within it a call is refused so."""
    with pytest.raises(grpc.RpcError) as failure:
        yield
    assert (failure.value.code(), failure.value.details()[: len(said)]) == (code, said)


def raw(rows: Any = ROWS, datatype: str = "FP64", kind: str = "<f8") -> dict[str, Any]:
    """The fields of a request for iris: one input, as bytes."""
    values = np.array(rows, kind)
    inputs = [{"name": "X", "datatype": datatype, "shape": values.shape}]
    return {"model_name": "iris", "inputs": inputs, "raw_input_contents": [values.tobytes()]}


def typed(values: Sequence[Any], datatype: str, field: str) -> dict[str, Any]:
    shape = (len(values) // 4, 4)
    inputs = [{"name": "X", "datatype": datatype, "shape": shape, "contents": {field: values}}]
    return {"model_name": "iris", "inputs": inputs}


def column(name: str, datatype: str, values: Sequence[Any]) -> dict[str, Any]:
    """A typed input of one column."""
    return {"name": name, "datatype": datatype, "shape": [len(values)], "contents": {FIELDS[datatype]: values}}


def native(server: Server, model: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    answer = httpx.post(f"{server.address}/models/{model}/predict", json={"instances": list(rows)})
    assert answer.status_code == 200, answer.text
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


def read(response: Any) -> dict[str, Any]:
    """The outputs of an answer, whichever way they came."""
    found = {}
    for index, output in enumerate(response.outputs):
        if not response.raw_output_contents:
            found[output.name] = list(getattr(output.contents, FIELDS[output.datatype]))
        elif output.datatype == "BYTES":
            found[output.name] = list(parts(response.raw_output_contents[index]))
        else:
            kind = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "BOOL": "?"}[output.datatype]
            found[output.name] = np.frombuffer(response.raw_output_contents[index], kind).tolist()
    return found


def parts(content: bytes) -> Iterator[bytes]:
    while content:
        size = int.from_bytes(content[:4], "little")
        yield content[4 : 4 + size]
        content = content[4 + size :]


def test_what_the_server_and_the_models_are(server: Server) -> None:
    channel = server.channel
    assert call(channel, "ServerLive").live
    assert call(channel, "ServerReady").ready
    assert call(channel, "ModelReady", name="iris").ready
    assert call(channel, "ModelReady", name="iris", version="1").ready
    assert call(channel, "ServerMetadata").name == "servefn"
    about = call(channel, "ModelMetadata", name="flights", version="")
    assert (about.name, list(about.versions), about.platform) == ("flights", ["1"], "onnx_onnxv1")
    assert {one.datatype for one in about.inputs} == {"BYTES", "FP64", "INT64"}
    assert [one.name for one in about.outputs] == ["label", "probabilities"]
    assert about.properties["key"] == "flight_id"
    config = call(channel, "ModelConfig", name="iris").config
    assert (config.name, config.backend, list(config.output[1].dims)) == ("iris", "onnxruntime", [-1, 3])
    assert [(one.name, one.state) for one in call(channel, "RepositoryIndex").models] == [
        ("flights", "READY"),
        ("iris", "READY"),
    ]


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_answers_are_those_of_the_native_protocol(server: Server, rows: int) -> None:
    values = (ROWS * rows)[:rows]
    expected = native(server, "iris", [dict(zip(IRIS, row, strict=True)) for row in values])
    answers = [call(server.channel, "ModelInfer", **raw(values))]
    answers.append(call(server.channel, "ModelInfer", **typed([*np.ravel(values)], "FP64", "fp64_contents")))
    assert len(answers[0].raw_output_contents) == 2
    assert not answers[1].raw_output_contents
    for answer in answers:
        assert (answer.model_name, answer.model_version, answer.id) == ("iris", "1", "")
        assert [list(output.shape) for output in answer.outputs] == [[rows], [rows, 3]]
        found = read(answer)
        assert [label.decode() for label in found["label"]] == [one["label"] for one in expected]
        assert found["probabilities"] == [p for one in expected for p in one["probabilities"].values()]


def test_text_and_keys(server: Server) -> None:
    """An input per feature, and one with the keys, which come back."""
    features = httpx.get(f"{server.address}/models/flights").json()["features"]
    row = {feature["name"]: feature["example"] for feature in features}
    (expected,) = native(server, "flights", [row])
    given = {name: [value.encode() if isinstance(value, str) else value] for name, value in row.items()}
    inputs = [column(one["name"], one["datatype"], given[one["name"]]) for one in features]
    keys = column("flight_id", "BYTES", [b"UA1"])
    answer = call(server.channel, "ModelInfer", model_name="flights", inputs=[*inputs, keys])
    assert read(answer) == {
        "flight_id": [b"UA1"],
        "label": [expected["label"].encode()],
        "probabilities": list(expected["probabilities"].values()),
    }
    other = [*inputs, column("id", "BYTES", [b"UA2"])]
    named = message("inference.InferParameter", string_param="id")
    answer = call(server.channel, "ModelInfer", model_name="flights", inputs=other, parameters={"key_field": named})
    assert read(answer)["id"] == [b"UA2"]


WHOLE = [5, 3, 1, 1]


@pytest.mark.parametrize(
    ("datatype", "kind"),
    [
        *((f"{sign}INT{size}", f"<{sign.lower() or 'i'}{size // 8}") for sign in ("", "U") for size in (8, 16, 32, 64)),
        ("FP16", "<f2"),
        ("FP32", "<f4"),
        ("FP64", "<f8"),
    ],
)
def test_numbers_of_every_type(server: Server, datatype: str, kind: str) -> None:
    expected = native(server, "iris", [dict(zip(IRIS, WHOLE, strict=True))])[0]["label"].encode()
    assert read(call(server.channel, "ModelInfer", **raw([WHOLE], datatype, kind)))["label"] == [expected]
    if datatype == "FP16":
        with refusal(Code.INVALID_ARGUMENT, "The input 'X' is of FP16, which comes in raw_input_contents only."):
            call(server.channel, "ModelInfer", **typed(WHOLE, datatype, "fp32_contents"))
    else:
        answer = call(server.channel, "ModelInfer", **typed(WHOLE, datatype, FIELDS[datatype]))
        assert read(answer)["label"] == [expected]


def test_what_is_asked_of_outputs_and_the_id(server: Server) -> None:
    wanted = {"name": "probabilities"}
    answer = call(server.channel, "ModelInfer", **raw(), outputs=[wanted], id="üñ")
    assert ([one.name for one in answer.outputs], answer.id) == (["probabilities"], "üñ")
    two = {**wanted, "parameters": {"classification": message("inference.InferParameter", int64_param=2)}}
    answer = call(server.channel, "ModelInfer", **raw(), outputs=[two])
    assert [list(one.shape) for one in answer.outputs] == [[2, 2]]
    assert read(answer)["probabilities"][0] == b"0.984703:0:setosa"


def test_a_stream_goes_on_whatever_is_wrong_with_a_message(server: Server) -> None:
    requests = [{**raw(), "id": "1"}, {**raw(), "model_name": "irsi"}, {**raw(), "id": "3"}]
    contents = [message("inference.ModelInferRequest", **one).SerializeToString() for one in requests]
    answers = server.channel.stream_stream(f"{INFERENCE}/ModelStreamInfer")(iter([*contents, b"\xff"]), timeout=20)
    found = list(map(messages()["inference.ModelStreamInferResponse"].FromString, answers))
    assert [one.infer_response.id for one in found] == ["1", "", "3", ""]
    assert found[1].error_message == "There is no model 'irsi'. Did you mean 'iris'?"
    assert found[3].error_message == "This is not a message ModelInferRequest."


X = {"name": "X", "datatype": "FP64", "shape": [2, 4]}
BYTES = np.array(ROWS).tobytes()


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"model_name": "irsi"}, Code.NOT_FOUND, "There is no model 'irsi'."),
        ({"model_name": ""}, Code.INVALID_ARGUMENT, "model_name is missing."),
        ({"model_version": "7"}, Code.NOT_FOUND, "Model 'iris' has no version '7'."),
        ({"inputs": []}, Code.INVALID_ARGUMENT, "raw_input_contents has 1 entries, and there are 0 inputs."),
        ({"raw_input_contents": [BYTES, BYTES]}, Code.INVALID_ARGUMENT, "raw_input_contents has 2 entries"),
        ({"raw_input_contents": [BYTES[:-1]]}, Code.INVALID_ARGUMENT, "The input 'X' has 63 bytes"),
        ({"raw_input_contents": []}, Code.INVALID_ARGUMENT, "The input 'X' has 0 values"),
        ({"inputs": [{**X, "shape": [2**60, 2**60]}]}, Code.INVALID_ARGUMENT, "The input 'X' has 64 bytes"),
        ({"inputs": [{**X, "shape": [-1, 4]}]}, Code.INVALID_ARGUMENT, "The input 'X' has a shape"),
        ({"inputs": [{**X, "shape": [2**62] * 9999}]}, Code.INVALID_ARGUMENT, "The input 'X' has a shape"),
        ({"inputs": [{**X, "shape": [8]}]}, Code.INVALID_ARGUMENT, "The input 'X' must have the shape [rows, 4]"),
        ({"inputs": [{**X, "datatype": "BF16"}]}, Code.INVALID_ARGUMENT, "The input 'X' has the datatype 'BF16'"),
        (
            {"inputs": [{**X, "contents": {"fp64_contents": [1.0]}}]},
            Code.INVALID_ARGUMENT,
            "The input 'X' has contents, and there are raw_input_contents too.",
        ),
        (
            {"inputs": [{**X, "contents": {"fp32_contents": [1.0] * 8}}], "raw_input_contents": []},
            Code.INVALID_ARGUMENT,
            "The input 'X' is of FP64, whose values are in fp64_contents, and has fp32_contents.",
        ),
        ({"raw_input_contents": [np.full(8, np.nan).tobytes()]}, Code.INVALID_ARGUMENT, "8 faults: row 0:"),
        ({"outputs": [{"name": "lable"}]}, Code.INVALID_ARGUMENT, "There is no output 'lable'. Did you mean 'label'?"),
        (raw(ROWS * 51), Code.RESOURCE_EXHAUSTED, "The request has 102 rows"),
        ({"id": "x" * 2_000_000}, Code.RESOURCE_EXHAUSTED, ""),
    ],
)
def test_what_is_wrong_is_said(server: Server, changed: dict[str, Any], code: Any, said: str) -> None:
    with refusal(code, said):
        call(server.channel, "ModelInfer", **{**raw(), **changed})


def test_other_methods_refuse_too(server: Server) -> None:
    for name in ("ModelReady", "ModelMetadata", "ModelConfig"):
        with refusal(Code.NOT_FOUND, "There is no model 'x'."):
            call(server.channel, name, name="x")
    with refusal(Code.NOT_FOUND):
        call(server.channel, "RepositoryModelLoad", model_name="x")
    with refusal(Code.UNIMPLEMENTED):
        server.channel.unary_unary(f"{INFERENCE}/TraceSetting")(b"", timeout=20)
    with refusal(Code.INVALID_ARGUMENT, "There was no message."):
        server.channel.stream_unary(f"{INFERENCE}/ServerLive")(iter([]), timeout=20)


def test_as_many_words_as_fit(server: Server) -> None:
    """They ride among headers, of which a client takes 8 kB."""
    strange = [{**X, "name": f"ü{number}" * 40} for number in range(30)]
    with refusal(Code.INVALID_ARGUMENT, "64 faults: There is no input 'ü0ü0"):
        call(server.channel, "ModelInfer", **{**raw(), "inputs": strange, "raw_input_contents": [BYTES] * 30})
    long = InvalidRequest([Fault(code="x", message="ü" * LONGEST)])
    assert text(long) == "ü" * (LONGEST // 2) + "…"


def test_a_compressed_message_is_read_and_has_the_same_limit(server: Server) -> None:
    method = server.channel.unary_unary(f"{INFERENCE}/ModelInfer")
    content = message("inference.ModelInferRequest", **raw()).SerializeToString()
    assert method(content, timeout=20, compression=grpc.Compression.Gzip)
    with refusal(Code.RESOURCE_EXHAUSTED):
        method(bytes(50_000_000), timeout=20, compression=grpc.Compression.Gzip)


def test_a_deadline_that_has_passed_is_not_run(server: Server) -> None:
    content = message("inference.ModelInferRequest", **raw()).SerializeToString()
    with refusal(Code.DEADLINE_EXCEEDED):
        sent(server.channel, "ModelInfer", content, seconds=0)
    counted = httpx.get(f"{server.address}/metrics").text
    for rows in (ROWS, ROWS * 20):
        with refusal(Code.DEADLINE_EXCEEDED, "The deadline passed before the rows had their turn"):
            call(server.channel, "ModelInfer", ("servefn-timeout-ms", "0"), **raw(rows))
    said = 'servefn_rows_total{model="iris",version="1"}'
    (before, after) = (
        [line for line in exposed.splitlines() if line.startswith(said)]
        for exposed in (counted, httpx.get(f"{server.address}/metrics").text)
    )
    assert before == after


def test_noise_is_refused_and_the_server_goes_on(server: Server) -> None:
    chance = random.Random(6)
    whole = message("inference.ModelInferRequest", **raw()).SerializeToString()
    for number in range(300):
        content = bytearray(whole if number % 2 else chance.randbytes(chance.randrange(200)))
        for _ in range(number % 2 * chance.randrange(1, 9)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        answer = server.channel.unary_unary(f"{INFERENCE}/ModelInfer").future(bytes(content), timeout=20)
        assert answer.code() in (Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED)
    assert call(server.channel, "ModelInfer", **raw()).model_name == "iris"


@pytest.mark.parametrize("content", [b"\x2a\x00" * (MOST + 1), b"\x2b" * (MOST + 1), b"\x08\x00" * (MOST + 1)])
def test_a_message_has_no_more_fields_than_memory_can_hold(server: Server, content: bytes) -> None:
    with refusal(Code.INVALID_ARGUMENT, f"A message has at most {MOST} fields."):
        sent(server.channel, "ModelInfer", content)


@pytest.mark.parametrize(
    ("datatype", "contents"),
    [("INT64", {"int64_contents": [0] * 400_000}), ("BYTES", {"bytes_contents": [b""] * 400_000})],
)
def test_too_many_values_are_not_made_lists_of(server: Server, datatype: str, contents: dict[str, Any]) -> None:
    inputs = [{"name": "X", "datatype": datatype, "shape": [100_000, 4], "contents": contents}]
    with refusal(Code.RESOURCE_EXHAUSTED, "The request has 100000 rows, and the limit is 100"):
        call(server.channel, "ModelInfer", model_name="iris", inputs=inputs)


def test_health_as_probes_ask_for_it(server: Server) -> None:
    assert [health(server.channel, name) for name in ("", INFERENCE[1:])] == [1, 1]
    with refusal(Code.NOT_FOUND):
        health(server.channel, "x")
    watched = server.channel.unary_stream(f"{HEALTH}/Watch")(b"", timeout=20)
    assert next(watched) == b"\x08\x01"
    watched.cancel()


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    with spoken(SERVEFN_API_KEYS=KEYS) as server:
        yield server


IRIS_INFER = ("ModelInfer", raw())


@pytest.mark.parametrize(
    ("name", "fields", "headers", "code"),
    [
        ("ServerLive", {}, [], None),
        ("ServerReady", {}, [], None),
        ("ModelReady", {"name": "iris"}, [], Code.UNAUTHENTICATED),
        ("ModelStatistics", {}, [("x-api-key", "iris-iris")], Code.PERMISSION_DENIED),
        ("ServerMetadata", {}, [], Code.UNAUTHENTICATED),
        ("ServerMetadata", {}, [("x-api-key", "reads-reads")], None),
        ("ModelMetadata", {"name": "iris"}, [("x-api-key", "predicts-predicts")], Code.PERMISSION_DENIED),
        ("ModelConfig", {"name": "iris"}, [("x-api-key", "iris-iris")], None),
        ("RepositoryIndex", {}, [("x-api-key", "iris-iris")], Code.PERMISSION_DENIED),
        (*IRIS_INFER, [], Code.UNAUTHENTICATED),
        (*IRIS_INFER, [("authorization", "Bearer wrong")], Code.UNAUTHENTICATED),
        (*IRIS_INFER, [("authorization", "Bearer expired-expired")], Code.UNAUTHENTICATED),
        (*IRIS_INFER, [("x-api-key", "all-all"), ("x-api-key", "all-all")], Code.UNAUTHENTICATED),
        (*IRIS_INFER, [("x-api-key", "reads-reads")], Code.PERMISSION_DENIED),
        (*IRIS_INFER, [("x-api-key", "flights-flights")], Code.PERMISSION_DENIED),
        (*IRIS_INFER, [("authorization", "Bearer iris-iris")], None),
        ("RepositoryModelLoad", {"model_name": "iris"}, [("x-api-key", "predicts-predicts")], Code.PERMISSION_DENIED),
        ("RepositoryModelLoad", {"model_name": "iris"}, [("x-api-key", "iris-iris")], None),
        ("RepositoryModelUnload", {"model_name": "flights"}, [("x-api-key", "iris-iris")], Code.PERMISSION_DENIED),
    ],
)
def test_callers_are_known_here_too(
    guarded: Server, name: str, fields: dict[str, Any], headers: list[tuple[str, str]], code: Any
) -> None:
    if code is None:
        call(guarded.channel, name, *headers, **fields)
    else:
        with refusal(code):
            call(guarded.channel, name, *headers, **fields)
    assert health(guarded.channel) == 1


def test_models_come_and_go(models: Path) -> None:
    with spoken(SERVEFN_MODELS=str(models)) as (channel, _):
        call(channel, "RepositoryModelUnload", model_name="iris")
        assert not call(channel, "ModelReady", name="iris").ready
        with refusal(Code.UNAVAILABLE, "Model 'iris' has been unloaded."):
            call(channel, "ModelInfer", **raw())
        index = {one.name: one.state for one in call(channel, "RepositoryIndex").models}
        assert index == {"flights": "READY", "iris": "UNAVAILABLE"}
        assert [one.name for one in call(channel, "RepositoryIndex", ready=True).models] == ["flights"]
        with refusal(Code.INVALID_ARGUMENT, "A bundle is loaded as it was published"):
            given = {"config": message("inference.ModelRepositoryParameter", string_param="{}")}
            call(channel, "RepositoryModelLoad", model_name="iris", parameters=given)
        call(channel, "RepositoryModelLoad", model_name="iris")
        assert call(channel, "ModelInfer", **raw()).model_name == "iris"


def test_where_anybody_may_call_nobody_changes_models() -> None:
    with spoken("--host", "0.0.0.0") as (channel, _):  # noqa: S104
        assert call(channel, "ModelInfer", **raw()).model_name == "iris"
        with refusal(Code.PERMISSION_DENIED, "Anybody who reaches this address could call this."):
            call(channel, "RepositoryModelUnload", model_name="iris")


@contextmanager
def within(settings: Settings) -> Iterator[tuple[Any, TestClient, Any]]:
    """The application in this process, ready, with a channel to it."""
    port = free_port()
    app = create_app(settings.model_copy(update={"grpc_port": port}))
    with TestClient(app) as client, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield app, client, channel


def test_who_is_full_says_when_to_come_again() -> None:
    with within(Settings(models=MODELS)) as (app, client, channel):
        assert isinstance(app, Predictions)
        app._admission.requests = app._admission.max_requests
        with pytest.raises(grpc.RpcError) as failure:
            call(channel, "ModelInfer", **raw())
        assert failure.value.code() is Code.UNAVAILABLE
        assert ("retry-after", "1") in [(one.key, one.value) for one in failure.value.trailing_metadata()]
        assert not call(channel, "ServerReady").ready
        assert health(channel) == 2
        app._admission.requests = 0
        assert call(channel, "ModelInfer", **raw()).model_name == "iris"
        metrics = client.get("/metrics").text
        assert 'servefn_rows_total{model="iris",version="1"} 2.0' in metrics
        assert (app._admission.requests, app._admission.rows, app._admission.bytes) == (0, 0, 0)


def test_a_split_goes_by_the_key_of_the_request(rivals: Path) -> None:
    (rivals / "iris" / traffic.FILE).write_text('{"split": {"challenger": 0.5}}')
    with within(Settings(models=rivals)) as (_, _, channel):
        answers = [call(channel, "ModelInfer", ("servefn-key", str(number)), **raw()) for number in range(20)]
    versions = {version for answer in answers for version in read(answer)["version"]}
    assert versions == {b"1", b"2"}


def test_each_call_has_a_line_in_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "servefn.access")
    with within(Settings(models=MODELS, access_log=True)) as (_, _, channel):
        call(channel, "ModelInfer", ("x-request-id", "abc"), **raw())
        with refusal(Code.NOT_FOUND):
            call(channel, "ModelMetadata", name="x")
    told = {line.message: vars(line)["fields"] for line in caplog.records if line.name == "servefn.access"}
    infer, metadata = (told[f"POST {INFERENCE}/{name}"] for name in ("ModelInfer", "ModelMetadata"))
    assert (infer["status"], infer["model"], infer["rows"], infer["request_id"]) == (200, "iris", 2, "abc")
    assert (metadata["status"], metadata["error"]) == (404, "model_not_found")


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"), "server")


def test_tls_is_that_of_the_other_port(mine: Certificate, tmp_path: Path) -> None:
    client, port = certificate(tmp_path, "client"), free_port()
    key = ("x-api-key", "all-all")
    with secured(mine, "--grpc-port", str(port), "--tls-ca", str(client.cert), client=client):
        given = mine.cert.read_bytes(), client.key.read_bytes(), client.cert.read_bytes()
        with grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(*given)) as channel:
            assert call(channel, "ModelInfer", key, **raw()).model_name == "iris"
        for credentials in (grpc.ssl_channel_credentials(given[0]), None):
            address = f"127.0.0.1:{port}"
            other = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
            with other as channel, refusal(Code.UNAVAILABLE):
                call(channel, "ServerLive")


def test_several_workers_share_the_port() -> None:
    with spoken("--workers", "2") as server:
        target = server.channel._channel.target().decode()

        def answered() -> bool:  # each connection is of one of them
            with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                return call(channel, "ServerReady").ready and bool(call(channel, "ModelInfer", **raw()).outputs)

        until(answered)
        for _ in range(9):
            until(answered)
        with refusal(Code.FAILED_PRECONDITION, "Other processes of this server"):
            call(server.channel, "RepositoryModelUnload", model_name="iris")


def test_it_stops_when_told_and_says_so_before() -> None:
    port = free_port()
    with (
        serving("--grpc-port", str(port), SERVEFN_GRACE_SECONDS="2") as (process, _),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        watched = channel.unary_stream(f"{HEALTH}/Watch")(b"", timeout=30)
        assert next(watched) == b"\x08\x01"
        process.send_signal(signal.SIGTERM)
        assert next(watched) == b"\x08\x02"
        assert not call(channel, "ServerReady").ready
        assert call(channel, "ModelInfer", **raw()).model_name == "iris"
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"Open Inference Protocol over gRPC on 127.0.0.1:{port}" in stderr
    assert "Traceback" not in stderr


def test_a_taken_port_is_said_and_the_exit_is_not_zero() -> None:
    with spoken() as server:
        port = server.channel._channel.target().decode().rsplit(":", 1)[1]
        with serving("--grpc-port", port) as (process, _):
            _, stderr = process.communicate(timeout=20)
    assert process.returncode != 0
    assert f"cannot listen on 127.0.0.1:{port} (grpc_port)" in stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--grpc-port", "0", "--workers", "2"], "0 would give each another"),
        (["--grpc-port", "0", "--protocols", ""], "grpc_port: grpc is not among the protocols that are on"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(options: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})
    result = CliRunner().invoke(cli.serve, options)
    assert result.exit_code == 2
    assert said in result.output


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})
    monkeypatch.setattr(cli, "grpc", False)
    result = CliRunner().invoke(cli.serve, ["--grpc-port", "0"])
    assert result.exit_code == 2
    assert "pip install 'servefn[grpc]'" in result.output


def test_without_a_port_nothing_is_imported() -> None:
    program = "import sys, app.server, app.main; app.main.create_app(); print([m for m in sys.modules if m == 'grpc'])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"


def test_every_status_has_a_code() -> None:
    for error in STATUSES:
        assert hasattr(Code, CODES[plain(error.__new__(error))])


def test_the_messages_are_those_of_the_proto_files(tmp_path: Path) -> None:
    made, sources = tmp_path / DESCRIBED.name, sorted(path.name for path in DESCRIBED.parent.glob("*.proto"))
    arguments = ["", f"-I{DESCRIBED.parent}", f"--descriptor_set_out={made}", *reversed(sources)]
    assert protoc.main(arguments) == 0
    assert made.read_bytes() == DESCRIBED.read_bytes()
