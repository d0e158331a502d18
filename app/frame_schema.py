"""What is asked by a data frame, and answered, as the OpenAPI document has it."""

from __future__ import annotations

from typing import Any

from app import frames, schema
from app.formats import FORMATS, JSON
from app.media import Format
from app.predictor import Model
from app.schema import Schema

ERROR: Schema = schema.closed({name: {"type": "string"} for name in ("error", "error_code", "message")})

REFUSALS = {
    400: "The body is not what its content type says, or breaks the contract; the text has all that is wrong.",
    403: "Anybody could call this, and so nobody may.",
    404: "There is no such model.",
    406: "None of the accepted types is one that is written.",
    408: "The body did not come in time.",
    409: "It is so already, or cannot be done; the text says why.",
    413: "The body or the number of rows is over its limit.",
    415: "The content type, a parameter of it or the encoding is not one that is read.",
    503: "The models are still being loaded, or more is in flight than is taken; `Retry-After` says when.",
    504: "The deadline that the client named has passed.",
}


def prediction(model: Model | None, **about: Any) -> Schema:
    """The operation that predicts by one model; without it by whichever is meant then."""
    answered = {"description": "One answer per row.", "content": _answers(model)}
    return {
        "tags": [model.name if model else "models"],
        **about,
        "requestBody": {"required": True, "content": _bodies(model)},
        "responses": {"200": answered, **refused(400, 404, 406, 408, 413, 415, 503, 504)},
    }


def refused(*statuses: int) -> Schema:
    """Refusals by their status."""
    return {
        str(status): {"description": REFUSALS[status], "content": {JSON.media_type: {"schema": ERROR}}}
        for status in statuses
    }


def _bodies(model: Model | None) -> Schema:
    if model is None:
        return {JSON.media_type: {"schema": {"type": "object"}}}
    signature = model.signature
    row, example = schema.row(signature), schema.example(signature)
    columns = {name: _list(field) for name, field in row["properties"].items()}
    rows = {
        "type": "array",
        "prefixItems": list(row["properties"].values()),
        "minItems": len(columns),
        "maxItems": len(columns),
    }
    split = {"columns": {"enum": [list(columns)]}, "data": _list(rows), "index": {"type": "array"}}
    forms = {
        frames.SPLIT: schema.closed(split, required=["columns", "data"]),
        frames.RECORDS: _list(row),
        frames.INSTANCES: _list(row),
        frames.INPUTS: schema.closed(columns),
    }
    params = {frames.PARAMETERS[0]: {"type": "object", **_adjustable(model)}}
    either = [schema.closed({name: form, **params}, required=[name]) for name, form in forms.items()]
    body = {"schema": {"anyOf": either}, "example": {frames.RECORDS: [example]}}
    return {JSON.media_type: body, **{found.media_type: _other(found, [example]) for found in _others()}}


def _answers(model: Model | None) -> Schema:
    found: Schema = {"type": "object"}
    if model:
        found = schema.answer(model.signature)
        found = {**found, "additionalProperties": True, "description": "And the key, if the row has one."}
        if len(model.signature.answers) == 1:
            found = {"anyOf": [schema.of_output(model.signature.answers[0]), found]}
    predictions = {"schema": schema.closed({"predictions": _list(found)})}
    return {JSON.media_type: predictions, **{found.media_type: _other(found, []) for found in _others()}}


def _adjustable(model: Model) -> Schema:
    """What the parameters may be, where the contract has some; others are nothing to it."""
    fields = model.signature.adjustable
    return {"properties": schema.parameters(fields)["properties"]} if fields else {}


def _others() -> list[Format]:
    """The formats that are read and written beside JSON."""
    return [found for name, found in FORMATS.items() if name == found.media_type and found.available and found != JSON]


def _other(found: Format, rows: list[Any]) -> Schema:
    content: Schema = {"schema": {"type": "string", **({"format": "binary"} if found.binary else {})}}
    return {**content, "example": found.example(rows)} if rows and found.example else content


def _list(items: Any) -> Schema:
    return {"type": "array", "items": items}
