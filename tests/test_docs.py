"""/docs as a browser shows it, with no network but this server."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from starlette.testclient import TestClient

from tests.test_auth import stored
from tests.test_cli import serving
from tests.waiting import until

STATIC = Path(__file__).parents[1] / "app" / "static"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1400",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    with webdriver.Chrome(options, Service(DRIVER)) as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (_, address):
        yield address


def found(browser: webdriver.Chrome, selector: str) -> WebElement:
    until(lambda: bool(browser.find_elements(By.CSS_SELECTOR, selector)))
    return browser.find_element(By.CSS_SELECTOR, selector)


@pytest.mark.parametrize("operation", ["iris/predict_iris", "flights/predict_keyed_flights"])
def test_try_it_out_is_filled_in_with_a_row_that_works(browser: webdriver.Chrome, address: str, operation: str) -> None:
    browser.get("about:blank")
    browser.get(f"{address}/docs#/{operation}")
    assert '"instances"' in str(found(browser, "textarea.body-param__text").get_property("value"))
    browser.execute_script("arguments[0].click()", found(browser, "button.execute"))
    assert found(browser, ".live-responses-table tbody .response-col_status").text.startswith("200")
    assert '"predictions"' in found(browser, ".live-responses-table tbody pre").text


def test_a_key_can_be_given_where_one_is_needed(browser: webdriver.Chrome) -> None:
    with serving(SERVEFN_API_KEYS=stored(all='scopes = ["predict"]')) as (_, address):
        browser.get(f"{address}/docs#/iris/predict_iris")
        run, answered = "button.execute", ".live-responses-table tbody .response-col_status"
        browser.execute_script("arguments[0].click()", found(browser, run))
        assert found(browser, answered).text.startswith("401")
        found(browser, "button.authorize").click()
        found(browser, ".auth-container input").send_keys("all-all")
        found(browser, ".auth-container button.authorize").click()
        found(browser, ".btn-done").click()
        browser.execute_script("arguments[0].click()", found(browser, run))
        until(lambda: found(browser, answered).text.startswith("200"))


def test_the_page_asks_nobody_else_for_anything(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/docs")
    found(browser, ".opblock")
    names = "return performance.getEntriesByType('resource').map(entry => entry.name)"
    loaded = browser.execute_script(names)
    assert len(loaded) >= 3
    assert all(name.startswith((address, "data:")) for name in loaded), loaded


def test_the_vendored_files_are_the_ones_that_were_checked() -> None:
    lines = (STATIC / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in map(str.split, lines)}
    assert set(listed) == {file.name for file in STATIC.iterdir()} - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_the_page_and_its_files_are_served_by_the_app(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    assert client.get("/static/swagger-ui-bundle.js").status_code == 200
    assert client.get("/static/../main.py").status_code == 404
