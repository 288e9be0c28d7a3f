"""Logging: levels, form and the documented list of events."""

import json
from pathlib import Path

import pytest
import structlog

from flows import log
from flows.domain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _restored() -> object:
    yield
    structlog.reset_defaults()


def test_configure_info_writes_json_lines_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MFT_LOG", "info")
    log.configure()
    structlog.get_logger().info("replay_started", run_id="abc")
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert out == ""
    assert (line["event"], line["run_id"], line["level"]) == (
        "replay_started",
        "abc",
        "info",
    )


def test_configure_full_disk_behind_stderr_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - see below
    monkeypatch.setattr("sys.stderr", full)
    monkeypatch.setenv("MFT_LOG", "info")
    log.configure()
    structlog.get_logger().info("replay_started", run_id="a" * 100_000)
    structlog.get_logger().info("replay_started", run_id="abc")
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_configure_default_level_is_silent_about_info(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MFT_LOG", raising=False)
    log.configure()
    structlog.get_logger().info("replay_started")
    assert capsys.readouterr().err == ""


def test_configure_unknown_level_raises_configuration_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MFT_LOG", "loud")
    with pytest.raises(ConfigurationError, match=r"MFT_LOG: expected one of .*'loud'"):
        log.configure()


def test_configure_undocumented_event_raises_value_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MFT_LOG", "info")
    log.configure()
    with pytest.raises(ValueError, match="'surprise' is not in the documented list"):
        structlog.get_logger().info("surprise")
