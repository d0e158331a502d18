"""The OpenAPI document: FastAPI's own for the fixed routes, and typed operations for each model that is served."""

from __future__ import annotations

from typing import Any

from app import schema
from app.columns import Question
from app.faults import COLUMNS, INSTANCES, KEY_FIELD, PARAMETERS
from app.formats import FORMATS, JSON
from app.formats.json import online
from app.media import Answer, Format
from app.predictor import Model
from app.protocols.problem import COMPONENTS, described
from app.repository import Catalogue
from app.schema import Schema
from app.signature import Feature
from app.traffic import VERSION, Split

_REFUSALS = {
    "400": "The body is not what its content type says.",
    "401": "The caller has to be known, and is not.",
    "403": "The caller may not do this.",
    "404": "There is no such model or version.",
    "406": "None of the accepted types is one that is written.",
    "408": "The body did not come in time.",
    "413": "The body or the number of rows is over its limit.",
    "415": "The content type or encoding is not one that is read.",
    "422": "The rows break the contract; `faults` lists everything that is wrong.",
    "429": "More requests than the caller may make. `Retry-After` says when to come again.",
    "503": "The models are still being loaded, or more is in flight than is taken.",
    "504": "The time that the client gave was over.",
}

_KEY_FIELD = "Where the rows carry their key, in formats whose body has no place to say so: all but JSON."
_TEXT = {"type": "string", "minLength": 1}
_KEY_HEADER = {
    "name": "servefn-key",
    "in": "header",
    "description": "Chooses the version that answers, always the same for one key. Without it the champion does.",
    "schema": _TEXT,
}


_BODY = (
    "Rows, as the schema has them, or columns, of which it cannot say that they must be equally long: "
    f'`{{"{COLUMNS}": {{"<feature>": [<a value for each row>, …], …}}}}`.'
)


def complete(document: Schema, catalogue: Catalogue, max_rows: int) -> Schema:
    """FastAPI's document with the operations of every model added to it."""
    paths: Schema = {}
    schemas: Schema = dict(COMPONENTS)
    for name, by_version in catalogue.models.items():
        split = catalogue.plans[name].split
        paths |= _operations(catalogue.default(name), f"/models/{name}", name, split)
        for version, model in by_version.items():
            paths |= _operations(model, f"/models/{name}/versions/{version}", f"{name}, version {version}")
            schemas |= _online(model, max_rows) | _keyed(model, max_rows)
        schemas |= _divided(split, schemas) if split else {}
        for alias, version in catalogue.aliases[name].items():
            paths |= _operations(by_version[version], f"/models/{name}/aliases/{alias}", f"{name}, {alias}")
    components = document.get("components", {})
    return {
        **document,
        "paths": paths | document["paths"],
        "components": {**components, "schemas": {**components.get("schemas", {}), **schemas}},
    }


def _operations(model: Model, path: str, tag: str, split: Split | None = None) -> Schema:
    meanings = schema.meanings(model.signature).items()
    about = model.manifest.description or f"A {model.signature.kind}."
    about = "\n\n".join([about, *(f"`{name}`: {text}" for name, text in meanings)])
    keyed = (
        f"{about} Every row carries a key, in the field `{model.signature.key}` or in the one that `{KEY_FIELD}` "
        "names, which comes back beside its answer. A bad row is set apart in `errors` and does not sink the others."
    )
    parameters = [_in_query(name, field) for name, field in model.signature.adjustable.items()]
    ids = "_".join(part for part in path.split("/") if part not in ("", "models", "versions", "aliases"))
    return {
        f"{path}/predict": {
            "post": {
                "summary": "Rows in, answers out in the same order",
                "description": about,
                "operationId": f"predict_{ids}",
                "parameters": [*([_KEY_HEADER] if split else []), *parameters],
                **_body_and_answer(model, tag, "Request", "Response", split),
            }
        },
        f"{path}/predict/keyed": {
            "post": {
                "summary": "Rows in, answers out beside their keys",
                "description": keyed,
                "operationId": f"predict_keyed_{ids}",
                "parameters": [
                    {"name": KEY_FIELD, "in": "query", "description": _KEY_FIELD, "schema": _TEXT},
                    *parameters,
                ],
                **_body_and_answer(model, tag, "KeyedRequest", "KeyedResponse", split),
            }
        },
    }


def _body_and_answer(model: Model, tag: str, request: str, response: str, split: Split | None) -> Schema:
    answered = {"description": "One answer per row.", "content": _answers(model, response, split)}
    refusals = {status: described(text) for status, text in _REFUSALS.items()}
    return {
        "tags": [tag],
        "requestBody": {"required": True, "description": _BODY, "content": _bodies(model, request)},
        "responses": {"200": answered, **refusals},
    }


def _bodies(model: Model, request: str) -> Schema:
    """Every format that is read, with rows that work."""
    rows = _examples(model, keyed=request == "KeyedRequest")
    return {
        **_json(_component(model, request)),
        **{found.media_type: _other(found, found.example and found.example(rows)) for found in _others()},
    }


def _answers(model: Model, response: str, split: Split | None) -> Schema:
    """Every format that is written; where it is text, with a real answer."""
    rows = _examples(model, keyed=response == "KeyedResponse")
    keys = [row[model.signature.key] for row in rows] if response == "KeyedResponse" else []
    tensors = model.codec.tensors(model.codec.rows(_examples(model, keyed=False) * len(rows)))
    asked = Question(tensors=tensors, rows=len(rows), key_field=model.signature.key if keys else "", keys=keys)
    answer = Answer(model, asked, model.run(tensors), split, [model] * len(rows))
    component = _component(model, f"Split{response}" if split else response)
    texts = {found: None if found.binary else found.encode(answer).decode() for found in _others()}
    return {**_json(component), **{found.media_type: _other(found, texts[found]) for found in texts}}


def _others() -> list[Format]:
    """The formats besides JSON."""
    return [found for found in dict.fromkeys(FORMATS.values()) if found is not JSON and found.available]


def _other(found: Format, example: str | None) -> Schema:
    schema: Schema = {"type": "string", "description": found.description}
    if found.binary:
        schema["format"] = "binary"
    return {"schema": schema, "example": example} if example else {"schema": schema}


def _examples(model: Model, *, keyed: bool) -> list[dict[str, Any]]:
    row = schema.example(model.signature)
    return [{model.signature.key: name, **row} for name in ("a-1", "a-2")] if keyed else [row]


def _online(model: Model, max_rows: int) -> Schema:
    row, answer = schema.example(model.signature), _answer(model)
    request = {INSTANCES: _rows(schema.row(model.signature), max_rows), **_adjustable(model)}
    response = {**_identity(model), **_effective(model), "predictions": _list(schema.answer(model.signature))}
    example = online(model, None, [answer])
    return {
        _component(model, "Request"): {
            **schema.closed(request, required=[INSTANCES]),
            "examples": [{INSTANCES: [row]}],
        },
        _component(model, "Response"): {**schema.closed(response), "examples": [example]},
    }


def _keyed(model: Model, max_rows: int) -> Schema:
    row, answer, key = schema.example(model.signature), _answer(model), model.signature.key
    request = {
        INSTANCES: _rows(schema.row(model.signature, key), max_rows),
        KEY_FIELD: {"type": "string", "enum": [key], "default": key, "description": "Where the rows carry their key."},
        **_adjustable(model),
    }
    error = schema.closed({key: schema.KEY, "error": {"type": "string"}, "faults": _list(_ref("Fault"))})
    response = {
        **_identity(model),
        **_effective(model),
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
            "examples": [{**online(model, None, answers), "errors": []}],
        },
    }


def _divided(split: Split, schemas: Schema) -> Schema:
    """The answers of a split: the champion's, which say more."""
    names = ("Response", "KeyedResponse")
    found = {name: schemas[_component(split.champion, name)] for name in names}
    return {_component(split.champion, f"Split{name}"): _versioned(split, whole) for name, whole in found.items()}


def _versioned(split: Split, whole: Schema) -> Schema:
    fields, (example,) = whole["properties"], whole["examples"]
    version = {"type": "string", "description": "Who answered the row.", "examples": [split.champion.version]}
    row = schema.closed({VERSION: version, **fields["predictions"]["items"]["properties"]})
    kinds = {name: "number" if name == "share" else "string" for name in split.note}
    note = schema.closed({name: {"type": kind} for name, kind in kinds.items()})
    rows = [{VERSION: split.champion.version, **answer} for answer in example["predictions"]]
    return {
        **schema.closed({**fields, "split": note, "predictions": _list(row)}),
        "examples": [{**example, "split": split.note, "predictions": rows}],
    }


def _in_query(name: str, field: Feature) -> Schema:
    found = schema.of_feature(field)
    return {"name": name, "in": "query", "description": found.pop("description"), "schema": found}


def _adjustable(model: Model) -> Schema:
    """The field of a request that says how to decide, where the contract has one."""
    fields = model.signature.adjustable
    return {PARAMETERS: schema.parameters(fields)} if fields else {}


def _effective(model: Model) -> Schema:
    """The field of an answer that says by what parameters was decided, where there are decisions."""
    fields = model.signature.parameters
    return {PARAMETERS: schema.closed({name: {"type": "number"} for name in fields})} if fields else {}


def _answer(model: Model) -> dict[str, Any]:
    """The model's real answer to its example."""
    (answer,) = model.codec.predictions(model.predict([schema.example(model.signature)]))
    return answer


def _component(model: Model, name: str) -> str:
    return f"{model.name}.{model.version}.{name}"


def _ref(component: str) -> Schema:
    return {"$ref": f"#/components/schemas/{component}"}


def _json(component: str) -> Schema:
    return {JSON.media_type: {"schema": _ref(component)}}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _rows(row: Schema, max_rows: int) -> Schema:
    return {**_list(row), "minItems": 1, "maxItems": max_rows}


def _identity(model: Model) -> Schema:
    """Who answers. Versions come and go, and a client that was made from this document goes on."""
    said = {name: {"type": "string", "examples": [value]} for name, value in model.identity.items()}
    return {**said, "model": {"const": model.name}}
