"""`mft doctor` as a user runs it, against the loopback exchange."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.journal import Journal
from flows.doctor import Verdict, _account
from flows.domain.event import Verb
from flows.domain.kill import KillReason, KillTripped
from flows.domain.opening import Opening
from flows.domain.run import AccountOpened, CommandHandled, JournalEntry, RunStarted
from tests.flows.replay_samples import COMMAND, ROOT, run_mft


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with subprocess.Popen(
        [*COMMAND, "exchange", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as exchange:
        assert exchange.stdout is not None
        yield exchange.stdout.readline().split()[1]
        exchange.terminate()


def doctor(data: Path, *arguments: object) -> tuple[int, dict[str, list[Any]]]:
    """Exit status, and findings by check."""
    ended = run_mft("doctor", "--data", data, "--json", *arguments)
    assert ended.stderr == ""
    found: dict[str, list[Any]] = {}
    for finding in json.loads(ended.stdout):
        found.setdefault(finding["check"], []).append(finding)
    return ended.returncode, found


def journal(data: Path, *facts: Any) -> None:
    """A journal of one run that opened its account and did `facts`."""
    data.mkdir()
    started = RunStarted(
        received_ns=1, symbol="", run_id="r", mode="paper", inputs={}, settings={}
    )
    opened = AccountOpened(received_ns=1, symbol="", opening=Opening())
    written = Journal(data / "journal.sqlite", "r")
    told = enumerate([started, opened, *facts])
    written.append([JournalEntry(number, fact) for number, fact in told])
    written.close()


def test_mft_doctor_everything_in_order_finds_nothing_to_fail(
    tmp_path: Path, url: str
) -> None:
    status, found = doctor(
        tmp_path / "data", "--exchange", url, "--set", "max_clock_skew_ms=60000"
    )
    assert status == 0
    checks = {"versions", "configuration", "disk", "ClickHouse", "account"}
    assert set(found) == checks | {
        *("recordings", "symbols", "REST", "clock", "streams"),
    }
    assert [line["found"].split(":")[0] for line in found["symbols"]] == [
        "BTCUSDT",
        "ETHUSDT",
    ]
    routes = [line["found"].split(":")[0] for line in found["streams"]]
    assert routes[:2] == ["/public", "/market"]
    assert "median" in found["REST"][0]["found"]


def test_mft_doctor_no_exchange_fails_and_checks_the_rest(tmp_path: Path) -> None:
    status, found = doctor(tmp_path / "data", "--exchange", "http://127.0.0.1:1")
    assert status == 1
    assert "cannot be reached" in found["symbols"][0]["found"]
    assert "cannot be reached" in found["exchange"][0]["found"]
    assert found["ClickHouse"][0]["verdict"] == "ok"
    assert found["account"][0]["verdict"] == "ok"


def test_mft_doctor_unusable_symbols_and_sizes_fail_with_advice(
    tmp_path: Path, url: str
) -> None:
    data = tmp_path / "data"
    status, found = doctor(data, "--exchange", url, "--symbols", "BTCUSD")
    assert status == 1
    assert "did you mean BTCUSDT" in found["symbols"][0]["found"]
    small = ("--symbols", "BTCUSDT", "--set", "order_notional=1")
    status, found = doctor(data, "--exchange", url, *small)
    assert status == 1
    assert found["symbols"][0]["advice"] == "raise order_notional, now 1"


@pytest.mark.parametrize(
    ("fact", "found", "advice"),
    [
        (
            KillTripped(
                received_ns=2, symbol="", reason=KillReason.DRAWDOWN, detail="d"
            ),
            "the kill switch is latched: drawdown",
            "then: mft reset",
        ),
        (
            CommandHandled(
                received_ns=2,
                symbol="",
                verb=Verb.PAUSE,
                operator="o",
                reason="r",
                is_accepted=True,
            ),
            "flat, and paused",
            "resume",
        ),
    ],
)
def test_mft_doctor_stopped_account_warns(
    tmp_path: Path, fact: Any, found: str, advice: str
) -> None:
    data = tmp_path / "data"
    journal(data, fact)
    _, lines = doctor(data, "--exchange", "http://127.0.0.1:1")
    [account] = lines["account"]
    assert account["verdict"] == "warn"
    assert account["found"] == found
    assert advice in account["advice"]


def test_mft_doctor_damaged_certificate_and_full_disk_warn(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "recording").mkdir(parents=True)
    (data / "recording" / "20260101T000000.000000000Z.jsonl.zst").write_bytes(b"x")
    status, found = doctor(
        *(data, "--exchange", "http://127.0.0.1:1", "--record-gib", 1_000_000)
    )
    assert status == 1
    assert "1 incomplete" in found["recordings"][0]["found"]
    assert found["disk"][0]["verdict"] == "warn"


def test_mft_doctor_unknown_setting_is_a_plain_sentence(tmp_path: Path) -> None:
    ended = run_mft("doctor", "--data", tmp_path, "--set", "capitol=1")
    assert ended.returncode == 2
    assert "did you mean capital" in ended.stderr


def test_examine_kill_latch_without_a_journal_warns(tmp_path: Path) -> None:
    (tmp_path / "KILLED").touch()
    finding = _account(tmp_path)
    assert finding.verdict is Verdict.WARN
    assert finding.found == "the kill switch is latched: command"
