"""A signature as JSON Schema (2020-12, as in OpenAPI 3.1): what a row may be, and what an answer is."""

from __future__ import annotations

from typing import Any

from app.decision import DECISION, told
from app.faults import MAX_KEY
from app.signature import SAFE_INTEGER, Datatype, Feature, Output, Ranking, Scalar, Signature, Subset
from app.uncertainty import promised
from app.words import expectation

Schema = dict[str, Any]

KEY: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
        {"type": "integer", "minimum": -SAFE_INTEGER, "maximum": SAFE_INTEGER},
    ],
    "description": "Yours to choose, once in a request. It comes back beside the row's answer; no model sees it.",
}

_TYPES = {Datatype.BOOL: "boolean", Datatype.INT64: "integer", Datatype.BYTES: "string"}


def row(signature: Signature, key_field: str | None = None) -> Schema:
    """A row of the request: every feature, nothing else, and the key field if one is named."""
    fields = {feature.name: of_feature(feature) for feature in signature.features}
    return closed({key_field: KEY, **fields} if key_field else fields)


def answer(signature: Signature, key_field: str | None = None) -> Schema:
    """What comes back for one row."""
    fields = {output.name: of_output(output) for output in signature.answers}
    for name, text in meanings(signature).items():
        fields[name]["description"] = text
    return closed({key_field: KEY, **fields} if key_field else fields)


def meanings(signature: Signature) -> dict[str, str]:
    """What the answers mean that are made of the graph's."""
    found: dict[str, str] = {}
    if signature.conformal:
        found |= promised(signature.conformal)
    if signature.policy:
        found[DECISION] = told(signature.policy, signature.named["label"].classes)
    return found


def parameters(fields: dict[str, Feature]) -> Schema:
    """What a request may say of the decision."""
    schema = closed({name: of_feature(field) for name, field in fields.items()}, required=[])
    return {**schema, "description": "How to decide, where that is to be otherwise than the contract has it."}


def example(signature: Signature) -> dict[str, Scalar | None]:
    """A row that works."""
    return {feature.name: feature.example for feature in signature.features}


def of_feature(feature: Feature) -> Schema:
    schema: Schema = {"type": _TYPES.get(feature.datatype, "number"), "description": _description(feature)}
    if feature.closed:
        schema["enum"] = [*feature.categories, *([None] if feature.nullable else [])]
    elif feature.datatype in (Datatype.INT64, Datatype.FP32):
        schema["minimum"], schema["maximum"] = _tidy(feature.range[0]), _tidy(feature.range[1])
    elif feature.datatype is Datatype.FP64:
        limits = {"format": "double", "minimum": feature.minimum, "maximum": feature.maximum}
        schema |= {name: limit for name, limit in limits.items() if limit is not None}
    if feature.nullable:
        schema["type"] = [schema["type"], "null"]
    return {**schema, "examples": [feature.example]}


def of_output(output: Output) -> Schema:
    if isinstance(output, Subset):
        return {"type": "array", "items": {"enum": list(output.classes)}, "uniqueItems": True}
    if isinstance(output, Ranking):
        place: dict[str, Schema] = {"label": {"enum": list(output.classes)}, "probability": {"type": "number"}}
        return {"type": "array", "items": closed(place), "minItems": 1, "maxItems": len(output.classes)}
    one: Schema = {"enum": list(output.classes)} if output.classes else {"type": _TYPES.get(output.datatype, "number")}
    return closed({column: dict(one) for column in output.columns}) if output.columns else one


def closed(fields: dict[str, Schema], required: list[str] | None = None) -> Schema:
    """An object with these fields, all of them required if nothing else is said, and no others."""
    names = list(fields) if required is None else required
    return {"type": "object", "properties": fields, "required": names, "additionalProperties": False}


def _description(feature: Feature) -> str:
    parts = [feature.description.rstrip("."), f"Unit: {feature.unit}" if feature.unit else ""]
    parts.append(f"Takes {expectation(feature)}")
    if feature.categories and not feature.closed:
        parts.append(f"Seen in training: {', '.join(map(str, feature.categories[:20]))}; others are answered too")
    training = feature.training
    if training.minimum is not None and training.maximum is not None:
        parts.append(f"In training: {training.minimum:g} to {training.maximum:g}")
    if training.missing:
        parts.append(f"Missing in {training.missing:.1%} of training rows")
    return ". ".join(part for part in parts if part) + "."


def _tidy(limit: float) -> float | int:
    return int(limit) if float(limit).is_integer() and abs(limit) <= SAFE_INTEGER else limit
