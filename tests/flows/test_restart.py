"""What `mft trade` finds in its journal when it begins again."""

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from connectors.journal import Journal
from flows.domain.errors import ConfigurationError, StoreError
from flows.domain.event import AccountOpening, Verb
from flows.domain.opening import Opening
from flows.domain.run import (
    AccountOpened,
    CommandHandled,
    JournalEntry,
    Journalled,
    RunStarted,
)
from flows.domain.side import Side
from flows.restart import read_opening, succeed
from tests.domain.scene import STARTED, Scene, entry_order, fill_of

OPENED = AccountOpened(received_ns=1, symbol="", opening=Opening(cash=Decimal(7)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def write(path: Path, run_id: str, facts: Sequence[Journalled]) -> None:
    journal = Journal(path, run_id)
    journal.append([JournalEntry(i, fact) for i, fact in enumerate(facts)])
    journal.close()


def spoil(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as other:
        other.execute(statement)
    other.close()


def paused(at: int, *, is_paused: bool) -> CommandHandled:
    return CommandHandled(
        received_ns=at,
        symbol="",
        verb=Verb.PAUSE if is_paused else Verb.RESUME,
        operator="ann",
        reason="drill",
        is_accepted=True,
    )


def test_read_opening_no_journal_is_a_fresh_account(path: Path) -> None:
    assert read_opening(path) == Opening()
    assert not path.exists()


def test_read_opening_writer_killed_before_its_table_is_a_fresh_account(
    path: Path,
) -> None:
    path.touch()
    assert read_opening(path) == Opening()


def test_read_opening_only_runs_without_a_beginning_is_a_fresh_account(
    path: Path,
) -> None:
    write(path, "run-1", [STARTED])
    write(path, "run-2", [])
    assert read_opening(path) == Opening()


def test_read_opening_last_run_killed_before_its_opening_takes_the_one_before(
    path: Path,
) -> None:
    write(path, "run-1", [STARTED])
    write(path, "run-2", [STARTED, OPENED])
    write(path, "run-3", [STARTED])
    assert read_opening(path) == OPENED.opening


def test_read_opening_several_runs_goes_on_from_the_last(path: Path) -> None:
    later = AccountOpened(received_ns=2, symbol="", opening=Opening(cash=Decimal(9)))
    write(path, "run-2", [STARTED, later])
    write(path, "run-1", [STARTED, OPENED])
    assert read_opening(path) == later.opening


def test_read_opening_run_longer_than_one_read_is_read_to_its_end(path: Path) -> None:
    facts: list[Journalled] = [STARTED, OPENED]
    facts += [paused(at, is_paused=False) for at in range(2, 10_001)]
    facts.append(paused(10_001, is_paused=True))
    write(path, "run-1", facts)
    assert read_opening(path).is_paused


def test_read_opening_three_runs_of_an_account_goes_on_with_each(path: Path) -> None:
    equities = []
    now_ns = 0
    for number in range(1, 4):
        scene = Scene()
        scene.now_ns = max(scene.now_ns, now_ns)
        scene.feed(AccountOpening(scene.now_ns, read_opening(path)))
        scene.enter(Side.BUY)
        scene.wait(1_000).tight("99.00", "99.01")
        scene.wait(20).tight("99.00", "99.01")
        scene.tick()
        equities.append(scene.account.ledger.curve.equity)
        write(path, f"run-{number}", [entry.fact for entry in scene.entries])
        now_ns = scene.wait(5_000).now_ns
    lost = 10_000 - equities[0]
    assert lost > 0
    assert equities == [10_000 - lost, 10_000 - 2 * lost, 10_000 - 3 * lost]
    opening = read_opening(path)
    assert opening.pnl == opening.cash - opening.fees == -3 * lost
    assert opening.max_drawdown == 3 * lost


def test_read_opening_unreadable_entry_is_a_store_error_that_names_it(
    path: Path,
) -> None:
    write(path, "run-1", [STARTED, OPENED, paused(2, is_paused=True)])
    spoil(path, 'UPDATE events SET body = \'{"kind": "fill"}\' WHERE sequence = 2')
    expected = r"journal.sqlite: run run-1 .*entry 2 \(command_handled\) cannot be read"
    with pytest.raises(StoreError, match=expected):
        read_opening(path)


def test_read_opening_entry_that_is_no_text_is_a_store_error(path: Path) -> None:
    write(path, "run-1", [STARTED])
    spoil(path, "UPDATE events SET body = x'7b22ff'")
    with pytest.raises(StoreError, match=r"entry 0 \(run_started\) cannot be read"):
        read_opening(path)


def test_read_opening_contradiction_is_a_store_error_that_names_the_run(
    path: Path,
) -> None:
    write(path, "run-1", [STARTED, OPENED])
    write(path, "run-2", [STARTED, OPENED, fill_of(entry_order(), "100", "1")])
    with pytest.raises(StoreError, match=r"journal.sqlite: run run-2 .*never sent"):
        read_opening(path)


def test_read_opening_file_that_is_no_journal_is_a_store_error(path: Path) -> None:
    path.write_bytes(b"this is a letter, not a journal" * 40)
    with pytest.raises(StoreError, match=r"journal.sqlite: the journal failed"):
        read_opening(path)


def test_read_opening_journal_is_open_to_the_next_writer(path: Path) -> None:
    started: RunStarted = STARTED
    write(path, "run-1", [started, OPENED])
    read_opening(path)
    write(path, "run-2", [started, OPENED, paused(3, is_paused=True)])
    assert read_opening(path).is_paused


def started_as(run_id: str, **inputs: str) -> RunStarted:
    told = {"exchange": "https://one", "symbols": "AAAUSDT", **inputs}
    return msgspec.structs.replace(STARTED, run_id=run_id, inputs=told)


def test_succeed_no_journal_is_a_fresh_account(path: Path) -> None:
    assert succeed(path, started_as("run-1"), ["AAAUSDT"]) == Opening()


def test_succeed_same_exchange_goes_on(path: Path) -> None:
    write(path, "run-1", [started_as("run-1"), OPENED])
    assert succeed(path, started_as("run-2"), ["BBBUSDT"]) == OPENED.opening


def test_succeed_other_exchange_is_refused(path: Path) -> None:
    write(path, "run-1", [started_as("run-1"), OPENED])
    other = started_as("run-2", exchange="https://two")
    with pytest.raises(ConfigurationError, match=r"https://one .*not https://two"):
        succeed(path, other, ["AAAUSDT"])


def test_succeed_other_mode_is_refused(path: Path) -> None:
    write(path, "run-1", [started_as("run-1"), OPENED])
    other = msgspec.structs.replace(started_as("run-2"), mode="demo")
    with pytest.raises(ConfigurationError, match=r"choose another --data"):
        succeed(path, other, ["AAAUSDT"])


@pytest.mark.parametrize("run_id", ["run-1", "run-0"])
def test_succeed_run_that_sorts_before_the_last_is_refused(
    path: Path, run_id: str
) -> None:
    write(path, "run-1", [started_as("run-1"), OPENED])
    with pytest.raises(ConfigurationError, match="began later than now"):
        succeed(path, started_as(run_id), ["AAAUSDT"])


def test_succeed_held_symbol_that_is_not_followed_is_refused(path: Path) -> None:
    scene = Scene()
    scene.feed(AccountOpening(scene.now_ns, Opening()))
    scene.enter(Side.BUY)
    facts = [entry.fact for entry in scene.entries]
    write(path, "run-1", [started_as("run-1"), *facts[1:]])
    with pytest.raises(ConfigurationError, match="holds AAAUSDT: add it to --symbols"):
        succeed(path, started_as("run-2"), ["BBBUSDT"])
    opening = succeed(path, started_as("run-2"), ["BBBUSDT", "AAAUSDT"])
    assert [held.symbol for held in opening.positions] == ["AAAUSDT"]
