"""The report of an export: one file, safe whatever the names are, written whether the answers agree or not."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from selenium import webdriver
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from app.parity import compare
from app.signature import Array
from export import ExportError, ParityError, export_model
from export.__main__ import export
from export.examples import iris
from export.report import charts
from export.report.html import Html, table, tag
from tests.export_models import AMOUNT, NUMBERS, THREE
from tests.test_docs import browser as browser
from tests.test_export import Leaning

EVIL = ["</style><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "a&b", "'><svg onload=alert(3)>"]


class Elements(HTMLParser):
    """The elements of a page and their attributes; elements that are opened must be closed, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.found}

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def reported(model: Any, sample: Any, folder: Path, **options: Any) -> Elements:
    export_model(model, sample, folder / "models", "m", report=folder / "report.html", **options)
    return Elements((folder / "report.html").read_text())


def test_the_report_says_what_was_exported_and_that_it_agrees(tmp_path: Path) -> None:
    said = {"seed": 7, "split": {"training": "all rows"}}
    options: dict[str, Any] = {"features": iris.FEATURES, "description": iris.DESCRIPTION, "provenance": said}
    page = reported(iris.train(), iris.data()[0], tmp_path, **options)
    for words in ("m classifier", iris.DESCRIPTION, "Served equals trained", "rows compared: no label differs"):
        assert words in page.text
    for words in ("sepal_length FP64 a number from 0.1 to 30, in cm 4.3 to 7.9, median 5.8", "training all rows"):
        assert words in page.text
    assert "neighbouring numbers between which the answer changes 76 0" in page.text
    circles = [one for name, one in page.found if name == "circle"]
    assert len([one for one in circles if "dot" in str(one["class"])]) == 3 * 150
    assert not [one for one in circles if one["class"] == "off"]


def test_it_is_one_file_that_asks_nobody(tmp_path: Path) -> None:
    page = reported(iris.train(), iris.data()[0], tmp_path)
    assert page.names.isdisjoint({"script", "link", "img", "iframe", "object", "a", "form"})
    assert {key for _, attributes in page.found for key in attributes}.isdisjoint({"src", "href", "onload", "style"})
    text = (tmp_path / "report.html").read_text()
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text
    assert len(text) < 100_000


def test_names_and_categories_are_text_whatever_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame(dict(zip(EVIL, NUMBERS.T, strict=True))).assign(word=np.resize(EVIL, len(NUMBERS)))
    columns = make_column_transformer((OneHotEncoder(), ["word"]), remainder="passthrough")
    model = make_pipeline(columns, RandomForestClassifier(3, random_state=0)).fit(frame, np.resize(EVIL, len(NUMBERS)))
    options: dict[str, Any] = {"description": EVIL[0], "provenance": {EVIL[1]: EVIL[0]}}
    page = reported(model, frame, tmp_path, **options)
    assert page.names.isdisjoint({"script", "img"})
    assert all(word in page.text for word in EVIL)
    assert "Exact for every input, by argument: label, probabilities." in page.text


def test_a_failed_check_is_reported_and_nothing_is_published(tmp_path: Path) -> None:
    with pytest.raises(ParityError) as raised:
        reported(Leaning().fit(NUMBERS, AMOUNT), NUMBERS, tmp_path)
    page = Elements((tmp_path / "report.html").read_text())
    assert "Served differs from trained" in page.text
    assert f"{str(raised.value).partition(';')[0]}. Nothing was published." in page.text
    assert "The rows that differ Check" in page.text
    worst = raised.value.mismatches[0]
    assert f"{worst.trained['value']!r}" in page.text
    marked = [index for index, (name, _) in enumerate(page.found) if name == "mark"]
    assert len(marked) == len(raised.value.mismatches)
    assert [one for name, one in page.found if name == "circle" and one["class"] == "off"]
    assert not (tmp_path / "models").exists()


def test_the_command_writes_it_and_keeps_its_exit_code(tmp_path: Path) -> None:
    rows = pd.DataFrame(NUMBERS, columns=list("abcd"))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    report = tmp_path / "report.html"
    for model, code in ((Leaning().fit(rows, AMOUNT), 1), (LinearRegression().fit(rows, AMOUNT), 0)):
        report.unlink(missing_ok=True)
        joblib.dump(model, tmp_path / "model.joblib")
        options = ["--sample", tmp_path / "rows.csv", "--models", tmp_path / "models", "--name", "m"]
        arguments = [tmp_path / "model.joblib", *options, "--report", report]
        assert CliRunner().invoke(export, list(map(str, arguments))).exit_code == code
        assert "regressor" in report.read_text()


def test_a_report_that_cannot_be_written_is_said_before_anything_is_published(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"cannot write the report to .*: No such file or directory"):
        reported(LinearRegression().fit(NUMBERS, AMOUNT), NUMBERS, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("model", "target"),
    [(KMeans(3, random_state=0, n_init=1), None), (StandardScaler(), None)],
    ids=["labels", "columns"],
)
def test_every_kind_of_model_has_a_report(model: Any, target: Any, tmp_path: Path) -> None:
    page = reported(model.fit(NUMBERS, target), NUMBERS, tmp_path)
    assert "Served equals trained" in page.text


def test_the_scatter_keeps_to_finite_numbers_and_a_few_hundred_points() -> None:
    values = np.linspace(-5.0, 5.0, 3000).reshape(-1, 1)
    drawn = str(charts.scatter(values, values, (), ()))
    assert 500 < drawn.count("<circle") <= charts.POINTS
    values[0], values[1] = np.nan, np.inf
    assert "nan" not in str(charts.scatter(values, values, (), [0, 1]))
    same = np.full((10, 1), 3.0)
    assert "nan" not in str(charts.scatter(same, same, (), ()))


@pytest.mark.parametrize("off", [0.0, 1e-300, 1e-9, 0.5, 1e200, np.inf])
@pytest.mark.parametrize("tolerance", [0.0, 1e-5, 10.0])
def test_every_difference_has_its_place_in_the_picture(off: float, tolerance: float) -> None:
    was: Array = np.zeros(2)
    found = compare({"value": was}, {"value": was + off}, tolerance)
    drawn = charts.differences(["sample"], [found], tolerance)
    places = [float(x) for x in re.findall(r'cx="([-\d.]+)"', drawn)]
    assert len(places) == 1
    assert 100 < places[0] < charts.WIDTH - 50
    assert ('class="off"' in drawn) == (off > tolerance)


def test_only_tags_become_markup() -> None:
    assert tag("p", "a<b", tag("b", "&"), class_="x", title='"') == '<p class="x" title="&quot;">a&lt;b<b>&amp;</b></p>'
    assert tag("line", x1=1.0, y1=2.346) == '<line x1="1" y1="2.35"></line>'
    assert '<td class="number">&lt;1</td>' in table(["a"], [["<1"]], numeric=[0])
    assert Html("<i>") == tag("b", Html("<i>"))[3:-4]


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1200])
def test_it_fits_a_phone_and_a_desk(browser: webdriver.Chrome, width: int, tmp_path: Path) -> None:
    model = RandomForestClassifier(3, random_state=0).fit(NUMBERS, THREE)
    reported(model, NUMBERS, tmp_path)
    browser.set_window_size(width, 900)
    browser.get((tmp_path / "report.html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    sizes = browser.execute_script("return [...document.querySelectorAll('svg')].map(one => one.clientWidth)")
    assert len(sizes) == 2
    assert min(sizes) > 280
