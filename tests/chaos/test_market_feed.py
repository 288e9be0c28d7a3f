"""The market feed under every fault of the exchange, on virtual time.

`make chaos` runs all scenarios; otherwise a twentieth of them, chosen by their seeds.
"""

import os
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from connectors.exchange.fault import FRAME_KINDS, MARKET_KINDS, USER_KINDS, Fault, Kind
from connectors.exchange.recorded_tape import RecordedTape
from connectors.exchange.scenario import random_faults
from connectors.recorder import Recorder
from flows.domain.run import JournalEntry
from flows.domain.symbol_book import BookState
from flows.domain.units import NS_PER_S
from flows.replay import ReplayJob, replay
from flows.settings import Settings
from tests.chaos.market import START_NS, MarketRun
from tests.flows.replay_samples import journal_of
from tests.recordings import CLIP, recorded

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
IS_WHOLE = os.environ.get("MFT_CHAOS") == "all"
SCENARIOS = range(0, 200, 1 if IS_WHOLE else 20)
PAPER_RUNS = range(0, 20, 1 if IS_WHOLE else 10)
FAULTS = 30
RUN_S = 600
CALM_S = 80
LONGEST_FAULT_NS = 22 * NS_PER_S
"""The longest ban that a scenario draws; requests answered by it wait it out."""
RECOVERY_NS = 15 * NS_PER_S
"""Backoff, bridging and the retries that the weight budget allows, after a fault."""


def _explains(fault: Fault, symbol: str, moment_ns: int) -> bool:
    """Whether a fault may have cost `symbol` its book at a moment."""
    if fault.symbol not in {"", symbol} and fault.kind in FRAME_KINDS | {Kind.DEAF}:
        return False
    begun_ns = START_NS + fault.at_ms * 1_000_000
    return begun_ns <= moment_ns <= begun_ns + LONGEST_FAULT_NS + RECOVERY_NS


@pytest.mark.untraced
@pytest.mark.parametrize("seed", SCENARIOS)
def test_market_feed_under_random_faults_is_true_or_not_synced(seed: int) -> None:
    over_ms = (RUN_S - CALM_S) * 1_000
    faults = random_faults(
        SYMBOLS, seed=seed, count=FAULTS, over_ms=over_ms, kinds=MARKET_KINDS
    )
    run = MarketRun(SYMBOLS, faults, seed)
    run.run(RUN_S)
    run.finish()
    assert run.wrong == []
    assert run.checked > 5_000
    assert run.compared_whole >= len(SYMBOLS)
    assert sum(run.venue.desk.done.values()) >= FAULTS // 2
    states = {symbol: book.state for symbol, book in run.books.by_symbol.items()}
    assert states == dict.fromkeys(SYMBOLS, BookState.SYNCED)
    for symbol, begun_ns, ended_ns in run.outages():
        assert any(_explains(fault, symbol, begun_ns) for fault in faults)
        assert ended_ns - begun_ns <= 2 * LONGEST_FAULT_NS + RECOVERY_NS
    counts = [book.counts for book in run.books.by_symbol.values()]
    for count in counts:
        told = count.applied + count.stale + count.duplicates + count.gaps
        assert count.depth_events == told + count.waiting


@pytest.mark.parametrize("kind", sorted(FRAME_KINDS - USER_KINDS, key=str))
def test_market_feed_fault_on_one_symbol_leaves_the_others_synced(kind: Kind) -> None:
    several = [
        Fault(kind, at_ms=at, symbol="BTCUSDT", count=3, for_ms=8_000)
        for at in range(5_000, 60_000, 15_000)
    ]
    run = MarketRun(SYMBOLS, several, seed=5)
    run.run(75)
    run.finish()
    assert run.wrong == []
    assert run.venue.desk.done[kind.value] >= len(several)
    others = [change for change in run.states if change.symbol != "BTCUSDT"]
    assert [change.after for change in others].count(BookState.SYNCED) == 2
    assert all(change.before is not BookState.SYNCED for change in others)
    assert run.books.by_symbol["BTCUSDT"].state is BookState.SYNCED


@pytest.mark.parametrize("route", ["public", "market", ""])
def test_market_feed_announced_shutdown_moves_over_without_losing_a_book(
    route: str,
) -> None:
    fault = Fault(Kind.SERVER_SHUTDOWN, at_ms=10_000, route=route, delay_ms=5_000)
    run = MarketRun(SYMBOLS, [fault], seed=6)
    run.run(30)
    run.finish()
    assert run.wrong == []
    assert run.outages() == []
    assert run.venue.desk.done["server_shutdown"]
    assert sum(lane.rollovers for lane in run.feed.lanes) >= 1
    assert all(book.counts.gaps == 0 for book in run.books.by_symbol.values())


def test_market_feed_gap_is_bridged_within_a_second() -> None:
    faults = [
        Fault(Kind.GAP, at_ms=at, symbol="ETHUSDT")
        for at in range(5_000, 50_000, 5_000)
    ]
    run = MarketRun(SYMBOLS, faults, seed=8)
    run.run(60)
    outages = run.outages()
    assert len(outages) == len(faults)
    assert max(ended - begun for _, begun, ended in outages) <= NS_PER_S
    assert {symbol for symbol, _, _ in outages} == {"ETHUSDT"}


def test_market_feed_banned_asks_for_nothing_until_the_ban_is_over() -> None:
    ban = Fault(Kind.BAN, at_ms=4_000, for_ms=20_000, retry_after_s=20)
    gap = Fault(Kind.GAP, at_ms=5_000, symbol="BTCUSDT")
    run = MarketRun(SYMBOLS, [ban, gap], seed=9)
    run.run(12)
    asked = run.venue.requests
    run.run(10)
    assert run.venue.requests == asked
    assert run.streams["report"] == 1
    run.run(10)
    assert run.books.by_symbol["BTCUSDT"].state is BookState.SYNCED


@pytest.mark.parametrize(
    ("name", "symbols"),
    [
        (CLIP, ["BTCUSDT", "ETHUSDT"]),
        ("usdm_btcusdt_20230404-05.jsonl.gz", ["BTCUSDT"]),
    ],
)
def test_market_feed_recorded_best_prices_agree_over_the_whole_wire(
    name: str, symbols: list[str]
) -> None:
    tape = RecordedTape([recorded(name)], start_ns=START_NS)
    run = MarketRun(symbols, tape=tape)
    run.run(30)
    run.finish()
    assert run.wrong == []
    for symbol in symbols:
        book = run.books.by_symbol[symbol]
        assert book.state is BookState.SYNCED
        assert book.ticker_check.equal == book.ticker_check.checked > 200


@pytest.mark.untraced
@pytest.mark.parametrize("seed", PAPER_RUNS)
def test_replay_of_a_paper_run_under_faults_decides_as_the_run_did(
    tmp_path: Path, seed: int
) -> None:
    faults = random_faults(
        SYMBOLS, seed=seed, count=10, over_ms=50_000, kinds=MARKET_KINDS
    )
    run = MarketRun(SYMBOLS, faults, seed, speed=Fraction(1, 2))
    run.keeps_frames = True
    run.run(60)
    run.entries += run.engine.account.end()
    with Recorder(tmp_path / "recording", segment_s=20) as recorder:
        for frame in run.frames:
            recorder.record([frame])
    segments = sorted((tmp_path / "recording").glob("*.zst"))
    assert len(segments) >= 3
    replay(ReplayJob(segments, tmp_path / "out", Settings()))
    told = [_plain(entry) for entry in run.entries]
    replayed = [
        msgspec.json.decode(row.body) | {"sequence": row.sequence}
        for row in journal_of(tmp_path / "out")
    ]
    run_id = replayed[0]["run_id"][-12:]
    assert run.signals > 10
    assert len(told) == len(replayed)
    for ours, theirs in zip(told[1:], replayed[1:], strict=True):
        assert ours == _renamed(theirs, run_id)


def _plain(entry: JournalEntry) -> dict[str, object]:
    body: dict[str, object] = msgspec.json.decode(msgspec.json.encode(entry.fact))
    return body | {"sequence": entry.sequence}


def _renamed(body: dict[str, object], run_id: str) -> dict[str, object]:
    """The same fact, had it been decided under the name of the paper run."""
    text = msgspec.json.encode(body).replace(run_id.encode(), b"chaos")
    found: dict[str, object] = msgspec.json.decode(text)
    return found
