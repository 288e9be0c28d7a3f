"""Alert rules, and every PromQL on a Prometheus that scraped a real run."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from dashboards.grafana.__main__ import texts
from tests.dashboards.desk import Desk, desk_in
from tests.dashboards.macros import queries
from tests.flows.engine_process import Running, free_port, wait_for
from tests.flows.replay_samples import ROOT

PLACE = ROOT / "dashboards" / "prometheus"
ALERTS = (PLACE / "alerts.yaml").read_text(encoding="utf-8")
DASHBOARDS: dict[str, Any] = {name: json.loads(text) for name, text in texts().items()}
PANELS = dict(queries(DASHBOARDS, "expr"))
RULES = dict(re.findall(r"- alert: (\w+)\n\s+expr: '(.*)'", ALERTS))
DOCS = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def needed(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip("needs Prometheus: sudo apt-get install prometheus")
    return path


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [needed("promtool"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def anchors(markdown: str) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", markdown)
    return {re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in headings}


def test_alerts_pass_promtool_and_their_own_tests() -> None:
    checked = promtool("check", "rules", str(PLACE / "alerts.yaml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", str(PLACE / "alerts.test.yaml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_alerts_each_is_tested_documented_and_has_its_runbook() -> None:
    assert len(RULES) == ALERTS.count("- alert: ")
    tests = (PLACE / "alerts.test.yaml").read_text(encoding="utf-8")
    links = re.findall(r"runbook_url: docs/runbook.md#([\w-]+)", ALERTS)
    assert len(links) == len(RULES)
    assert set(links) <= anchors(RUNBOOK)
    for name in RULES:
        assert f"name: {name} fires" in tests
        assert f"name: {name} stays quiet" in tests
        assert f"`{name}`" in DOCS


Ask = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Ask]]:
    """An engine that has traded, and a Prometheus that watched it."""
    program = needed("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    with desk_in(folder / "data", "BTCUSDT,ETHUSDT") as desk:
        config = (PLACE / "prometheus.yaml").read_text(encoding="utf-8")
        config = config.replace("127.0.0.1:8080", f"127.0.0.1:{desk.port}")
        config = config.replace("scrape_interval: 5s", "scrape_interval: 500ms")
        (folder / "prometheus.yaml").write_text(config)
        (folder / "alerts.yaml").write_text(ALERTS)
        (folder / "viewer.token").write_text(desk.tokens["viewer"])
        port = free_port()
        running = Running(
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
            command=(program,),
        )

        def ask(path: str) -> dict[str, Any]:
            url = f"http://127.0.0.1:{port}{path}"
            with urlopen(url, timeout=10) as reply:
                told: dict[str, Any] = json.load(reply)
            return told

        def has_seen(expression: str) -> bool:
            try:
                return bool(evaluated(ask, expression))
            except OSError:
                return False

        try:
            wait_for(lambda: has_seen("rate(mft_fills_total[5m]) > 0"))
            wait_for(lambda: has_seen("increase(mft_refused_total[5m])"))
            wait_for(lambda: has_seen("mft_archive_lag_entries"))
            yield desk, ask
        finally:
            running.end()


def evaluated(ask: Ask, expression: str) -> list[Any]:
    """The rows of an expression now."""
    told = ask("/api/v1/query?" + urlencode({"query": expression}))
    assert told["status"] == "success", told
    rows: list[Any] = told["data"]["result"]
    return rows


@pytest.mark.parametrize("panel", PANELS)
def test_panel_promql_returns_rows(panel: str, scraped: tuple[Desk, Ask]) -> None:
    _, ask = scraped
    assert evaluated(ask, PANELS[panel]), panel


@pytest.mark.parametrize("name", RULES)
def test_alert_expression_finds_its_metrics(
    name: str, scraped: tuple[Desk, Ask]
) -> None:
    _, ask = scraped
    evaluated(ask, RULES[name])
    without_limit = re.sub(r" (==|>) [\d.]+", "", RULES[name])
    assert evaluated(ask, without_limit), "it compares what is not there"


def test_prometheus_has_no_problem_with_rules_or_scrapes(
    scraped: tuple[Desk, Ask],
) -> None:
    _, ask = scraped
    [target] = ask("/api/v1/targets")["data"]["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    wait_for(
        lambda: all(
            rule["health"] == "ok"
            for group in ask("/api/v1/rules")["data"]["groups"]
            for rule in group["rules"]
        )
    )
    names = {
        one["labels"]["alertname"] for one in ask("/api/v1/alerts")["data"]["alerts"]
    }
    assert names <= {"MftBookNotSynced", "MftDecisionsSlow", "MftOrdersSlow"}


def test_frozen_engine_is_seen_as_one_that_runs_and_is_silent(
    scraped: tuple[Desk, Ask],
) -> None:
    desk, ask = scraped
    [engine] = desk.pids_of(b"trade")
    os.kill(engine, signal.SIGSTOP)
    try:
        wait_for(lambda: evaluated(ask, RULES["MftEngineSilent"]))
        assert evaluated(ask, "mft_killed == 0")
    finally:
        os.kill(engine, signal.SIGCONT)
    wait_for(lambda: evaluated(ask, "mft_engine_answers == 1"))
    assert not evaluated(ask, RULES["MftEngineSilent"])


def test_monitoring_lists_every_metric_that_is_exposed(
    scraped: tuple[Desk, Ask],
) -> None:
    _, ask = scraped
    exposed = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in ask("/api/v1/label/__name__/values")["data"]
        if name.startswith("mft_") and not name.endswith("_created")
    }
    assert set(re.findall(r"(?m)^\| `(mft_\w+)`", DOCS)) == exposed
