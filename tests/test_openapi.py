"""What the document says is what the service does: both ways, and under fuzzing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from starlette.testclient import TestClient

from app import schema
from app.codec import Codec
from app.errors import InvalidRequest
from app.formats import FORMATS
from app.main import create_app
from app.openapi import complete
from app.protocols.statuses import STATUSES
from app.repository import Catalogue
from app.settings import Settings
from tests.contracts import GOOD, SIGNATURE, rows
from tests.waiting import until

ROWS = Draft202012Validator(schema.row(SIGNATURE))
CODEC = Codec(SIGNATURE)


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def body_schema(document: dict[str, Any], path: str) -> dict[str, Any]:
    content = document["paths"][path]["post"]["requestBody"]["content"]
    return resolve(document, content["application/json"]["schema"])


@given(rows)
@settings(max_examples=500)
def test_the_schema_accepts_exactly_the_rows_that_the_codec_accepts(row: Any) -> None:
    try:
        CODEC.decode(json.dumps({"instances": [row]}).encode(), 1)
        accepted = True
    except InvalidRequest:
        accepted = False
    assert ROWS.is_valid(row) == accepted


@pytest.mark.parametrize(
    "path", ["/models/flights", "/models/flights/versions/1", "/models/iris", "/models/iris/versions/1"]
)
def test_each_model_has_typed_operations(document: dict[str, Any], path: str) -> None:
    for operation in ("predict", "predict/keyed"):
        posted = document["paths"][f"{path}/{operation}"]["post"]
        assert {"200", *(str(int(status)) for status in STATUSES.values())} - {"409", "500"} == set(posted["responses"])
        rows = body_schema(document, f"{path}/{operation}")["properties"]["instances"]["items"]
        assert rows["additionalProperties"] is False
        assert set(rows["required"]) == set(rows["properties"])


def test_a_feature_shows_type_range_categories_description_and_example(document: dict[str, Any]) -> None:
    fields = body_schema(document, "/models/flights/predict")["properties"]["instances"]["items"]["properties"]
    assert fields["origin"]["enum"] == ["EWR", "JFK", "LGA"]
    assert (fields["hour"]["type"], fields["hour"]["minimum"], fields["hour"]["maximum"]) == ("integer", 0, 23)
    assert fields["wind_gust"]["type"] == ["number", "null"]
    assert all(field["description"] and len(field["examples"]) == 1 for field in fields.values())


def test_the_response_names_each_class(document: dict[str, Any]) -> None:
    content = document["paths"]["/models/iris/predict"]["post"]["responses"]["200"]["content"]
    answer = resolve(document, content["application/json"]["schema"])["properties"]["predictions"]["items"]
    assert answer["properties"]["label"]["enum"] == ["setosa", "versicolor", "virginica"]
    assert list(answer["properties"]["probabilities"]["properties"]) == ["setosa", "versicolor", "virginica"]


def predictions(document: dict[str, Any]) -> list[str]:
    """The native protocol's."""
    found = [path for path, item in document["paths"].items() if "requestBody" in item.get("post", {})]
    return [path for path in found if path.startswith("/models/") and not path.endswith("/invoke")]


def test_every_example_in_the_document_works(client: TestClient, document: dict[str, Any]) -> None:
    posted = predictions(document)
    assert len(posted) == 8
    for path in posted:
        for example in body_schema(document, path)["examples"]:
            answer = client.post(path, json=example)
            assert answer.status_code == 200, (path, answer.text)
            content = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            validator = Draft202012Validator({**content, "components": document["components"]})
            validator.validate(answer.json())


def test_every_example_of_every_format_works(client: TestClient, document: dict[str, Any]) -> None:
    """What the document shows as the answer is what comes."""
    tried = 0
    for path in predictions(document):
        item = document["paths"][path]
        bodies = item["post"]["requestBody"]["content"]
        assert set(bodies) == {found.media_type for found in FORMATS.values()}
        for media_type, content in bodies.items():
            if "example" in content:
                answer = client.post(path, content=content["example"], headers={"content-type": media_type})
                assert answer.status_code == 200, (path, answer.text)
                assert answer.text == item["post"]["responses"]["200"]["content"][media_type]["example"]
                tried += 1
    assert tried == 8 * 2


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_made_from_the_document_breaks_the_service(client: TestClient, mode: GenerationMode) -> None:
    api = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    api.config.generation.update(modes=[mode])
    for found in api.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # the document is valid
        if mode is GenerationMode.POSITIVE or operation.body:  # without a body there is nothing to get wrong
            fuzz(operation, mode)


def fuzz(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    def run(case: Case[Any]) -> None:
        case.call_and_validate(checks=[not_a_server_error, status_code_conformance, response_schema_conformance])

    run()


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_document_accepts_is_answered(client: TestClient, document: dict[str, Any], data: Any) -> None:
    path = data.draw(st.sampled_from(["/models/iris/predict", "/models/flights/predict"]))
    row = data.draw(valid_row(body_schema(document, path)["properties"]["instances"]["items"]["properties"]))
    answer = client.post(path, json={"instances": [row]})
    assert answer.status_code == 200, answer.text


def valid_row(fields: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: valid_value(field) for name, field in fields.items()})


def valid_value(field: dict[str, Any]) -> st.SearchStrategy[Any]:
    kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
    if "enum" in field:
        return st.sampled_from(field["enum"])
    made = {
        "null": st.none(),
        "boolean": st.booleans(),
        "string": st.text(),
        "integer": st.integers(field.get("minimum"), field.get("maximum")),
        "number": st.floats(field.get("minimum"), field.get("maximum"), allow_nan=False, allow_infinity=False),
    }
    return st.one_of(*(made[kind] for kind in kinds))


def test_it_is_made_once_for_each_catalogue(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for it, and it takes the loop 30 ms."""
    made: list[Catalogue] = []
    monkeypatch.setattr("app.openapi.complete", lambda *given: made.append(given[1]) or complete(*given))  # type: ignore[func-returns-value]
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        before = [client.get("/openapi.json").json() for _ in range(3)]
        shutil.copytree(models / "iris" / "1", models / "iris" / "2")
        client.post("/admin/reload")
        after = client.get("/openapi.json").json()
    assert len(made) == 2
    assert before[0] == before[2]
    assert "/models/iris/versions/2/predict" in set(after["paths"]) - set(before[0]["paths"])


def test_the_example_row_is_the_contract_s() -> None:
    assert schema.example(SIGNATURE) == GOOD
