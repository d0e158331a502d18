"""The OpenAPI document: FastAPI's own for the fixed routes, and typed operations for each model that is served."""

from __future__ import annotations

from typing import Any

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
    for name, by_version in catalogue.models.items():
        paths |= _operations(catalogue.default(name), f"/models/{name}", name)
        for version, model in by_version.items():
            paths |= _operations(model, f"/models/{name}/versions/{version}", f"{name}, version {version}")
            schemas |= _online(model, max_rows) | _keyed(model, max_rows)
    components = document.get("components", {})
    return {
        **document,
        "paths": paths | document["paths"],
        "components": {**components, "schemas": {**components.get("schemas", {}), **schemas}},
    }


def _operations(model: Model, path: str, tag: str) -> Schema:
    about = model.manifest.description or f"A {model.signature.kind}."
    keyed = (
        f"{about} Every row carries a key, in the field `{model.signature.key}` or in the one that `{KEY_FIELD}` "
        "names, which comes back beside its answer. A bad row is set apart in `errors` and does not sink the others."
    )
    ids = "_".join(part for part in path.split("/") if part not in ("", "models", "versions"))
    return {
        f"{path}/predict": {
            "post": {
                "summary": "Rows in, answers out in the same order",
                "description": about,
                "operationId": f"predict_{ids}",
                **_body_and_answer(model, tag, "Request", "Response"),
            }
        },
        f"{path}/predict/keyed": {
            "post": {
                "summary": "Rows in, answers out beside their keys",
                "description": keyed,
                "operationId": f"predict_keyed_{ids}",
                **_body_and_answer(model, tag, "KeyedRequest", "KeyedResponse"),
            }
        },
    }


def _body_and_answer(model: Model, tag: str, request: str, response: str) -> Schema:
    answered = {"description": "One answer per row.", "content": _json(_component(model, response))}
    refusals = {status: described(text) for status, text in _REFUSALS.items()}
    return {
        "tags": [tag],
        "requestBody": {"required": True, "content": _json(_component(model, request))},
        "responses": {"200": answered, **refusals},
    }


def _online(model: Model, max_rows: int) -> Schema:
    row, answer = schema.example(model.signature), _answer(model)
    served = {"model": model.name, "version": model.version}
    request = {INSTANCES: _rows(schema.row(model.signature), max_rows)}
    response = {**_constants(served), "predictions": _list(schema.answer(model.signature))}
    return {
        _component(model, "Request"): {**schema.closed(request), "examples": [{INSTANCES: [row]}]},
        _component(model, "Response"): {**schema.closed(response), "examples": [{**served, "predictions": [answer]}]},
    }


def _keyed(model: Model, max_rows: int) -> Schema:
    row, answer, key = schema.example(model.signature), _answer(model), model.signature.key
    served = {"model": model.name, "version": model.version}
    request = {
        INSTANCES: _rows(schema.row(model.signature, key), max_rows),
        KEY_FIELD: {"type": "string", "enum": [key], "default": key, "description": "Where the rows carry their key."},
    }
    error = schema.closed({key: schema.KEY, "error": {"type": "string"}, "faults": _list(_ref("Fault"))})
    response = {
        **_constants(served),
        "predictions": _list(schema.answer(model.signature, key)),
        "errors": _list(error),
    }
    rows, answers = ([{key: name, **fields} for name in ("a-1", "a-2")] for fields in (row, answer))
    return {
        _component(model, "KeyedRequest"): {
            **schema.closed(request, required=[INSTANCES]),
            "examples": [{INSTANCES: rows}],
        },
        _component(model, "KeyedResponse"): {
            **schema.closed(response),
            "examples": [{**served, "predictions": answers, "errors": []}],
        },
    }


def _answer(model: Model) -> dict[str, Any]:
    """The model's real answer to its example."""
    (answer,) = model.codec.predictions(model.predict([schema.example(model.signature)]))
    return answer


def _component(model: Model, name: str) -> str:
    return f"{model.name}.{model.version}.{name}"


def _ref(component: str) -> Schema:
    return {"$ref": f"#/components/schemas/{component}"}


def _json(component: str) -> Schema:
    return {"application/json": {"schema": _ref(component)}}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _rows(row: Schema, max_rows: int) -> Schema:
    return {**_list(row), "minItems": 1, "maxItems": max_rows}


def _constants(values: dict[str, str]) -> Schema:
    return {name: {"const": value} for name, value in values.items()}
