"""What clients of the Open Inference Protocol may call, for the OpenAPI document.

Unloading is left out: who tries every operation of a document would be left without models.
"""

from __future__ import annotations

from app import open_inference, schema
from app.predictor import Model
from app.protocols.documented import gotten, listed, posted, refused
from app.repository import Catalogue
from app.schema import Schema, closed
from app.tensors import BYTES, NUMPY

TAG = "Open Inference Protocol v2"
ERROR = refused(["error"])

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_SHAPE = listed(_COUNT)
_DESCRIBED = listed(closed({"name": _TEXT, "datatype": _TEXT, "shape": listed({"type": "integer"})}))
_PARAMETERS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_OBJECT: Schema = {"type": "object"}
_STATE = closed({"name": _TEXT, "version": _TEXT, "state": {"enum": ["READY", "UNAVAILABLE"]}, "reason": _TEXT})
_METADATA = closed(
    {
        "name": _TEXT,
        "versions": listed(_TEXT),
        "platform": {"const": open_inference.PLATFORM},
        "inputs": _DESCRIBED,
        "outputs": _DESCRIBED,
        "properties": {"type": "object", "additionalProperties": _TEXT},
    }
)
_STATISTICS = closed({"model_stats": listed({"type": "object", "required": ["name", "version", "inference_stats"]})})


def paths(catalogue: Catalogue) -> Schema:
    server = closed({"name": _TEXT, "version": _TEXT, "extensions": listed(_TEXT)})
    found: Schema = {
        "/v2": gotten(TAG, "/v2", "Who answers, and what beside the protocol it speaks", server, ERROR),
        "/v2/health/live": gotten(TAG, "/v2/health/live", "The process answers", closed({"live": _FLAG}), ERROR),
        "/v2/health/ready": gotten(TAG, "/v2/health/ready", "It can predict", closed({"ready": _FLAG}), ERROR),
        "/v2/models": gotten(TAG, "/v2/models", "What is served", closed({"models": listed(_TEXT)}), ERROR),
        "/v2/models/stats": gotten(TAG, "/v2/models/stats", "What all models have answered", _STATISTICS, ERROR),
        "/v2/repository/index": posted(
            TAG, "/v2/repository/index", "What is served, and what is not", _asked(), listed(_STATE), ERROR
        ),
    }
    for name, by_version in catalogue.models.items():
        found |= _of_model(f"/v2/models/{name}", catalogue.default(name))
        for version, model in by_version.items():
            found |= _of_model(f"/v2/models/{name}/versions/{version}", model)
    return found


def _asked() -> Schema:
    return {"type": "object", "properties": {"ready": _FLAG}, "examples": [{}, {"ready": True}]}


def _of_model(path: str, model: Model) -> Schema:
    ready = closed({"name": {"const": model.name}, "ready": {"const": True}})
    summary = "Named tensors in, named tensors out"
    infer = posted(TAG, f"{path}/infer", summary, _request(model), _response(model), ERROR)
    infer["post"]["responses"]["200"]["content"]["application/octet-stream"] = {}
    return {
        path: gotten(TAG, path, "What the model takes and gives", _METADATA, ERROR),
        f"{path}/ready": gotten(TAG, f"{path}/ready", "The model can predict", ready, ERROR),
        f"{path}/config": gotten(TAG, f"{path}/config", "The same, as Triton's configuration", _OBJECT, ERROR),
        f"{path}/stats": gotten(TAG, f"{path}/stats", "What the model has answered", _STATISTICS, ERROR),
        f"{path}/infer": infer,
    }


def _request(model: Model) -> Schema:
    """Tensors in JSON; a schema cannot say that there must be as many values as the shape has."""
    tensor = {
        "name": _TEXT,
        "datatype": {"enum": [*NUMPY, BYTES]},
        "shape": _SHAPE,
        "parameters": _PARAMETERS,
        "data": listed({}),
    }
    wanted = {"name": _TEXT, "parameters": _PARAMETERS}
    fields = {
        "inputs": listed({"type": "object", "properties": tensor, "required": ["name", "datatype", "shape"]}),
        "outputs": listed({"type": "object", "properties": wanted, "required": ["name"]}),
        "id": _TEXT,
        "parameters": _PARAMETERS,
    }
    row = schema.example(model.signature)
    given = [
        {"name": one.name, "shape": [1], "datatype": one.datatype, "data": [row[one.name]]}
        for one in open_inference.inputs(model.signature)
    ]
    first = open_inference.outputs(model.signature)[0].name
    examples = [{"inputs": given}, {"id": "42", "inputs": given, "outputs": [{"name": first}]}]
    return {"type": "object", "properties": fields, "required": ["inputs"], "examples": examples}


def _response(model: Model) -> Schema:
    output = {"name": _TEXT, "datatype": {"enum": [*NUMPY, BYTES]}, "shape": _SHAPE}
    fields: Schema = {
        "id": _TEXT,
        "model_name": {"const": model.name},
        "model_version": _TEXT,
        "parameters": _PARAMETERS,
        "outputs": listed({"type": "object", "properties": {**output, "data": listed({})}, "required": list(output)}),
    }
    return closed(fields, required=[name for name in fields if name != "id"])
