"""What the engine runs with, told without its secrets."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.http.supervisor import PLAN
from connectors.binance.signing import KEY_VARIABLE, SECRET_VARIABLE
from connectors.journal import Journal
from connectors.output import JOURNAL
from flows.settings import Settings
from tests.api.http.samples import serving
from tests.flows.archive_samples import journal_entries


def told_in(data: Path, *arguments: str) -> dict[str, Any]:
    plan = {"arguments": list(arguments), "is_wanted": False}
    (data / PLAN).write_text(json.dumps(plan))
    with serving(data) as api:
        reply = api.ask("GET", "/config", "viewer")
    told: dict[str, Any] = reply.json()
    return told | {"text": reply.text}


def setting(told: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [one for one in told["settings"] if one["name"] == name]
    return dict(found)


def test_config_tells_every_setting_with_default_and_meaning(tmp_path: Path) -> None:
    told = told_in(tmp_path, "--set", "target_bps=40")
    assert {one["name"] for one in told["settings"]} == set(Settings.model_fields)
    assert all(one["description"] for one in told["settings"])
    target = setting(told, "target_bps")
    assert (target["value"], target["default"]) == ("40", "20")
    assert (target["running"], told["run_id"]) == (None, None)
    assert setting(told, "buy_above")["value"] == "3.0"


def test_config_tells_what_the_last_run_had(tmp_path: Path) -> None:
    journal = Journal(tmp_path / JOURNAL, "run-1")
    journal.append(journal_entries(1))
    journal.close()
    told = told_in(tmp_path)
    assert told["run_id"] == "run-1"
    assert setting(told, "capital")["running"] == "10000"
    assert setting(told, "target_bps")["running"] is None


def test_config_reads_the_file_of_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("stop_bps = 12.5\n")
    told = told_in(tmp_path, "--config", str(file), "--symbols", "BTCUSDT")
    assert setting(told, "stop_bps")["value"] == "12.5"
    assert told["arguments"] == ["--config", str(file), "--symbols", "BTCUSDT"]


def test_config_never_tells_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "key-of-mine")
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    told = told_in(tmp_path, "--exchange", "http://ann:hush@127.0.0.1:1/x")
    assert told["secrets"][KEY_VARIABLE] == "set"
    assert told["secrets"][SECRET_VARIABLE] == "not set"
    assert told["arguments"][1] == "http://***@127.0.0.1:1/x"
    assert "key-of-mine" not in told["text"]
    assert "hush" not in told["text"]


def test_config_that_cannot_be_read_is_a_problem_in_words(tmp_path: Path) -> None:
    told = told_in(tmp_path, "--set", "target_bps=none")
    assert "Setting target_bps (--set)" in told["detail"]
