"""A split of the traffic: the same key meets the same version everywhere, and every answer says which it was."""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from app import aliases, load, remote, traffic
from app.decision import Parameter, Policy, Rule
from app.errors import BundleError
from app.main import create_app
from app.predictor import Model
from app.repository import Repository
from app.settings import Settings
from app.traffic import Split, Traffic, plan
from tests.conftest import MODELS
from tests.test_cli import serving
from tests.test_metrics import samples
from tests.test_native import IRIS, body
from tests.waiting import until

ONE, OTHER = load(MODELS / "iris" / "1"), copy.copy(load(MODELS / "iris" / "1"))
OTHER.version = "2"
KEYS = [f"customer-{number}" for number in range(40)]
HALF = Traffic(split={"challenger": 0.5})


def split(share: float, alias: str = "challenger") -> Split:
    return Split(ONE, OTHER, alias, share)


def drawn(found: Split, keys: int = 20_000) -> list[bool]:
    """Which of so many keys meet the challenger."""
    return [found.version(f"key-{number}".encode()) is OTHER for number in range(keys)]


@given(st.binary(max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_gives_no_key_back(key: bytes, one: float, other: float) -> None:
    small, large = sorted([one, other])
    assert split(small).version(key) is not OTHER or split(large).version(key) is OTHER
    assert (split(0).version(key), split(1).version(key)) == (ONE, OTHER)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_challenger_has_its_share_of_the_keys(share: float) -> None:
    found = sum(drawn(split(share)))
    assert abs(found - 20_000 * share) < 5 * math.sqrt(20_000 * share * (1 - share))


def test_another_experiment_draws_other_keys() -> None:
    both = sum(one and other for one, other in zip(drawn(split(0.3)), drawn(split(0.3, "candidate")), strict=True))
    assert abs(both - 20_000 * 0.09) < 5 * math.sqrt(20_000 * 0.09 * 0.91)


def test_the_versions_of_keys_never_change_from_release_to_release() -> None:
    found = split(0.5).versions(12, "id", [*range(6), *"abcdef"], b"")
    assert "".join(model.version for model in found) == "222221112221"


@pytest.fixture
def client(rivals: Path) -> Iterator[TestClient]:
    traffic.save(rivals / "iris", HALF)
    with TestClient(create_app(Settings(models=rivals))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def rows(key: str = "key") -> list[dict[str, Any]]:
    return [{key: each, **IRIS, "petal_length": 1 + number / 10} for number, each in enumerate(KEYS)]


def versions(client: Any, address: str = "") -> dict[str, str]:
    """Which version each key meets."""
    answer = client.post(f"{address}/models/iris/predict/keyed", content=body(*rows()))
    return {row["key"]: row["version"] for row in answer.json()["predictions"]}


def test_a_batch_is_divided_and_put_together_again(client: TestClient) -> None:
    bad = {"key": "bad", **IRIS, "petal_width": -1}
    sent = [*rows()[:20], bad, *rows()[20:]]
    document = client.post("/models/iris/predict/keyed", content=body(*sent)).json()
    assert [row["key"] for row in document["predictions"]] == KEYS
    assert [error["key"] for error in document["errors"]] == ["bad"]
    assert Counter(row["version"] for row in document["predictions"]).keys() == {"1", "2"}
    for version in "12":
        path = f"/models/iris/versions/{version}/predict/keyed"
        alone = {row["key"]: row for row in client.post(path, content=body(*rows())).json()["predictions"]}
        for row in document["predictions"]:
            if row["version"] == version:
                assert row["probabilities"] == pytest.approx(alone[row["key"]]["probabilities"], abs=1e-12)
                assert row["label"] == alone[row["key"]]["label"]


def test_an_answer_says_that_there_is_a_split(client: TestClient) -> None:
    document = client.post("/models/iris/predict/keyed", content=body(*rows())).json()
    challenger = client.get("/models/iris/versions/2").json()
    assert document["version"] == "1"
    assert document["split"] == {"version": "2", "digest": challenger["digest"], "share": 0.5}
    assert client.get("/models").json()["models"][1]["traffic"] == {"split": {"challenger": 0.5}, "shadow": {}}


def test_answers_are_as_the_document_describes_them(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for verb, sent in (("predict", [IRIS]), ("predict/keyed", rows())):
        operation = document["paths"][f"/models/iris/{verb}"]["post"]
        content = operation["responses"]["200"]["content"]
        (reference,) = content["application/json"]["schema"].values()
        assert ",version," in f",{content['text/csv']['example']}"
        validator = Draft202012Validator({"$ref": reference, "components": document["components"]})
        validator.validate(client.post(f"/models/iris/{verb}", content=body(*sent)).json())
        for example in document["components"]["schemas"][reference.rpartition("/")[2]]["examples"]:
            validator.validate(example)
        assert ("servefn-key" in str(operation["parameters"])) == (verb == "predict")


def test_a_request_without_keys_goes_by_its_own_or_to_the_champion(client: TestClient) -> None:
    expected = versions(client)
    for key in KEYS:
        headers = {"servefn-key": key}
        answer = client.post("/models/iris/predict", content=body(IRIS, IRIS), headers=headers).json()
        assert [row["version"] for row in answer["predictions"]] == [expected[key]] * 2
        odd = client.post("/models/ir%69s/predict", content=body(IRIS), headers=headers).json()
        assert odd["predictions"][0]["version"] == expected[key]
    answer = client.post("/models/iris/predict", content=body(IRIS)).json()
    assert answer["predictions"][0]["version"] == "1"


@pytest.mark.parametrize("path", ["versions/1", "versions/2", "aliases/champion", "aliases/challenger"])
def test_who_names_a_version_gets_it(client: TestClient, path: str) -> None:
    document = client.post(f"/models/iris/{path}/predict/keyed", content=body(*rows())).json()
    assert document["version"] == {"1": "1", "2": "2", "n": "1", "r": "2"}[path[-1]]
    assert "split" not in document
    assert list(document["predictions"][0]) == ["key", "label", "probabilities"]


def test_every_format_meets_the_same_versions(client: TestClient) -> None:
    expected = list(versions(client).items())
    columns = {name: [row[name] for row in rows("id")] for name in rows("id")[0]}
    url = "/models/iris/predict/keyed"

    answer = client.post(url, content=json.dumps({"key_field": "id", "columns": columns}))
    assert [(row["id"], row["version"]) for row in answer.json()["predictions"]] == expected
    assert answer.json()["split"]["share"] == 0.5

    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows(rows("id"))
    answer = client.post(f"{url}?key_field=id", content=text.getvalue(), headers={"content-type": "text/csv"})
    assert [(row["id"], row["version"]) for row in csv.DictReader(io.StringIO(answer.text))] == expected
    assert answer.headers["servefn-split"].startswith("version=2, digest=")

    lines = "\n".join(json.dumps(row) for row in rows("id"))
    answer = client.post(f"{url}?key_field=id", content=lines, headers={"content-type": "application/x-ndjson"})
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [(row["id"], row["version"]) for row in found] == expected

    sink, table = pa.BufferOutputStream(), pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    media = {"content-type": "application/vnd.apache.arrow.stream"}
    answer = client.post(f"{url}?key_field=id", content=sink.getvalue().to_pybytes(), headers=media)
    read = pa.ipc.open_stream(answer.content).read_all()
    assert list(zip(read["id"].to_pylist(), read["version"].to_pylist(), strict=True)) == expected
    assert read.schema.metadata[b"split"].startswith(b"version=2, digest=")


@pytest.mark.parametrize("media", ["text/csv", "application/x-ndjson", "application/json"])
def test_keys_are_not_where_the_version_is(client: TestClient, media: str) -> None:
    row = {"version": "a", **IRIS}
    text = "\n".join(",".join(map(str, line)) for line in (row, row.values()))
    sent = {"text/csv": text, "application/json": json.dumps({"key_field": "version", "instances": [row]})}
    url = "/models/iris/predict/keyed?key_field=version"
    answer = client.post(url, content=sent.get(media, json.dumps(row)), headers={"content-type": media})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")
    named = client.post(url.replace("/pre", "/versions/1/pre"), content=text, headers={"content-type": "text/csv"})
    assert named.status_code == 200


def test_rows_are_counted_by_the_version_that_answered_them(client: TestClient) -> None:
    count = Counter(versions(client).values())
    found = samples(client)
    assert {version: found["servefn_rows_total", "iris", version] for version in "12"} == count


def test_a_share_is_changed_and_taken_back_in_one_call_each(client: TestClient) -> None:
    url = "/admin/models/iris/traffic"
    assert client.put(url, json={"split": {"challenger": 1}}).json()["traffic"]["iris"]["split"] == {"challenger": 1}
    assert set(versions(client).values()) == {"2"}
    client.put(url, json={})
    document = client.post("/models/iris/predict/keyed", content=body(*rows())).json()
    assert "split" not in document
    assert "version" not in document["predictions"][0]


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ({"split": {"challanger": 0.1}}, 409, "Did you mean 'challenger'?"),
        ({"shadow": {"candidate": 0.1}}, 409, "the alias 'candidate'"),
        ({"split": {"challenger": 1.1}}, 409, "from 0 to 1"),
        ({"split": {"challenger": 0.1, "champion": 0.1}}, 409, "one challenger"),
        ({"split": {"challenger": "much"}}, 422, "split.challenger"),
        ({"splt": {}}, 422, "splt"),
    ],
)
def test_what_cannot_be_done_is_said_and_not_done(client: TestClient, said: Any, status: int, reason: str) -> None:
    answer = client.put("/admin/models/iris/traffic", json=said)
    assert answer.status_code == status
    assert reason in answer.json()["detail"]
    assert set(versions(client).values()) == {"1", "2"}
    assert client.put("/admin/models/irsi/traffic", json={}).status_code == 404


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"split": 0.1}', '{"split": {"challenger": 2}}', '{"splt": {}}', '{"split": {"nobody": 0.1}}', "\x00"],
)
def test_a_bad_file_changes_nothing_and_is_reported(rivals: Path, content: str) -> None:
    traffic.save(rivals / "iris", HALF)
    repository = Repository(rivals)
    repository.load()
    (rivals / "iris" / traffic.FILE).write_text(content)
    (rejected,) = repository.load().rejected
    assert (rejected.name, rejected.version) == ("iris", "")
    assert repository.catalogue.plans["iris"].said == HALF
    assert repository.catalogue.plans["iris"].split


def test_a_split_of_contracts_that_differ_is_refused_with_the_reason(rivals: Path) -> None:
    manifest = rivals / "iris" / "2" / "model.json"
    document = json.loads(manifest.read_bytes())
    document["signature"]["features"][0]["nullable"] = True
    manifest.write_text(json.dumps(document))
    traffic.save(rivals / "iris", HALF)
    repository = Repository(rivals)
    (rejected,) = repository.load().rejected
    assert rejected.reason.endswith("between versions 1 and 2: they do not take the same values of sepal_length")
    assert repository.catalogue.plans["iris"].split is None
    assert repository.get("iris").version == "1"


def changed(**fields: Any) -> Model:
    model = copy.copy(OTHER)
    model.signature = replace(model.signature, **fields)
    return model


FEATURES, OUTPUTS = ONE.signature.features, ONE.signature.outputs
POLICY = Policy(rule=Rule.REJECT, parameters={"reject_below": Parameter(value=0.5, minimum=0.5, maximum=0.5)})


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (changed(features=FEATURES[:-1]), "the same values of petal_width"),
        (changed(features=(*FEATURES, replace(FEATURES[0], name="x"))), "the same values of x"),
        (changed(features=(replace(FEATURES[0], nullable=True), *FEATURES[1:])), "the same values of sepal_length"),
        (changed(features=FEATURES[::-1]), "in another order"),
        (changed(outputs=OUTPUTS[:1]), "the same shape"),
        (changed(outputs=(replace(OUTPUTS[0], classes=("a", "b", "c")), OUTPUTS[1])), "the same shape"),
        (changed(key="id"), "keys"),
    ],
)
def test_contracts_that_differ(model: Model, reason: str) -> None:
    for said in (HALF, Traffic(shadow={"challenger": 0.5})):
        with pytest.raises(BundleError, match=reason):
            plan(said, ONE, {"challenger": model})


def test_what_was_learned_may_differ() -> None:
    features = (replace(FEATURES[0], description="longer", example=2.0), *FEATURES[1:])
    assert plan(HALF, ONE, {"challenger": changed(features=features)}).split


@pytest.mark.parametrize(("share", "other"), [(0.0, OTHER), (0.5, ONE)])
def test_no_share_and_the_champion_itself_are_no_split(share: float, other: Model) -> None:
    found = plan(Traffic(split={"challenger": share}, shadow={"challenger": share}), ONE, {"challenger": other})
    assert (found.split, found.shadows) == (None, ())


@pytest.mark.parametrize("kind", ["split", "shadow"])
def test_a_share_for_the_version_that_answers_anyway_is_refused(rivals: Path, kind: str) -> None:
    aliases.write(rivals / "iris" / aliases.FILE, {"challenger": "2"})  # without a champion the highest answers
    with TestClient(create_app(Settings(models=rivals))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        url = "/admin/models/iris/traffic"
        answer = client.put(url, json={kind: {"challenger": 0.1}})
        assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
        assert "'challenger' names version 2, which answers where none is named" in answer.json()["detail"]
        assert not (rivals / "iris" / traffic.FILE).exists()
        assert client.put(url, json={kind: {"challenger": 0}}).status_code == 200
        client.put("/admin/models/iris/aliases/champion", json={"version": "1"})
        assert client.put(url, json={kind: {"challenger": 0.1}}).status_code == 200


def test_a_file_that_is_watched_needs_no_call(rivals: Path) -> None:
    with TestClient(create_app(Settings(models=rivals, watch_seconds=0.05))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        traffic.save(rivals / "iris", HALF)
        until(lambda: "split" in client.post("/models/iris/predict", content=body(IRIS)).json())


def test_two_servers_agree_and_the_command_takes_it_back(rivals: Path) -> None:
    with (
        serving(SERVEFN_MODELS=str(rivals)) as (_, address),
        serving(SERVEFN_MODELS=str(rivals), SERVEFN_WATCH_SECONDS="0.05") as (_, second),
    ):
        done = CliRunner().invoke(remote.traffic, ["iris", "--split", "challenger", "0.5", "--url", address])
        assert json.loads(done.output)["traffic"]["iris"] == {"split": {"challenger": 0.5}, "shadow": {}}
        until(lambda: "split" in httpx.post(f"{second}/models/iris/predict", content=body(IRIS)).json())
        assert versions(httpx, address) == versions(httpx, second)
        assert set(versions(httpx, address).values()) == {"1", "2"}
        assert CliRunner().invoke(remote.traffic, ["iris", "--url", address]).exit_code == 0
        assert "split" not in httpx.post(f"{address}/models/iris/predict", content=body(IRIS)).json()


def test_shares_change_under_load_and_each_answer_keeps_to_one_of_them(rivals: Path) -> None:
    stop, wrong, seen = threading.Event(), [], Counter[float]()
    by_share = {share: split(share) for share in (0.2, 0.8)}

    def ask(address: str) -> None:
        with httpx.Client() as client:
            while not stop.is_set():
                answer = client.post(f"{address}/models/iris/predict/keyed", content=body(*rows()))
                document = answer.json()
                share = document["split"]["share"] if "split" in document else 0.0
                seen[share] += 1
                found = [row.get("version", "1") for row in document["predictions"]]
                expected = [by_share[share].version(key.encode()).version if share else "1" for key in KEYS]
                if found != expected:
                    wrong.append((share, found))

    with serving(SERVEFN_MODELS=str(rivals)) as (_, address):
        clients = [threading.Thread(target=ask, args=(address,)) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            for turn in range(9):
                said = {"split": {"challenger": (0.0, 0.2, 0.8)[turn % 3]}}
                assert httpx.put(f"{address}/admin/models/iris/traffic", json=said).status_code == 200
        finally:
            stop.set()
            for client in clients:
                client.join()
    assert (wrong, set(seen)) == ([], {0.0, 0.2, 0.8})
