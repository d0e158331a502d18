"""What is deployed beside the service speaks of what the service says: metrics, labels, outcomes, addresses, files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app import traffic
from app.main import create_app
from app.metrics import ANSWERED
from app.protocols.statuses import STATUSES
from app.settings import Settings
from app.traffic import Traffic
from tests.conftest import MODELS, challenged
from tests.test_native import IRIS
from tests.waiting import until

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
ALERTS = [rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/servefn.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [rule["expr"] for rule in ALERTS] + [one["expr"] for panel in PANELS for one in panel["targets"]]

WORDS = {"by", "on", "group_left", "and", "or", "unless", "without", "ignoring", "group_right", "bool", "offset"}
ELSEWHERE = {"instance", "job", "le"}
"""Labels that Prometheus and its client add."""


@pytest.fixture(scope="module")
def exposed(rival: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """The name of every series that a service in use exposes, with its labels."""
    models = challenged(shutil.copytree(MODELS, tmp_path_factory.mktemp("deployed") / "models"), rival)
    traffic.save(models / "iris", Traffic(shadow={"challenger": 1.0}))
    with TestClient(create_app(Settings(models=models))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        client.post("/models/iris/predict", json={"instances": [IRIS]})
        until(lambda: "servefn_feature_psi{" in client.get("/metrics").text)
        families = list(text_string_to_metric_families(client.get("/metrics").text))
    return {sample.name: set(sample.labels) for family in families for sample in family.samples} | {"up": set()}


def selectors(query: str) -> Iterator[tuple[str, set[str]]]:
    """The series that a query names, each with the labels that it is selected by."""
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", query)
    for name, selected in re.findall(r"(?<![\w\"$.])([a-z_:][\w:]*)(?!\w*\s*\()(\{[^}]*\})?", _quiet(bare)):
        if name not in WORDS:
            yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selected))


def _quiet(query: str) -> str:
    """The query without its strings and durations."""
    return re.sub(r"\[[^]]*\]", "", re.sub(r'"[^"]*"', '""', query))


def test_the_test_reads_queries_as_prometheus_does() -> None:
    query = 'sum by (a) (rate(x_total{b="c d", e=~"f|"}[5m])) / on (g) y == 1 and histogram_quantile(0.9, z_bucket) > 2'
    assert dict(selectors(query)) == {"x_total": {"b", "e"}, "y": set(), "z_bucket": set()}


@pytest.mark.parametrize("query", QUERIES)
def test_every_series_and_label_is_one_that_the_service_exposes(query: str, exposed: Mapping[str, set[str]]) -> None:
    named = dict(selectors(query))
    assert named, "a query of nothing"
    for name, labels in named.items():
        assert name in exposed
        assert labels <= exposed[name] | ELSEWHERE
    grouped = {label.strip() for found in re.findall(r"\bby \(([^)]*)\)", query) for label in found.split(",")}
    assert grouped <= set().union(*(exposed[name] for name in named)) | ELSEWHERE


@pytest.mark.parametrize("query", QUERIES)
def test_every_outcome_is_one_that_there_is(query: str) -> None:
    named = {one for found in re.findall(r'outcome=~?"([^"]*)"', query) for one in found.split("|")}
    assert named <= {error.code for error in STATUSES} | {ANSWERED, "sampled", "dropped"}


def test_all_that_is_exposed_is_looked_at_somewhere(exposed: Mapping[str, set[str]]) -> None:
    looked_at = {name for query in QUERIES for name, _ in selectors(query)}
    ours = {re.sub(r"_(bucket|count|sum)$", "_bucket", name) for name in exposed if name.startswith("servefn_")}
    assert ours == {name for name in looked_at if name.startswith("servefn_")}


def test_the_rules_are_whole() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS) >= 8
    for rule in ALERTS:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["labels"]["severity"] in ("page", "ticket")
        told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        kept = set(re.findall(r"\w+", (re.search(r"\bby \(([^)]*)\)", rule["expr"]) or [""])[0])) - {"by"}
        assert told <= (kept or ELSEWHERE), "a label that the expression does not keep"


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert {one["datasource"]["uid"] for panel in PANELS for one in panel["targets"]} == {sources[0]["uid"]}
    variables = {f"${one['name']}" for one in DASHBOARD["templating"]["list"]} | {"$__rate_interval"}
    assert {name for query in QUERIES for name in re.findall(r"\$\w+", query) if name != "$labels"} <= variables
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24


def mounts(service: Mapping[str, Any]) -> dict[str, Path]:
    """Path in the container -> file here."""
    pairs = (one.split(":")[:2] for one in service.get("volumes", []) if one.startswith("./"))
    return {target: ROOT / source for source, target in pairs}


def test_what_is_mounted_is_there_and_where_it_is_looked_for() -> None:
    assert all(path.exists() for service in COMPOSE.values() for path in mounts(service).values())
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert {*prometheus["rule_files"], "/etc/prometheus/prometheus.yml"} == set(mounts(COMPOSE["prometheus"]))
    boards = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/servefn.yml").read_text())["providers"]
    home = COMPOSE["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    directory = boards[0]["options"]["path"]
    assert (
        mounts(COMPOSE["grafana"])[directory] / Path(home).relative_to(directory)
        == DEPLOY / "grafana/dashboards/servefn.json"
    )


def test_every_name_is_a_service_in_the_same_profile_and_every_volume_is_declared() -> None:
    whole = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    (scraped,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert source["url"] == "http://prometheus:9090"
    assert scraped["dns_sd_configs"][0]["names"] == ["api"]
    assert str(scraped["dns_sd_configs"][0]["port"]) in COMPOSE["api"]["expose"]
    assert COMPOSE["grafana"]["profiles"] == COMPOSE["prometheus"]["profiles"] == ["monitoring"]
    named = {
        one.split(":")[0] for service in COMPOSE.values() for one in service.get("volumes", []) if one[0] not in "./"
    }
    assert named == set(whole["volumes"])


def test_what_is_published_beside_the_balancer_is_for_this_machine_alone() -> None:
    ports = {port for name, service in COMPOSE.items() if name != "nginx" for port in service.get("ports", [])}
    assert all(port.startswith("127.0.0.1:") for port in ports)
