"""What has been, by the archive; and the archive, kept running."""

import socket
import sys
from collections.abc import Iterator
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path

import pytest

from api.http.archive import ArchiveKeeper, History
from connectors.clickhouse import ClickHouse, QueryServer, reader_token
from connectors.output import (
    ARCHIVE_TOKEN,
    ARCHIVE_URL,
    CLICKHOUSE,
    ArchivedDirectory,
    is_archive_in,
)
from flows.domain.errors import StoreUnreachable
from flows.live_archive import ArchiveJob, archive_live
from tests.api.http.samples import serving
from tests.flows.engine_process import wait_for
from tests.flows.live_samples import LiveEngine, run_entries, run_frames

START_NS = 1_700_000_000_000_000_000
ROUNDS = 4
ARCHIVE = (sys.executable, "-m", "tests.api.http.fake_archive")


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory whose archive answers."""
    data = tmp_path_factory.mktemp("archived") / "data"
    engine = LiveEngine(data)
    engine.journal("run-1", run_entries("run-1", START_NS, ROUNDS))
    engine.record("run-1", run_frames(START_NS, seconds=8, seed=1))
    archive_live(ArchiveJob(data, is_once=True))
    store = ClickHouse.open_embedded(data / CLICKHOUSE)
    server = QueryServer(data / CLICKHOUSE, reader_token(data / ARCHIVE_TOKEN))
    (data / ARCHIVE_URL).write_text(server.open(0) + "\n")
    try:
        yield data
    finally:
        server.close()
        store.close()


def test_trades_are_told_newest_first_with_exact_money(archived: Path) -> None:
    with serving(archived) as api:
        told = api.ask("GET", "/history/trades", "viewer").json()
        assert len(told) == ROUNDS
        assert (told[0]["symbol"], told[0]["direction"]) == ("BTCUSDT", "LONG")
        assert (told[0]["gross"], told[0]["net"]) == ("-0.25", "-0.281375")
        assert told[0]["exit_purpose"] == "stop"
        times = [trade["closed_ns"] for trade in told]
        assert times == sorted(times, reverse=True)
        page = f"/history/trades?limit=2&before_ns={times[1]}"
        assert [t["closed_ns"] for t in api.ask("GET", page, "viewer").json()] == times[
            2:
        ]


def test_trades_of_a_symbol_are_those_only(archived: Path) -> None:
    with serving(archived) as api:
        some = api.ask("GET", "/history/trades?symbol=BTCUSDT", "viewer").json()
        none = api.ask("GET", "/history/trades?symbol=ETHUSDT", "viewer").json()
        assert (len(some), none) == (ROUNDS, [])


def test_bars_are_told_oldest_first_and_only_the_newest(archived: Path) -> None:
    with serving(archived) as api:
        path = "/history/bars?symbol=BBBUSDT"
        every = api.ask("GET", path, "viewer").json()
        assert len(every) > 2
        times = [bar["at_s"] for bar in every]
        assert times == sorted(times)
        for bar in every:
            low, high = Decimal(bar["low"]), Decimal(bar["high"])
            assert low <= Decimal(bar["open"]) <= high
            assert low <= Decimal(bar["close"]) <= high
        assert api.ask("GET", f"{path}&limit=2", "viewer").json() == every[-2:]
        [whole] = api.ask("GET", f"{path}&step_s=3600", "viewer").json()
        assert (whole["open"], whole["close"]) == (every[0]["open"], every[-1]["close"])
        later = f"{path}&since_s={times[-1] + 1}"
        assert api.ask("GET", later, "viewer").json() == []


def test_equity_has_a_point_an_interval(archived: Path) -> None:
    with serving(archived) as api:
        told = api.ask("GET", "/history/equity?step_s=3600", "viewer").json()
        assert len(told) == 1
        assert Decimal(told[0]["equity"]) == Decimal("9999.718625")
        assert told[0]["at_s"] % 3_600 == 0
        later = told[0]["at_s"] + 7_200
        path = f"/history/equity?since_s={later}"
        assert api.ask("GET", path, "viewer").json() == []


def test_history_that_does_not_answer_keeps_nobody_waiting(tmp_path: Path) -> None:
    now_s = 100.0
    history = History(tmp_path, answers_within_s=1, clock=lambda: now_s)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / ARCHIVE_URL).write_text(url)
        (tmp_path / ARCHIVE_TOKEN).write_text("token")
        for _ in range(50):  # the first is waited for, the others are not
            with pytest.raises(StoreUnreachable, match="timed out"):
                history.query("SELECT 1")
        assert history.errors == 50
        assert history.loaded_entries("run-1") is None
    now_s += 2.5
    with pytest.raises(StoreUnreachable, match="refused"):
        history.query("SELECT 1")


def test_daily_adds_up_by_day_and_symbol(archived: Path) -> None:
    with serving(archived) as api:
        [row] = api.ask("GET", "/history/daily", "viewer").json()
    assert (row["day"], row["symbol"], row["trades"]) == (
        "2023-11-14",
        "BTCUSDT",
        ROUNDS,
    )
    assert Decimal(row["net"]) == ROUNDS * Decimal("-0.281375")


def test_evidence_is_weighed_from_every_closed_trade(archived: Path) -> None:
    with serving(archived) as api:
        told = api.ask("GET", "/history/evidence", "viewer").json()
        trades = api.ask("GET", "/history/trades", "viewer").json()
        none = api.ask("GET", "/history/evidence?symbol=ETHUSDT", "viewer").json()
        late = api.ask("GET", "/history/evidence?since_s=4000000000", "viewer").json()
    assert (told["trades"], told["wins"], told["win_rate"]) == (ROUNDS, 0, "0.00000000")
    for name in ("gross", "fees", "net"):
        assert Decimal(told[name]) == sum(Decimal(one[name]) for one in trades)
    band = told["win_rate_band"]
    assert Decimal(band["low"]) == 0
    assert Decimal("0.48") < Decimal(band["high"]) < Decimal("0.50")
    assert (told["mean_net"], told["profit_factor"]) == ("-0.28137500", "0.00000000")
    assert told["mean_net_band"] == {"low": "-0.28137500", "high": "-0.28137500"}
    assert Decimal(told["break_even_win_rate"]) < Decimal("0.714")  # by fees paid
    assert told["verdict"].startswith("Too few trades to tell: 4 of the 30")
    assert (none["trades"], none["win_rate"], none["net"]) == (0, None, "0")
    assert late == none


@pytest.mark.parametrize(
    "query", ["symbol=x'y", "symbol=btc", "limit=0", "before_ns=-1", "limit=x"]
)
def test_history_malformed_question_says_where(archived: Path, query: str) -> None:
    with serving(archived) as api:
        reply = api.ask("GET", f"/history/trades?{query}", "viewer")
        assert reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert reply.json()["errors"][0]["where"].startswith("query.")


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9"])
def test_history_without_an_archive_is_unavailable(
    tmp_path: Path, url: str | None
) -> None:
    if url is not None:
        (tmp_path / ARCHIVE_URL).write_text(url)
        (tmp_path / ARCHIVE_TOKEN).write_text("token")
    with serving(tmp_path) as api:
        reply = api.ask("GET", "/history/trades", "viewer")
    assert reply.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "token" not in reply.text


def test_history_archive_that_moved_is_found_again(archived: Path) -> None:
    before = (archived / ARCHIVE_URL).read_text()
    server = QueryServer(archived / CLICKHOUSE, reader_token(archived / ARCHIVE_TOKEN))
    with serving(archived) as api:
        assert len(api.ask("GET", "/history/trades", "viewer").json()) == ROUNDS
        (archived / ARCHIVE_URL).write_text(server.open(0))
        try:
            assert len(api.ask("GET", "/history/trades", "viewer").json()) == ROUNDS
        finally:
            (archived / ARCHIVE_URL).write_text(before)
            server.close()


class Kept:
    """A keeper over processes that hold a directory as an archive does."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.now_s = 1_000.0
        self.keeper = ArchiveKeeper(data, command=ARCHIVE, clock=lambda: self.now_s)

    def watch_until_there(self) -> None:
        def look() -> bool:
            self.keeper.watch()
            return is_archive_in(self.data)

        wait_for(look)

    def kill(self) -> None:
        child = self.keeper._child
        assert child is not None
        child.kill()
        child.wait()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    kept.keeper.end()


def test_watch_before_it_is_wanted_starts_nothing(kept: Kept) -> None:
    kept.keeper.watch()
    assert kept.keeper._child is None


def test_watch_archive_that_dies_is_started_again_later_and_later(kept: Kept) -> None:
    kept.keeper.begin()
    kept.watch_until_there()
    for wait_s in (2, 4, 8):
        kept.kill()
        kept.keeper.watch()
        kept.now_s += wait_s - 1
        kept.keeper.watch()
        assert kept.keeper._child is None, "not so soon"
        kept.now_s += 1
        kept.watch_until_there()
    text = (kept.data / "arguments").read_text().splitlines()
    assert text == [f"--data {kept.data} --serve 0 --plain"] * 4


def test_watch_archive_of_somebody_else_is_left_alone(kept: Kept) -> None:
    theirs = ArchivedDirectory(kept.data)
    kept.keeper.begin()
    kept.keeper.watch()
    assert kept.keeper._child is None
    theirs.release()
    kept.watch_until_there()


def test_end_archive_that_was_started_here_ends(kept: Kept) -> None:
    kept.keeper.begin()
    kept.watch_until_there()
    kept.keeper.end()
    assert not is_archive_in(kept.data)
    kept.keeper.watch()
    assert not is_archive_in(kept.data)


def test_watch_archive_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    now_s = 0.0
    missing = (str(tmp_path / "missing"),)
    keeper = ArchiveKeeper(tmp_path, command=missing, clock=lambda: now_s)
    keeper.begin()
    for _ in range(3):
        keeper.watch()
        now_s += 61.0
    assert keeper._child is None
