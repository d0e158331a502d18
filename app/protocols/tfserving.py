"""TensorFlow Serving's REST protocol, which is KServe's V1 too.

    GET  /                                     alive
    GET  /v1/models                            the names
    GET  /v1/models/{name}                     whether it is ready, and the state of its versions
    GET  /v1/models/{name}/metadata            what it takes and gives
    POST /v1/models/{name}:predict             {"instances": [{…}]} by row, or {"inputs": {…}} by column
    POST /v1/models/{name}:classify :regress   {"examples": [{…}]}
    POST /v1/models/{name}:explain             501

All that name a model are also under /v1/models/{name}/versions/{version} and /v1/models/{name}/labels/{alias}. Paths
are matched whatever their case.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPMethod, HTTPStatus
from typing import Any

import numpy as np
import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from app import instances, open_inference
from app.callers import Scope
from app.columns import Table
from app.errors import Fault, InvalidRequest, choices, quoted
from app.faults import INSTANCES
from app.instances import B64, INPUTS
from app.media import Answer
from app.open_inference import Described
from app.predictor import Model
from app.protocols import tfserving_document
from app.protocols.calls import Asked, Call, Target, asked, rows, target
from app.protocols.paths import Pattern
from app.protocols.tables import Reply, maker
from app.protocols.wire import Host, Need, WireProtocol
from app.service import Service
from app.signature import Kind, Signature
from app.tensors import BYTES, Tensor
from app.uncertainty import PROBABILITIES

BASE, MODEL = r"/v1/models", r"/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<alias>[^/:]+))?"
DEFAULT = "serving_default"
"""The only signature that a model has."""

EXAMPLES, CONTEXT = "examples", "context"
METHOD = "tensorflow/serving/predict"
DTYPES = {"BYTES": "DT_STRING", "BOOL": "DT_BOOL", "INT64": "DT_INT64", "FP32": "DT_FLOAT", "FP64": "DT_DOUBLE"}


@dataclass(frozen=True)
class Verb:
    """One way to predict: how the rows are read, whether they may carry keys, and what is answered."""

    read: Callable[[Signature, Mapping[str, Any], int], Table]
    write: Callable[[Answer, bool], dict[str, Any]]
    keyed: bool = False


def protocol(host: Host) -> WireProtocol:
    found = WireProtocol(
        claims=_claims,
        need=_need,
        error=lambda _, __, text: {"error": text},
        paths=tfserving_document.paths,
    )
    about = About(host.service, found)
    routes = [
        _route("/", about.alive),
        _route(BASE, about.models),
        _route(f"{BASE}{MODEL}", about.status),
        _route(f"{BASE}{MODEL}/metadata", about.metadata),
        _route(f"{BASE}{MODEL}:explain", about.explain, HTTPMethod.POST),
        *(_route(f"{BASE}{MODEL}:{name}", _call(host, found, verb), HTTPMethod.POST) for name, verb in VERBS.items()),
    ]
    return replace(found, routes=routes)


def _route(pattern: str, endpoint: Callable[..., Any], method: HTTPMethod = HTTPMethod.GET) -> Pattern:
    return Pattern(re.compile(pattern, re.IGNORECASE | re.ASCII), endpoint, [method])


def _claims(method: str, parts: Sequence[str]) -> bool:
    if parts == [""]:
        return method in (HTTPMethod.GET, HTTPMethod.HEAD)
    return [part.lower() for part in parts[:2]] == ["v1", "models"]


def _need(method: str, parts: Sequence[str]) -> Need | None:
    if len(parts) < 2:
        return None
    scope = Scope.PREDICT if method == HTTPMethod.POST else Scope.READ
    return Need(scope, parts[2].partition(":")[0] if len(parts) > 2 else None)


@dataclass(frozen=True)
class About:
    """What is answered of the models without predicting."""

    service: Service
    protocol: WireProtocol

    async def alive(self, _: Request) -> Response:
        return _json({"status": "alive"})

    async def models(self, _: Request) -> Response:
        return _json({"models": list(self.service.repository.catalogue.models)})

    async def status(self, request: Request) -> Response:
        """As KServe has it and as TensorFlow Serving does, in one object."""
        model = self.service.model(**request.path_params)
        catalogue = self.service.repository.catalogue
        one = len(request.path_params) > 1
        versions = [model.version] if one else list(catalogue.models.get(model.name, [model.version]))
        states = [_state(version, "AVAILABLE") for version in versions]
        if not one:
            failed = [each for each in catalogue.rejected if each.name == model.name]
            states += [
                _state(each.version, "END", each.reason) for each in failed if each.version not in ("", *versions)
            ]
        return _json({"name": model.name, "ready": True, "model_version_status": states})

    async def metadata(self, request: Request) -> Response:
        model = self.service.model(**request.path_params)
        signature = {
            "inputs": _tensors(open_inference.inputs(model.signature)),
            "outputs": _tensors(open_inference.outputs(model.signature)),
            "method_name": METHOD,
        }
        return _json(
            {
                "model_spec": {"name": model.name, "signature_name": "", "version": model.version},
                "metadata": {"signature_def": {"signature_def": {DEFAULT: signature}}},
            }
        )

    async def explain(self, request: Request) -> Response:
        name = self.service.model(**request.path_params).name
        text = f"Model '{name}' has no explainer; :predict answers."
        return self.protocol.said(HTTPStatus.NOT_IMPLEMENTED, "not_implemented", text)


def _json(document: Any) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")


def _state(version: str, state: str, reason: str = "") -> dict[str, Any]:
    return {
        "version": version,
        "state": state,
        "status": {"error_code": "UNKNOWN" if reason else "OK", "error_message": reason},
    }


def _tensors(described: Sequence[Described]) -> dict[str, Any]:
    return {
        name: {
            "dtype": DTYPES[datatype],
            "tensor_shape": {"dim": [{"size": str(size), "name": ""} for size in shape], "unknown_rank": False},
            "name": f"{name}:0",
        }
        for name, datatype, shape in described
    }


def _call(host: Host, protocol: WireProtocol, verb: Verb) -> Call[bool]:
    """A verb as an application. The note is whether the request came by column."""

    def find(path: Mapping[str, str], _: Headers) -> Target:
        return target(host.service, **path)

    def decode(model: Model, content: bytes, _: Headers) -> tuple[Asked, bool]:
        document = instances.parse(content, beyond=True)
        _check_signature(document.get("signature_name", DEFAULT))
        given = verb.read(model.signature, document, host.service.max_rows)
        key_field = model.signature.key if verb.keyed else ""
        terms = instances.terms(model.signature, document, given, host.service.max_rows, key_field)
        question = asked(model.codec, given, terms)
        open_inference.complete(question)
        return question, INPUTS in document

    def encode(answer: Answer, columnar: bool) -> Reply:
        content = orjson.dumps(verb.write(answer, columnar))
        headers = maker(answer.model, answer.question.parameters, answer.split)
        return Reply(content, [(b"content-type", b"application/json"), *headers], rows(answer))

    return Call(host.service, protocol.refusal, find, decode, encode)


def _check_signature(name: Any) -> None:
    if name not in (DEFAULT, ""):
        raise _refused("unknown_field", f"There is no signature {quoted(str(name))}.{choices(str(name), [DEFAULT])}")


def _by_form(signature: Signature, document: Mapping[str, Any], max_rows: int) -> Table:
    if (INSTANCES in document) == (INPUTS in document):
        raise _refused("missing_field", 'Rows go into "instances", or columns into "inputs": one of them, not both.')
    if INPUTS in document:
        return instances.by_column(signature, document[INPUTS], max_rows)
    return instances.by_row(signature, document[INSTANCES], max_rows, exact=True)


def _by_example(signature: Signature, document: Mapping[str, Any], max_rows: int) -> Table:
    """Rows whose common values stand once, in the context."""
    examples, context = document.get(EXAMPLES), document.get(CONTEXT, {})
    if isinstance(examples, list) and isinstance(context, dict) and all(isinstance(one, dict) for one in examples):
        examples = [{**context, **one} for one in examples]
        return instances.by_row(signature, examples, max_rows, exact=True, member=EXAMPLES)
    raise _refused("wrong_type", f'Rows go into "{EXAMPLES}": a list of objects; what they share into "{CONTEXT}".')


def _predicted(answer: Answer, columnar: bool) -> dict[str, Any]:
    """Objects by row or arrays by output; bare values where there is but one output and no key."""
    found = {one.name: _values(one) for one in open_inference.answered(replace(answer, split=None))}
    if field := answer.question.key_field:
        found[field] = list(answer.question.keys)
    if len(found) == 1:
        (told,) = found.values()
    else:
        told = found if columnar else [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
    return {"outputs" if columnar else "predictions": told}


def _values(tensor: Tensor) -> Any:
    """The values of an output as lists in lists. Texts of one whose name says that they are bytes are in base64."""
    values = np.asarray(tensor.values, np.object_ if tensor.datatype == BYTES else None)
    if tensor.datatype == BYTES and tensor.name.endswith("_bytes"):
        values = np.array([{B64: b64encode(text.encode()).decode()} for text in values], np.object_)
    return values.reshape(tensor.shape).tolist()


def _of_classes(signature: Signature, document: Mapping[str, Any], max_rows: int) -> Table:
    if signature.kind is not Kind.CLASSIFIER or PROBABILITIES not in signature.named:
        raise _refused("wrong_type", "This model gives no probabilities of classes; use :predict.")
    return _by_example(signature, document, max_rows)


def _classified(answer: Answer, _: bool) -> dict[str, Any]:
    """For each row the classes with their probabilities."""
    classes = answer.model.signature.named[PROBABILITIES].columns
    told = answer.outputs[PROBABILITIES].tolist()
    return {"results": [[list(pair) for pair in zip(classes, row, strict=True)] for row in told]}


def _of_numbers(signature: Signature, document: Mapping[str, Any], max_rows: int) -> Table:
    if signature.kind is not Kind.REGRESSOR or len(signature.outputs) > 1 or signature.outputs[0].columns:
        raise _refused("wrong_type", "This model does not answer one number for a row; use :predict.")
    return _by_example(signature, document, max_rows)


def _regressed(answer: Answer, _: bool) -> dict[str, Any]:
    return {"results": answer.outputs[answer.model.signature.outputs[0].name].tolist()}


def _refused(code: str, message: str) -> InvalidRequest:
    return InvalidRequest([Fault(code=code, message=message)])


VERBS = {
    "predict": Verb(_by_form, _predicted, keyed=True),
    "classify": Verb(_of_classes, _classified),
    "regress": Verb(_of_numbers, _regressed),
}
