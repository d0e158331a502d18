"""`servefn export`: the path on stdout, the rest on stderr, one line for a failure, and the exit code says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import joblib
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from sklearn.linear_model import LogisticRegression

from app import load
from export.__main__ import export
from export.examples import iris
from tests.export_models import AMOUNT, NUMBERS
from tests.test_export import Leaning

Export = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Export:
    """Runs the command on the iris model and its sample, or what stands in for them, under the name `m`."""
    rows, _ = iris.data()
    joblib.dump(iris.train(), tmp_path / "model.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)

    def call(*options: str, model: str = "model.joblib", sample: str = "rows.csv") -> Result:
        places = [str(tmp_path / model), "--sample", str(tmp_path / sample), "--models", str(tmp_path / "models")]
        return CliRunner().invoke(export, [*places, "--name", "m", *options])

    return call


def published(folder: Path) -> list[Path]:
    return list((folder / "models").rglob("*"))


def test_the_path_alone_is_on_stdout(run: Export, tmp_path: Path) -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'models/m/1'}\n")
    assert "no label differs" in result.stderr
    assert load(result.stdout.strip()).signature.features[0].name == "sepal_length"


def test_parquet_key_and_version(run: Export, tmp_path: Path) -> None:
    iris.data()[0].assign(flower=range(150)).to_parquet(tmp_path / "rows.parquet")
    result = run("--key", "flower", "--version", "3", "--tolerance", "1e-9", sample="rows.parquet")
    model = load(result.stdout.strip())
    assert (model.version, model.signature.key, model.manifest.certificate.tolerance) == ("3", "flower", 1e-9)


def test_a_contract_file(run: Export, tmp_path: Path) -> None:
    (tmp_path / "contract.toml").write_text(
        'description = "Flowers"\nkey = "flower"\n[features.petal_width]\nunit = "cm"\nmaximum = 9\n'
    )
    iris.data()[0].assign(flower=range(150)).to_csv(tmp_path / "keyed.csv", index=False)
    model = load(run("--contract", str(tmp_path / "contract.toml"), sample="keyed.csv").stdout.strip())
    found = model.signature.features[3]
    assert (model.manifest.description, model.signature.key) == ("Flowers", "flower")
    assert (found.unit, found.maximum) == ("cm", 9.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= 3", "cannot read"),
        ("ky = 'x'", "Did you mean 'key'"),
        ("key = 3", "Expected `str"),
        ("[features.petal_wdth]", "Did you mean 'petal_width'"),
        ("[features.petal_width]\nminimum = 5\nmaximum = 1", "no range"),
    ],
)
def test_a_contract_file_that_is_wrong(run: Export, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "contract.toml").write_text(text)
    assert_refused(run("--contract", str(tmp_path / "contract.toml")), message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "none.joblib"}, "No such file"),
        ({"model": "rows.csv"}, "does not load as a joblib pickle"),
        ({"model": "table.joblib"}, "is no estimator"),
        ({"model": "unfitted.joblib"}, "not fitted"),
        ({"sample": "none.csv"}, "No such file"),
        ({"sample": "model.joblib"}, "neither .csv nor .parquet"),
        ({"sample": "empty.csv"}, "No columns to parse"),
        ({"sample": "zero.csv"}, "no rows"),
        ({"sample": "twice.csv"}, "several columns named 'petal_width'; columns need names of their own"),
        ({"sample": "twice.parquet"}, "cannot read"),
        (
            {"sample": "missing.csv"},
            "'petal_width' has no value in the whole sample; give rows that have some, or drop",
        ),
        ({"sample": "ragged.csv"}, "Expected 4 fields in line 3, saw 5"),
        ({"sample": "binary.csv"}, "cannot read"),
        ({"sample": "words.csv"}, "petal_length"),
        ({"sample": "extra.csv"}, "has 'more' too"),
        ({"model": "cut.joblib"}, "does not load as a joblib pickle"),
        ({"model": "class.joblib"}, "is no estimator"),
        ({"model": "elsewhere.joblib"}, "No module named 'nosuchmodule'"),
        ({"sample": "other.csv"}, "lacks 'petal_width' and has 'petal width' too"),
        ({"sample": "broken.parquet"}, "cannot read"),
    ],
)
def test_bad_input_is_one_line(run: Export, tmp_path: Path, options: dict[str, str], message: str) -> None:
    rows, _ = iris.data()
    joblib.dump({"a": 1}, tmp_path / "table.joblib")
    joblib.dump(LogisticRegression(), tmp_path / "unfitted.joblib")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "broken.parquet").write_text("hello")
    twice = pa.table({"petal_width": [1.0]}).append_column("petal_width", pa.array([2.0]))
    pq.write_table(twice, tmp_path / "twice.parquet")
    rows.assign(petal_width=None).to_csv(tmp_path / "missing.csv", index=False)
    rows.assign(more=1).to_csv(tmp_path / "extra.csv", index=False)
    rows.assign(petal_length="long").to_csv(tmp_path / "words.csv", index=False)
    (tmp_path / "ragged.csv").write_text("a,b,c,d\n1,2,3,4\n1,2,3,4,5\n")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "cut.joblib").write_bytes((tmp_path / "model.joblib").read_bytes()[:300])
    (tmp_path / "elsewhere.joblib").write_bytes(b"cnosuchmodule\nThing\n.")
    joblib.dump(LogisticRegression, tmp_path / "class.joblib")
    rows.head(0).to_csv(tmp_path / "zero.csv", index=False)
    rows.assign(extra=1.0).set_axis([*rows, "petal_width"], axis=1).to_csv(tmp_path / "twice.csv", index=False)
    rows.rename(columns={"petal_width": "petal width"}).to_csv(tmp_path / "other.csv", index=False)
    assert_refused(run(**options), message)
    assert not published(tmp_path)


def test_a_failed_parity_check_shows_the_worst_rows_and_exits_with_1(run: Export, tmp_path: Path) -> None:
    rows = pd.DataFrame(NUMBERS, columns=list("abcd"))
    joblib.dump(Leaning().fit(rows, AMOUNT), tmp_path / "leaning.joblib")
    rows.to_csv(tmp_path / "numbers.csv", index=False)
    result = run(model="leaning.joblib", sample="numbers.csv")
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.partition("Error: ")[2].splitlines()
    assert "rows are answered otherwise" in lines[0]
    assert lines[1].split()[:2] == ["check", "difference"]
    assert 1 <= len(lines[2:]) <= 10
    assert all("value=" in line and "a=" in line for line in lines[2:])
    assert not published(tmp_path)


def test_the_help_warns_of_pickles() -> None:
    text = CliRunner().invoke(export, ["--help"]).stdout
    assert "export only files you trust" in " ".join(text.split())


def assert_refused(result: Result, message: str) -> None:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    error = result.stderr.partition("Error: ")[2]
    assert message in error
    assert len(error.splitlines()) == 1


def test_warnings_of_another_version_go_to_stderr(run: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "1.0")
        joblib.dump(iris.train(), tmp_path / "old.joblib")
    result = run(model="old.joblib")
    assert result.exit_code == 0
    assert "warning: Trying to unpickle estimator LogisticRegression from version 1.0" in result.stderr
