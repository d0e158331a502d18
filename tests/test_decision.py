"""Decisions: what each rule does, in every format, and what a request may change of it, which is nothing else."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pyarrow import parquet
from starlette.testclient import TestClient

from app import BundleError, InvalidRequest, bundle, load
from app.decision import Parameter, Policy, Rule, decide, labels, told
from app.main import create_app
from app.settings import Settings
from tests.conftest import MODELS
from tests.test_cli import serving
from tests.test_native import IRIS
from tests.waiting import until


def fixed(value: float) -> Parameter:
    return Parameter(value=value, minimum=value, maximum=value)


def policy(rule: Rule, positive: Any = None, **parameters: Parameter) -> Policy:
    return Policy(rule=rule, parameters=parameters, positive=positive)


THRESHOLD = policy(Rule.THRESHOLD, "late", threshold=Parameter(value=0.25, minimum=0.1, maximum=0.9))
BAND = policy(Rule.BAND, "late", low=Parameter(value=0.2, minimum=0.1, maximum=0.2), high=fixed(0.5))
REJECT = policy(Rule.REJECT, reject_below=Parameter(value=0.9, minimum=0.5, maximum=1.0))
TOP = policy(Rule.TOP_K, top_k=Parameter(value=2, minimum=1, maximum=3))
POLICIES = {
    "late": ("flights", THRESHOLD),
    "fixed": ("flights", policy(Rule.THRESHOLD, "late", threshold=fixed(0.25))),
    "band": ("flights", BAND),
    "reject": ("iris", REJECT),
    "top": ("iris", TOP),
}
"""The name of a model of its own -> the committed model that it is, and how it decides."""

BETWEEN = {**IRIS, "sepal_length": 6.3, "petal_length": 5.0, "petal_width": 1.6}
"""A flower of which the model is not sure."""


def flights() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((MODELS / "flights/1/replay.json").read_bytes())["instances"]
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles that decide."""
    models = tmp_path_factory.mktemp("deciding")
    for name, (first, decided) in POLICIES.items():
        read = bundle.read(MODELS / first / "1")
        manifest = replace(read.manifest, signature=replace(read.signature, policy=decided))
        with bundle.staged(models, name) as directory:
            bundle.write(directory, manifest, read.graph, read.replay)
            bundle.publish(directory)
    shutil.copytree(MODELS / "iris", models / "iris")
    return models


@pytest.fixture(scope="module")
def deciding(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(models=folder))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.fixture(scope="module")
def document(deciding: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = deciding.get("/openapi.json").json()
    return found


def ask(client: Any, name: str, rows: list[Any], **around: Any) -> dict[str, Any]:
    answer = client.post(f"/models/{name}/predict", json={"instances": rows, **around})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


LIKELY = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2]])


@pytest.mark.parametrize(
    ("decided", "classes", "probabilities", "expected"),
    [
        (
            policy(Rule.THRESHOLD, "b", threshold=fixed(0.5)),
            "ab",
            [[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]],
            ["a", "b", "b"],
        ),
        (
            policy(Rule.THRESHOLD, "a", threshold=fixed(0.5)),
            "ab",
            [[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]],
            ["a", "a", "b"],
        ),
        (policy(Rule.THRESHOLD, 1, threshold=fixed(0.3)), (0, 1), [[0.7, 0.3], [0.8, 0.2]], [1, 0]),
        (policy(Rule.THRESHOLD, True, threshold=fixed(0.3)), (False, True), [[0.7, 0.3], [0.8, 0.2]], [True, False]),
        (
            policy(Rule.BAND, 1, low=fixed(0.2), high=fixed(0.5)),
            (0, 1),
            [[0.81, 0.19], [0.8, 0.2], [0.51, 0.49], [0.5, 0.5]],
            [0, "abstain", "abstain", 1],
        ),
        (policy(Rule.BAND, 1, low=fixed(0.5), high=fixed(0.5)), (0, 1), [[0.51, 0.49], [0.5, 0.5]], [0, 1]),
        (policy(Rule.REJECT, reject_below=fixed(0.5)), "abc", LIKELY, ["a", "c", "abstain"]),
        (policy(Rule.REJECT, reject_below=fixed(0.4)), "abc", LIKELY, ["a", "c", "a"]),
        (policy(Rule.REJECT, reject_below=fixed(0.0)), "ab", [[np.nan, np.nan]], ["abstain"]),
    ],
)
def test_what_a_rule_decides(decided: Policy, classes: Any, probabilities: Any, expected: list[Any]) -> None:
    found = decide(decided, labels(tuple(classes)), np.array(probabilities)).tolist()
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


def test_the_likeliest_come_first_and_of_equals_the_first_class() -> None:
    found = decide(policy(Rule.TOP_K, top_k=fixed(2)), labels(("a", "b", "c")), LIKELY)
    assert found["label"].tolist() == [["a", "b"], ["c", "a"], ["a", "b"]]
    assert found["probability"].tolist() == [[0.5, 0.3], [0.6, 0.2], [0.4, 0.4]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {}}, "the rule threshold has the parameters threshold"),
        ({"parameters": {"threshold": Parameter(value=0.5, minimum=0.6, maximum=0.9)}}, "outside its bounds"),
        (
            {
                "rule": Rule.BAND,
                "parameters": {"low": Parameter(value=0.1, minimum=0, maximum=0.6), "high": fixed(0.5)},
            },
            "low above its high",
        ),
    ],
)
def test_a_policy_that_is_none(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(THRESHOLD, **changes)


@pytest.mark.parametrize(
    ("name", "decided", "message"),
    [
        ("iris", THRESHOLD, "needs two classes"),
        ("flights", replace(THRESHOLD, positive="early"), "one of them as the positive"),
    ],
)
def test_a_bundle_whose_policy_does_not_fit_is_refused(models: Path, name: str, decided: Policy, message: str) -> None:
    file = models / name / "1" / "model.json"
    content = json.loads(file.read_bytes())
    content["signature"]["policy"] = {
        "rule": decided.rule,
        "positive": decided.positive,
        "parameters": {"threshold": {"value": 0.25, "minimum": 0.1, "maximum": 0.9}},
    }
    file.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=message):
        load(models / name / "1")


def test_the_policy_is_part_of_every_answer_and_of_the_contract(deciding: TestClient) -> None:
    rows = flights()
    answer = ask(deciding, "late", rows)
    assert answer["parameters"] == {"threshold": 0.25}
    assert {row["decision"] for row in answer["predictions"]} == {"late", "on_time"}
    for row in answer["predictions"]:
        assert row["decision"] == ("late" if row["probabilities"]["late"] >= 0.25 else "on_time")
    contract = deciding.get("/models/late").json()["policy"]
    assert (contract["rule"], contract["positive"]) == ("threshold", "late")
    assert contract["parameters"]["threshold"] == {"value": 0.25, "minimum": 0.1, "maximum": 0.9}


@pytest.mark.parametrize("name", [*POLICIES, "iris"])
def test_of_answers_the_arrays_can_be_made_again(folder: Path, name: str) -> None:
    same_arrays(folder / name / "1")


def same_arrays(path: Path) -> None:
    model = load(path)
    outputs = model.run(model.codec.tensors(model.codec.rows(bundle.read(path).replay.instances)))
    again = model.codec.outputs(model.codec.predictions(outputs))
    assert list(again) == [output.name for output in model.signature.answers]
    for name, values in again.items():
        np.testing.assert_array_equal(values, outputs[name])
        assert values.dtype.kind == outputs[name].dtype.kind
    for name, values in model.codec.outputs([]).items():
        assert (len(values), values.ndim) == (0, outputs[name].ndim)


def test_a_model_without_a_policy_answers_as_ever(deciding: TestClient, client: TestClient) -> None:
    request = {"instances": [IRIS]}
    one, other = (each.post("/models/iris/predict?threshold=9", json=request) for each in (deciding, client))
    assert one.content == other.content
    refused = client.post("/models/iris/predict", json={**request, "parameters": {}})
    assert (refused.status_code, refused.json()["faults"][0]["code"]) == (422, "unknown_field")


def test_abstaining_and_ranking(deciding: TestClient) -> None:
    rejecting = ask(deciding, "reject", [IRIS, BETWEEN])["predictions"]
    assert [row["decision"] for row in rejecting] == ["setosa", "abstain"]
    sure, unsure = (row["decision"] for row in ask(deciding, "top", [IRIS, BETWEEN])["predictions"])
    assert [place["label"] for place in sure] == ["setosa", "versicolor"]
    assert {place["label"] for place in unsure} == {"versicolor", "virginica"}
    assert unsure[0]["probability"] > unsure[1]["probability"] > 0.1
    banded = ask(deciding, "band", flights())["predictions"]
    assert {row["decision"] for row in banded} == {"late", "on_time", "abstain"}


@given(threshold=st.floats(0.1, 0.9), key=st.booleans(), columns=st.booleans(), query=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_parameter_changes_the_decision_and_nothing_else(
    deciding: TestClient, threshold: float, key: bool, columns: bool, query: bool
) -> None:
    rows = [{**row, **({"flight_id": str(number)} if key else {})} for number, row in enumerate(flights())]
    content: Any = (
        {"columns": {name: [row[name] for row in rows] for name in rows[0]}} if columns else {"instances": rows}
    )
    url = f"/models/late/predict{'/keyed' if key else ''}"
    said = {"threshold": threshold}
    plain = deciding.post(url, json=content).json()
    if query:
        answer = deciding.post(url, json=content, params=said).json()
    else:
        answer = deciding.post(url, json={"parameters": said, **content}).json()
    assert answer.pop("parameters") == said
    assert plain.pop("parameters") == {"threshold": 0.25}
    for row in answer["predictions"]:
        assert row["decision"] == ("late" if row["probabilities"]["late"] >= threshold else "on_time")
    for document in (plain, answer):
        assert [row.pop("decision") for row in document["predictions"]]
    assert answer == plain


def test_what_the_body_says_counts_more_than_the_query(deciding: TestClient) -> None:
    body = {"instances": flights(), "parameters": {"threshold": 0.9}}
    assert deciding.post("/models/late/predict?threshold=0.1", json=body).json()["parameters"] == {"threshold": 0.9}


def test_parameters_where_a_row_is_bad(deciding: TestClient) -> None:
    good, bad = {"flight_id": "a", **flights()[0]}, {"flight_id": "b"}
    body = {"instances": [good, bad], "parameters": {"threshold": 0.1}}
    answer = deciding.post("/models/late/predict/keyed", json=body).json()
    assert answer["parameters"] == {"threshold": 0.1}
    (row,) = answer["predictions"]
    assert row["decision"] == ("late" if row["probabilities"]["late"] >= 0.1 else "on_time")
    assert [row["flight_id"] for row in answer["errors"]] == ["b"]


FAULTS = [
    (
        {"threshold": 0.95},
        "out_of_range",
        "'threshold' must be a number from 0.1 to 0.9, and is a number outside of that.",
    ),
    ({"threshold": 2}, "out_of_range", "a number from 0.1 to 0.9"),
    ({"threshold": None}, "null_not_allowed", "and is null"),
    ({"threshold": "high"}, "wrong_type", "and is text"),
    ({"threshold": True}, "wrong_type", "and is a boolean"),
    ({"treshold": 0.3}, "unknown_field", "did you mean 'threshold'?"),
    ({"k": 0.3}, "unknown_field", "take it out"),
    ([0.3], "wrong_type", "must be an object, and is a list"),
]


@pytest.mark.parametrize(("parameters", "code", "said"), FAULTS)
@pytest.mark.parametrize("verb", ["predict", "predict/keyed"])
@pytest.mark.parametrize("member", ["instances", "columns"])
def test_a_parameter_that_the_contract_does_not_allow(
    deciding: TestClient, member: str, verb: str, parameters: Any, code: str, said: str
) -> None:
    row = {"flight_id": "a", **flights()[0]} if "keyed" in verb else flights()[0]
    rows: Any = [row] if member == "instances" else {name: [value] for name, value in row.items()}
    answer = deciding.post(f"/models/late/{verb}", json={"parameters": parameters, member: rows})
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["faults"]
    assert fault["code"] == code
    assert fault["message"].startswith("parameters")
    assert said in fault["message"]


@pytest.mark.parametrize(
    "query", ["threshold=2", "threshold=high", "threshold=", "threshold=null", "threshold=0.3&threshold=2"]
)
@pytest.mark.parametrize("media_type", ["application/json", "text/csv", "application/x-ndjson"])
def test_a_query_that_the_contract_does_not_allow(deciding: TestClient, query: str, media_type: str) -> None:
    answer = deciding.post(f"/models/late/predict?{query}", content=b"", headers={"content-type": media_type})
    assert answer.status_code == 422, answer.text
    assert "'threshold' must be a number from 0.1 to 0.9" in answer.json()["detail"]


def test_a_fixed_parameter_is_no_request_s_to_set(deciding: TestClient) -> None:
    body = {"instances": flights(), "parameters": {"threshold": 0.25}}
    assert deciding.post("/models/fixed/predict", json=body).status_code == 422
    answer = deciding.post("/models/fixed/predict?threshold=0.3", json={"instances": flights()})
    assert (answer.status_code, answer.json()["faults"][0]["code"]) == (422, "out_of_range")
    assert deciding.post("/models/fixed/predict?threshold=0.25", json={"instances": flights()}).status_code == 200


def table(answer: Any) -> dict[str, list[Any]]:
    """An answer in any flat format, by column; numbers of CSV stay text."""
    kind = answer.headers["content-type"]
    if kind == "text/csv":
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        return {name: [row[name] for row in rows] for name in rows[0]}
    if "arrow" in kind:
        return dict(pa.ipc.open_stream(answer.content).read_all().to_pydict())
    return dict(parquet.read_table(io.BytesIO(answer.content)).to_pydict())


FLAT = ["text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]


@pytest.mark.parametrize("media_type", FLAT)
def test_flat_answers_have_the_decision_as_columns(deciding: TestClient, media_type: str) -> None:
    def flat(url: str, rows: list[Any]) -> tuple[dict[str, list[Any]], str]:
        answer = deciding.post(f"/models/{url}", json={"instances": rows}, headers={"accept": media_type})
        assert answer.status_code == 200, answer.text
        return table(answer), answer.headers["servefn-parameters"]

    columns, said = flat("late/predict?threshold=0.5", flights())
    expected = ["late" if float(one) >= 0.5 else "on_time" for one in columns["probabilities.late"]]
    assert (columns["decision"], said) == (expected, "threshold=0.5")
    columns, said = flat("top/predict", [IRIS, BETWEEN])
    assert (columns["decision.1.label"], said) == (columns["label"], "top_k=2")
    assert float(columns["decision.2.probability"][0]) < float(columns["decision.1.probability"][0])
    assert "decision.3.label" not in columns
    assert "decision.3.label" in flat("top/predict?top_k=3", [IRIS])[0]


def test_bodies_of_every_format_are_decided(deciding: TestClient) -> None:
    rows = [{"key": "a", **IRIS}, {"key": "b", **BETWEEN}]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    sent = {
        "text/csv": text.getvalue(),
        "application/x-ndjson": "\n".join(map(json.dumps, rows)),
        "application/json": json.dumps({"instances": rows}),
    }
    for media_type, content in sent.items():
        for accept in sent:
            answer = deciding.post(
                "/models/reject/predict/keyed?reject_below=0.5",
                content=content,
                headers={"content-type": media_type, "accept": accept},
            )
            assert answer.status_code == 200, answer.text
            assert "abstain" not in answer.text
            answer = deciding.post(
                "/models/reject/predict/keyed", content=content, headers={"content-type": media_type, "accept": accept}
            )
            assert answer.text.count("abstain") == 1


def test_a_stream_of_lines_where_none_is_good(deciding: TestClient) -> None:
    answer = deciding.post(
        "/models/top/predict?top_k=1", content=b"{}\n", headers={"content-type": "application/x-ndjson"}
    )
    assert (answer.status_code, "missing_field" in answer.text) == (200, True)


def test_the_key_field_is_unlike_every_column_of_a_decision(deciding: TestClient) -> None:
    body = {"key_field": "decision.1.label", "instances": [{"decision.1.label": "a", **IRIS}]}
    assert deciding.post("/models/top/predict/keyed", json=body).status_code == 422


def request_schema(document: dict[str, Any], name: str, kind: str = "Request") -> Draft202012Validator:
    content = document["components"]["schemas"][f"{name}.1.{kind}"]
    return Draft202012Validator({**content, "components": document["components"]})


anything = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-1, 5), st.text(max_size=2)
)
names = st.sampled_from(["threshold", "low", "high", "reject_below", "top_k", "other"])


@given(
    name=st.sampled_from(list(POLICIES)),
    parameters=st.dictionaries(names, anything | st.floats(0, 1) | st.sampled_from([2.0, 2.5]), max_size=2) | anything,
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_document_accepts_exactly_what_the_path_accepts(
    deciding: TestClient, document: dict[str, Any], name: str, parameters: Any
) -> None:
    row = IRIS if POLICIES[name][0] == "iris" else flights()[0]
    body = {"instances": [row], "parameters": parameters}
    answer = deciding.post(f"/models/{name}/predict", json=body)
    assert answer.status_code in (200, 422)
    assert request_schema(document, name).is_valid(body) == (answer.status_code == 200), answer.text
    if answer.status_code == 200:
        request_schema(document, name, "Response").validate(answer.json())


def test_the_document_says_how_is_decided(document: dict[str, Any]) -> None:
    posted = document["paths"]["/models/late/predict"]["post"]
    assert "`late` where its probability is 0.25 or more, else `on_time`." in posted["description"]
    (parameter,) = posted["parameters"]
    assert (parameter["name"], parameter["in"], parameter["schema"]["maximum"]) == ("threshold", "query", 0.9)
    assert document["paths"]["/models/fixed/predict"]["post"]["parameters"] == []
    answer = document["components"]["schemas"]["band.1.Response"]["properties"]["predictions"]["items"]
    assert answer["properties"]["decision"]["enum"] == ["late", "on_time", "abstain"]
    for name in POLICIES:
        for kind in ("Request", "Response", "KeyedRequest", "KeyedResponse"):
            (example,) = document["components"]["schemas"][f"{name}.1.{kind}"]["examples"]
            request_schema(document, name, kind).validate(example)


@pytest.mark.parametrize(
    ("decided", "words"),
    [
        (BAND, "`late` where its probability is 0.5 or more, `on_time` below 0.2, in between `abstain`."),
        (REJECT, "The likeliest class where its probability is 0.9 or more, else `abstain`."),
        (TOP, "The 2 likeliest classes, the likeliest first."),
    ],
)
def test_a_policy_in_words(decided: Policy, words: str) -> None:
    assert told(decided, ("late", "on_time")) == words


def test_the_library_decides_too(folder: Path) -> None:
    model = load(folder / "late" / "1")
    found = model.predict(flights(), {"threshold": 0.5})
    assert found["decision"].tolist() == ["late" if one >= 0.5 else "on_time" for one in found["probabilities"][:, 0]]
    with pytest.raises(InvalidRequest, match=r"from 0\.1 to 0\.9"):
        model.predict(flights(), {"threshold": 0.95})


def test_each_request_is_decided_by_its_own_parameters_on_the_hot_path(folder: Path) -> None:
    row = min(flights(), key=lambda row: abs(load(folder / "late/1").predict([row])["probabilities"][0, 0] - 0.4))
    with (
        serving("--models", str(folder)) as (_, address),
        httpx.Client(base_url=address) as client,
        ThreadPoolExecutor(16) as pool,
    ):

        def decided(number: int) -> tuple[float, dict[str, Any]]:
            threshold = (number % 9 + 1) / 10
            return threshold, ask(client, "late", [row], parameters={"threshold": threshold})

        for threshold, answer in pool.map(decided, range(300)):
            (told,) = answer["predictions"]
            assert answer["parameters"] == {"threshold": threshold}
            assert told["decision"] == ("late" if told["probabilities"]["late"] >= threshold else "on_time")
        refused = client.post("/models/late/predict", json={"instances": [row], "parameters": {"threshold": 1}})
        assert refused.status_code == 422
        keyed = {"instances": [{"flight_id": "a", **row}], "parameters": {"threshold": 0.9}}
        answer = client.post("/models/late/predict/keyed", json=keyed).json()
        assert (answer["parameters"], answer["predictions"][0]["decision"]) == ({"threshold": 0.9}, "on_time")
