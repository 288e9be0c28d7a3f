"""The watchdog: when it acts, and what it leaves alone."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, cast

import msgspec
import pytest

from connectors.binance.account_client import AccountClient
from connectors.binance.venue_kill import Flat
from connectors.journal import Journal
from connectors.kill_latch import Latch, read_latch, write_latch
from connectors.output import JOURNAL, KILL_LATCH, DataDirectory
from flows import watchdog
from flows.domain.errors import MarketDataError
from flows.domain.kill import KillReason
from flows.domain.run import JournalEntry
from flows.domain.units import NS_PER_MS, NS_PER_S
from flows.heartbeat import Beat, Farewell, Introduction, Line
from flows.watchdog import (
    COUNTDOWN_MS,
    COUNTDOWN_PATH,
    MISSING_NS,
    Countdown,
    Pulse,
    Watchdog,
    leave_latch,
)
from tests.connectors.binance.fake_account import FakeAccount, refused
from tests.flows.archive_samples import journal_entries

LATCH = Latch(5, KillReason.WATCHDOG, "the engine hangs", "watchdog")


def look(pulse: Pulse, from_ns: int, to_ns: int) -> list[int]:
    """When the engine was found missing, looking every 100 ms."""
    step = 100 * NS_PER_MS
    return [now for now in range(from_ns, to_ns, step) if pulse.is_missed(now)]


def test_pulse_engine_that_beats_is_never_missed() -> None:
    pulse = Pulse(0)
    for second in range(1, 100):
        pulse.beat(second * NS_PER_S)
        found = look(pulse, second * NS_PER_S, (second + 1) * NS_PER_S)
        assert found == []


def test_pulse_engine_that_stops_is_missed_once_until_it_beats_again() -> None:
    pulse = Pulse(0)
    assert look(pulse, 0, 60 * NS_PER_S) == [MISSING_NS]
    pulse.beat(60 * NS_PER_S)
    found = look(pulse, 60 * NS_PER_S, 90 * NS_PER_S)
    assert found == [60 * NS_PER_S + MISSING_NS]


def test_pulse_watchdog_that_was_away_gives_the_engine_its_time_anew() -> None:
    pulse = Pulse(0)
    away_ns = 3_600 * NS_PER_S
    assert look(pulse, away_ns, away_ns + 60 * NS_PER_S) == [away_ns + MISSING_NS]


def test_left_ns_counts_from_the_last_beat_and_ends_at_zero() -> None:
    pulse = Pulse(0)
    pulse.beat(NS_PER_S)
    assert pulse.left_ns(2 * NS_PER_S) == MISSING_NS - NS_PER_S
    assert pulse.left_ns(10 * NS_PER_S) == 0


def test_countdown_covers_symbols_while_an_entry_is_in_flight() -> None:
    account = FakeAccount()
    countdown = Countdown(cast(AccountClient, account))

    async def run() -> None:
        await countdown.cover(["A"], 0)
        await countdown.cover(["A"], NS_PER_S)
        await countdown.cover(["A", "B"], 4 * NS_PER_S)
        await countdown.cover(["B"], 5 * NS_PER_S)
        await countdown.cover([], 6 * NS_PER_S)

    asyncio.run(run())
    set_to = [(p["symbol"], int(p["countdownTime"])) for _, _, p in account.calls]
    assert set_to == [
        ("A", COUNTDOWN_MS),
        ("A", COUNTDOWN_MS),
        ("B", COUNTDOWN_MS),
        ("A", 0),
        ("B", 0),
    ]


def test_countdown_that_cannot_be_set_stops_nobody() -> None:
    account = FakeAccount()
    account.troubles = {COUNTDOWN_PATH: [refused(503), MarketDataError("cut")]}
    countdown = Countdown(cast(AccountClient, account))
    asyncio.run(countdown.cover(["A", "B"], 0))
    assert len(account.asked(COUNTDOWN_PATH)) == 2


def test_leave_latch_puts_it_in_place(tmp_path: Path) -> None:
    assert asyncio.run(leave_latch(tmp_path / "KILLED", LATCH)) == ""
    assert read_latch(tmp_path / "KILLED", 0) == LATCH


def test_leave_latch_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    problem = asyncio.run(leave_latch(tmp_path / "missing" / "KILLED", LATCH))
    assert "cannot be written" in problem


def test_leave_latch_on_a_disk_that_hangs_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = Event()

    def hang(path: Path, latch: Latch) -> None:
        is_over.wait(30)
        write_latch(path, latch)

    monkeypatch.setattr(watchdog, "write_latch", hang)

    async def run() -> str:
        problem = await leave_latch(tmp_path / "KILLED", LATCH)
        is_over.set()
        return problem

    assert "still being written" in asyncio.run(run())


# A whole watch -----------------------------------------------------------------------


class Watch:
    """A watchdog whose pipe a test writes; it counts a missing engine after 100 ms."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data = data
        self.kills = 0
        self.account = FakeAccount()
        monkeypatch.setattr(watchdog, "MISSING_NS", 100 * NS_PER_MS)
        monkeypatch.setattr(watchdog, "flatten", self._flatten)
        monkeypatch.setenv("MFT_BINANCE_KEY", "key")
        monkeypatch.setenv("MFT_BINANCE_SECRET", "secret")

    async def _flatten(self, *_arguments: object, **_options: Any) -> Flat:
        self.kills += 1
        return Flat(True, 0, 1)

    def run(self, *acts: Line | float | Callable[[], object]) -> None:
        """Write lines, wait so many seconds or do something, then end the pipe."""

        async def watch() -> None:
            lines = asyncio.StreamReader()
            introduction = Introduction(str(self.data), "loopback", "http://127.0.0.1")
            client = cast(AccountClient, self.account)
            watching = asyncio.create_task(Watchdog(introduction, client, lines).run())
            for act in acts:
                if isinstance(act, float):
                    await asyncio.sleep(act)
                elif isinstance(act, Beat | Farewell | Introduction):
                    lines.feed_data(msgspec.json.encode(act) + b"\n")
                    await asyncio.sleep(0)
                else:
                    act()
            lines.feed_eof()
            await watching

        asyncio.run(watch())

    def leave_journal(self, entries: list[JournalEntry]) -> None:
        """What the engine has journalled."""
        journal = Journal(self.data / JOURNAL, "20260101T000000000-aaaaaaaa")
        journal.append(entries)
        journal.close()

    @property
    def latch(self) -> Latch | None:
        return read_latch(self.data / "KILLED", 0)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(tmp_path, monkeypatch)


def test_run_engine_that_says_farewell_is_left_alone(watch: Watch) -> None:
    watch.run(Beat(), Farewell())
    assert (watch.kills, watch.latch) == (0, None)


def test_run_engine_that_died_is_latched_and_flattened(watch: Watch) -> None:
    watch.run(Beat())
    assert watch.kills == 1
    assert watch.latch is not None
    assert watch.latch.reason is KillReason.WATCHDOG
    assert watch.latch.detail == "the engine has died"


def test_run_engine_that_died_and_was_followed_is_left_to_its_successor(
    watch: Watch,
) -> None:
    successor = DataDirectory(watch.data)
    watch.run(Beat())
    successor.release()
    assert (watch.kills, watch.latch) == (0, None)


def test_run_engine_whose_successor_has_ended_in_order_is_left_alone(
    watch: Watch,
) -> None:
    watch.leave_journal(journal_entries(1))
    watch.run(Beat())
    assert (watch.kills, watch.latch) == (0, None)


def test_run_engine_that_ended_in_order_while_killed_is_flattened_all_the_same(
    watch: Watch,
) -> None:
    watch.leave_journal(journal_entries(1))
    latch = Latch(1, KillReason.COMMAND, "", "ann")
    write_latch(watch.data / KILL_LATCH, latch)
    watch.run(Beat())
    assert watch.kills == 1


def test_run_engine_whose_journal_has_no_end_is_flattened(watch: Watch) -> None:
    watch.leave_journal(journal_entries(1)[:-1])
    watch.run(Beat())
    assert watch.kills == 1


def test_run_engine_that_hangs_is_killed_once_and_heard_when_it_goes_on(
    watch: Watch,
) -> None:
    watch.run(Beat(), 0.6, Beat(), Farewell())
    assert watch.kills == 1
    assert watch.latch is not None
    assert watch.latch.detail == "the engine hangs"


def test_run_entry_in_flight_is_covered_by_the_exchange_s_own_countdown(
    watch: Watch,
) -> None:
    watch.run(Beat(("A",)), Beat(), Farewell())
    set_to = [p["countdownTime"] for p in watch.account.asked(COUNTDOWN_PATH)]
    assert set_to == [str(COUNTDOWN_MS), "0"]


def test_run_latch_that_cannot_be_written_stops_no_kill(watch: Watch) -> None:
    (watch.data / "KILLED").mkdir()
    (watch.data / "KILLED" / "in the way").touch()
    watch.run(Beat())
    assert watch.kills == 1
