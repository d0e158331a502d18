"""What TensorFlow Serving's and KServe's clients may call, for the OpenAPI document."""

from __future__ import annotations

from app import schema
from app.faults import INSTANCES, PARAMETERS
from app.instances import INPUTS
from app.predictor import Model
from app.protocols.documented import gotten, listed, of_outputs, posted, refused, rows_of
from app.repository import Catalogue
from app.schema import Schema, closed

TAG = "TensorFlow Serving and KServe V1"
ERROR = refused(["error"])

_NAME: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
_STATUS = closed({"name": _NAME, "ready": {"const": True}, "model_version_status": listed(_OBJECT)})
_METADATA = closed({"model_spec": _OBJECT, "metadata": _OBJECT})


def paths(catalogue: Catalogue) -> Schema:
    found: Schema = {
        "/": gotten(TAG, "v1_alive", "The process answers", closed({"status": {"const": "alive"}}), ERROR),
        "/v1/models": gotten(TAG, "v1_models", "What is served", closed({"models": listed(_NAME)}), ERROR),
    }
    for name, by_version in catalogue.models.items():
        base = f"/v1/models/{name}"
        found |= _of_model(base, catalogue.default(name))
        for version, model in by_version.items():
            found |= _of_model(f"{base}/versions/{version}", model)
        for alias, version in catalogue.aliases[name].items():
            found |= _of_model(f"{base}/labels/{alias}", by_version[version])
    return found


def _of_model(path: str, model: Model) -> Schema:
    summary = "Rows or columns in, answers in the same order"
    return {
        path: gotten(TAG, path, "The state of the versions", _STATUS, ERROR),
        f"{path}/metadata": gotten(TAG, f"{path}/metadata", "What the model takes and gives", _METADATA, ERROR),
        f"{path}:predict": posted(TAG, f"{path}:predict", summary, _request(model), _response(model), ERROR),
    }


def _request(model: Model) -> Schema:
    """Rows, or columns; a schema cannot say that these must be equally long."""
    signature = model.signature
    fields = {feature.name: schema.of_feature(feature) for feature in signature.features}
    columns = {name: listed(field, minItems=1) for name, field in fields.items()}
    more: Schema = {"signature_name": {"enum": ["serving_default"]}}
    if signature.adjustable:
        more[PARAMETERS] = schema.parameters(signature.adjustable)
    example = schema.example(signature)
    return {
        "anyOf": [
            closed({INSTANCES: rows_of(signature), **more}, required=[INSTANCES]),
            closed({INPUTS: _open(columns), **more}, required=[INPUTS]),
        ],
        "examples": [{INSTANCES: [example]}, {INPUTS: {name: [value] for name, value in example.items()}}],
    }


def _response(model: Model) -> Schema:
    """By row or by column; of a single output and without keys the bare values."""
    outputs = of_outputs(model.signature)
    row, several = _open(outputs), _open({name: listed(one) for name, one in outputs.items()})
    if len(outputs) > 1:
        return {"anyOf": [closed({"predictions": listed(row)}), closed({"outputs": several})]}
    (only,) = outputs.values()
    return {"anyOf": [closed({"predictions": listed({"anyOf": [only, row]})}), closed({"outputs": listed(only)})]}


def _open(fields: dict[str, Schema]) -> Schema:
    """An object that may have more, such as keys."""
    return {"type": "object", "properties": fields, "required": list(fields)}
