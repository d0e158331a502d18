"""Operations of the protocols of others, as the OpenAPI document has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app import instances, open_inference
from app.open_inference import Described
from app.schema import Schema, closed
from app.signature import Signature

REFUSED = {
    "400": "The body cannot be read, or breaks the contract.",
    "404": "There is no such model, version or alias.",
    "413": "The body or the number of rows is over its limit.",
    "415": "The content encoding is not one that is read.",
    "503": "The models are still being loaded, or more is in flight than is taken.",
}
UNKNOWN = {status: REFUSED[status] for status in ("404", "503")}

_JSON_TYPES = {"BYTES": "string", "BOOL": "boolean", "INT64": "integer"}


def posted(tag: str, path: str, summary: str, body: Schema, answer: Schema, error: Schema) -> Schema:
    """An operation with a body in JSON; the schemas may have examples."""
    return {
        "post": {
            **_operation(tag, f"{path}_post", summary, answer, error, REFUSED),
            "requestBody": {"required": True, "content": _json(body)},
        }
    }


def gotten(tag: str, path: str, summary: str, answer: Schema, error: Schema) -> Schema:
    return {"get": _operation(tag, f"{path}_get", summary, answer, error, UNKNOWN)}


def rows_of(signature: Signature) -> Schema:
    """Instances: objects, or lists in the signature's order."""
    count = len(signature.features)
    return listed({"anyOf": [instances.described(signature), listed({}, minItems=count, maxItems=count)]}, minItems=1)


def of_outputs(signature: Signature) -> dict[str, Schema]:
    """The outputs of a model as arrays by name, for one row."""
    return {one.name: _of(one) for one in open_inference.outputs(signature)}


def listed(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def refused(names: Sequence[str]) -> Schema:
    """The body of an error: members that are all text."""
    return closed({name: {"type": "string"} for name in names})


def _of(described: Described) -> Schema:
    schema: Schema = {"type": _JSON_TYPES.get(described.datatype, "number")}
    for _ in described.shape[1:]:
        schema = listed(schema)
    return schema


def _operation(tag: str, name: str, summary: str, answer: Schema, error: Schema, refusals: dict[str, str]) -> Schema:
    return {
        "tags": [tag],
        "summary": summary,
        "operationId": name.strip("/").replace("/", "_").replace(":", "_"),
        "responses": {
            "200": {"description": summary, "content": _json(answer)},
            **{status: {"description": text, "content": _json(error)} for status, text in refusals.items()},
        },
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
