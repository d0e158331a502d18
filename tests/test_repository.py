"""What is served follows the directory: whole bundles, in one step, and never less than what worked before."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import weakref
from pathlib import Path

import pytest

from app import aliases
from app.errors import AliasNotFound, BundleError, Conflict, ModelNotFound, NotReady, VersionNotFound
from app.keeper import Keeper
from app.repository import Repository


@pytest.fixture
def repository(models: Path) -> Repository:
    repository = Repository(models)
    repository.load()
    return repository


def add(models: Path, version: str, name: str = "iris") -> Path:
    return Path(shutil.copytree(models / name / "1", models / name / version))


def test_the_first_look_loads_everything(models: Path) -> None:
    repository = Repository(models)
    with pytest.raises(NotReady):
        repository.get("iris")
    changes = repository.load()
    assert changes.loaded == ("flights/1", "iris/1")
    assert (changes.unloaded, changes.kept, changes.rejected) == ((), (), ())
    assert repository.ready


def test_a_new_version_is_served_and_the_others_are_kept_as_they_are(repository: Repository, models: Path) -> None:
    before = repository.get("iris", "1")
    add(models, "2")
    changes = repository.load()
    assert (changes.loaded, changes.kept) == (("iris/2",), ("flights/1", "iris/1"))
    assert repository.get("iris").version == "2"
    assert repository.get("iris", "1") is before


def test_what_is_gone_is_let_go_of(repository: Repository, models: Path) -> None:
    add(models, "2")
    repository.load()
    gone = weakref.ref(repository.get("iris", "2"))
    shutil.rmtree(models / "iris" / "2")
    assert repository.load().unloaded == ("iris/2",)
    gc.collect()
    assert gone() is None
    with pytest.raises(VersionNotFound):
        repository.get("iris", "2")


def test_another_bundle_in_the_place_of_one_takes_it(repository: Repository, models: Path) -> None:
    before = repository.get("iris", "1")
    manifest = models / "iris" / "1" / "model.json"
    document = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps({**document, "description": "another"}))
    assert repository.load().loaded == ("iris/1",)
    assert repository.get("iris", "1").digest != before.digest


@pytest.mark.parametrize("file", ["model.json", "model.onnx", "replay.json"])
def test_a_bad_bundle_is_left_out_and_named(repository: Repository, models: Path, file: str) -> None:
    (add(models, "2") / file).write_bytes(b"\x00")
    changes = repository.load()
    assert [(one.name, one.version) for one in changes.rejected] == [("iris", "2")]
    assert repository.get("iris").version == "1"
    assert (models / "iris" / "2" / file).write_bytes((models / "iris" / "1" / file).read_bytes())
    assert repository.load().loaded == ("iris/2",)


def test_a_bundle_that_is_spoilt_while_it_is_served_is_served_on(repository: Repository, models: Path) -> None:
    before = repository.get("iris", "1")
    (models / "iris" / "1" / "model.json").write_bytes(b"{")
    changes = repository.load()
    assert [(one.name, one.version) for one in changes.rejected] == [("iris", "1")]
    assert repository.get("iris", "1") is before


def test_a_directory_with_nothing_to_serve_changes_nothing(repository: Repository, models: Path) -> None:
    shutil.rmtree(models)
    assert repository.load().kept == ("flights/1", "iris/1")
    models.mkdir()
    assert repository.load().kept == ("flights/1", "iris/1")
    assert repository.ready


def test_the_champion_answers_where_no_version_is_named(repository: Repository, models: Path) -> None:
    add(models, "2")
    aliases.point(models / "iris", "champion", "1")
    aliases.point(models / "iris", "challenger", "2")
    repository.load()
    assert repository.get("iris").version == "1"
    assert repository.get("iris", alias="challenger").version == "2"
    aliases.point(models / "iris", "champion", None)
    repository.load()
    assert repository.get("iris").version == "2"
    with pytest.raises(AliasNotFound, match="Did you mean 'challenger'"):
        repository.get("iris", alias="chalenger")


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"champion": 1}', '{"champion": "../1"}', '{"A b": "1"}', '{"1": "1"}']
)
def test_a_file_of_aliases_that_cannot_be_read_changes_nothing(
    repository: Repository, models: Path, content: str
) -> None:
    add(models, "2")
    aliases.point(models / "iris", "champion", "1")
    repository.load()
    (models / "iris" / "aliases.json").write_text(content)
    changes = repository.load()
    assert [(one.name, one.version) for one in changes.rejected] == [("iris", "")]
    assert repository.get("iris").version == "1"


def test_an_alias_of_a_version_that_does_not_load_names_what_it_did(repository: Repository, models: Path) -> None:
    aliases.point(models / "iris", "champion", "1")
    repository.load()
    (add(models, "2") / "model.onnx").write_bytes(b"")
    aliases.point(models / "iris", "champion", "2")
    changes = repository.load()
    assert repository.get("iris").version == "1"
    assert changes.aliases["iris"] == {"champion": "1"}
    assert any("'champion'" in one.reason for one in changes.rejected)


@pytest.mark.parametrize(
    ("alias", "version", "said"),
    [("champion", "3", "has no version '3'"), ("Champion", "1", "cannot be an alias"), ("1", "1", "cannot be")],
)
def test_an_alias_that_makes_no_sense_is_not_written(models: Path, alias: str, version: str, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        aliases.point(models / "iris", alias, version)
    assert not (models / "iris" / "aliases.json").exists()
    assert sorted(entry.name for entry in (models / "iris").iterdir()) == ["1"]


def test_the_fingerprint_changes_with_bundles_and_aliases(repository: Repository, models: Path) -> None:
    seen = {repository.fingerprint()}
    assert repository.fingerprint() in seen
    add(models, "2")
    seen.add(repository.fingerprint())
    aliases.point(models / "iris", "champion", "1")
    seen.add(repository.fingerprint())
    shutil.rmtree(models / "iris" / "2")
    seen.add(repository.fingerprint())
    assert len(seen) == 4


def test_what_changes_no_alias_writes_nothing(models: Path) -> None:
    aliases.point(models / "iris", "champion", None)
    assert not (models / "iris" / "aliases.json").exists()
    aliases.point(models / "iris", "champion", "1")
    written = (models / "iris" / "aliases.json").stat()
    aliases.point(models / "iris", "champion", "1")
    assert (models / "iris" / "aliases.json").stat() == written


def test_a_model_is_withdrawn_until_it_is_restored(repository: Repository) -> None:
    keeper = Keeper(repository, lambda _: None, 0)
    before = repository.get("flights")
    asyncio.run(keeper.withdraw("iris"))
    assert list(repository.catalogue.models) == list(repository.catalogue.plans) == ["flights"]
    with pytest.raises(NotReady, match="'iris' has been unloaded"):
        repository.get("iris")
    repository.load()
    assert list(repository.catalogue.models) == ["flights"]
    asyncio.run(keeper.restore("iris"))
    assert repository.get("iris").version == "1"
    assert repository.get("flights") is before


def test_the_last_model_may_be_withdrawn_too(repository: Repository) -> None:
    keeper = Keeper(repository, lambda _: None, 0)
    for name in ("iris", "flights"):
        asyncio.run(keeper.withdraw(name))
    assert not repository.ready
    asyncio.run(keeper.restore("iris"))
    assert list(repository.catalogue.models) == ["iris"]


def test_what_cannot_be_withdrawn_or_restored(repository: Repository, models: Path) -> None:
    keeper = Keeper(repository, lambda _: None, 0)
    with pytest.raises(ModelNotFound):
        asyncio.run(keeper.withdraw("irsi"))
    with pytest.raises(ModelNotFound):
        asyncio.run(keeper.restore("irsi"))
    with pytest.raises(Conflict, match="Other processes"):
        asyncio.run(Keeper(repository, lambda _: None, 0, alone=False).withdraw("iris"))
    asyncio.run(keeper.withdraw("iris"))
    (models / "iris" / "1" / "model.onnx").write_bytes(b"")
    with pytest.raises(Conflict, match="'iris' cannot be served"):
        asyncio.run(keeper.restore("iris"))


def test_a_bundle_that_was_rejected_is_not_tried_again_before_it_changes(
    repository: Repository, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph = add(models, "2") / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(b"")

    def tries() -> int:
        found = sum(record.getMessage().startswith("not served") for record in caplog.records)
        caplog.clear()
        return found

    (rejected,) = repository.load().rejected
    assert tries() == 1
    assert (repository.load(again=False).rejected, tries()) == ((rejected,), 0)
    assert (repository.load().rejected, tries()) == ((rejected,), 1)  # who asks for it gets it
    graph.write_bytes(whole[:-1])
    assert (len(repository.load(again=False).rejected), tries()) == (1, 1)
    graph.write_bytes(whole)
    assert repository.load(again=False).loaded == ("iris/2",)
    shutil.rmtree(models / "iris" / "2")
    assert repository.load(again=False).rejected == ()
