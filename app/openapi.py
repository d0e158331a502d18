"""The OpenAPI document: FastAPI's own for the fixed routes, and typed operations for each model that is served."""

from __future__ import annotations

from app import schema
from app.faults import INSTANCES, KEY_FIELD
from app.predictor import Model
from app.protocols.problem import COMPONENTS, described
from app.repository import Catalogue
from app.schema import Schema

_REFUSALS = {
    "400": "The body is not JSON.",
    "404": "There is no such model or version.",
    "413": "The body or the number of rows is over its limit.",
    "415": "The content type or encoding is not one that is read.",
    "422": "The rows break the contract; `faults` lists everything that is wrong.",
    "503": "The models are still being loaded.",
}


def complete(document: Schema, catalogue: Catalogue, max_rows: int) -> Schema:
    """FastAPI's document with the operations of every model added to it."""
    paths: Schema = {}
    schemas: Schema = dict(COMPONENTS)
    for by_version in catalogue.models.values():
        *_, highest = by_version.values()
        paths |= _operations(highest, f"/models/{highest.name}", highest.name)
        for model in by_version.values():
            paths |= _operations(
                model, f"/models/{model.name}/versions/{model.version}", f"{model.name} {model.version}"
            )
            schemas |= _schemas(model, max_rows)
    components = document.get("components", {})
    return {
        **document,
        "paths": paths | document["paths"],
        "components": {**components, "schemas": {**components.get("schemas", {}), **schemas}},
    }


def _operations(model: Model, path: str, title: str) -> Schema:
    about = model.manifest.description or f"A {model.signature.kind}."
    key = model.signature.key
    keyed = (
        f"{about} Every row carries a key, in the field `{key}` or in the one that `{KEY_FIELD}` names, and the key "
        "comes back beside its answer. A bad row is set apart in `errors` and does not sink the others."
    )
    return {
        f"{path}/predict": {"post": _operation(model, title, "predict", about)},
        f"{path}/predict/keyed": {"post": _operation(model, title, "predict keyed", keyed)},
    }


def _operation(model: Model, title: str, verb: str, description: str) -> Schema:
    prefix = _component(model, "Keyed" if verb.endswith("keyed") else "")
    refusals = {status: described(text) for status, text in _REFUSALS.items()}
    return {
        "tags": [title],
        "summary": verb.capitalize(),
        "description": description,
        "operationId": f"{verb} {title}".replace(" ", "_"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(f"{prefix}Request")}}},
        "responses": {"200": _response("One answer per row, in order.", f"{prefix}Response"), **refusals},
    }


def _schemas(model: Model, max_rows: int) -> Schema:
    signature, key = model.signature, model.signature.key
    row = schema.example(signature)
    rows = {"minItems": 1, "maxItems": max_rows}
    key_field = {"type": "string", "enum": [key], "default": key, "description": "Where the rows carry their key."}
    plain = {INSTANCES: {**_list(schema.row(signature)), **rows}}
    keyed = {INSTANCES: {**_list(schema.row(signature, key)), **rows}, KEY_FIELD: key_field}
    answered = {"model": {"const": model.name}, "version": {"const": model.version}}
    error = schema.closed({key: schema.KEY, "error": {"type": "string"}, "faults": _list(_ref("Fault"))})
    return {
        _component(model, "Request"): {
            **schema.closed(plain),
            "examples": [{INSTANCES: [row]}],
        },
        _component(model, "Response"): schema.closed({**answered, "predictions": _list(schema.answer(signature))}),
        _component(model, "KeyedRequest"): {
            **schema.closed(keyed, required=[INSTANCES]),
            "examples": [{INSTANCES: [{key: "a-1", **row}, {key: "a-2", **row}]}],
        },
        _component(model, "KeyedResponse"): schema.closed(
            {**answered, "predictions": _list(schema.answer(signature, key)), "errors": _list(error)}
        ),
    }


def _component(model: Model, name: str) -> str:
    return f"{model.name}.{model.version}.{name}"


def _ref(component: str) -> Schema:
    return {"$ref": f"#/components/schemas/{component}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _response(description: str, component: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(component)}}}
