"""The trading flow: its steps, its one answer whatever the batch, and its end."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from bytewax.dataflow import Dataflow, Operator
from bytewax.testing import TestingSink

from connectors.binance.wire import decode
from connectors.exchange.synthetic import ALL_STREAMS, SyntheticMarket, generate
from connectors.journal import Journal, JournalReader, JournalRow, JournalSink
from connectors.recording import merged_frames, with_clock
from connectors.replay import ReplaySource
from flows.domain.errors import MalformedFrame, RecordingError, StoreError
from flows.domain.fault import Fault
from flows.domain.frame import RawFrame
from flows.domain.imbalance import Imbalance
from flows.domain.instrument import Instruments
from flows.domain.run import JournalEntry, RunEnded, RunStarted
from flows.operators.imbalance import ZonedUpdate
from flows.run import run
from flows.settings import Settings
from flows.trading import Engine, build_engine, build_trading_flow
from tests.recordings import CLIP, FOLDER

RUN = "run-1"
STEPS = [
    "trading.frames",
    "trading.books",
    "trading.books.views",
    "trading.imbalance",
    "trading.imbalance.zones",
    "trading.signals",
    "trading.signals.signals",
    "trading.account",
    "trading.account.keyed",
    "trading.account.keyed.map",
    "trading.account.keyed.map.flat_map_batch",
    "trading.account.entries",
    "trading.journal",
    "trading.views",
]


def new_engine() -> Engine:
    started = RunStarted(
        received_ns=0, symbol="", run_id=RUN, mode="replay", inputs={}, settings={}
    )
    return build_engine(Settings(), started, Instruments({}))


@cache
def market() -> list[RawFrame]:
    """The recorded clip of 30 s; where there is none, as much of a made-up market."""
    if (FOLDER / CLIP).exists():
        return list(merged_frames([FOLDER / CLIP]))
    made_up = SyntheticMarket(("BTCUSDT", "ETHUSDT"), seed=7, streams=ALL_STREAMS)
    return list(with_clock(generate(made_up, 30)))


def played(
    frames: Iterable[RawFrame],
    batch_size: int,
    fault: Fault,
    views: TestingSink[ZonedUpdate] | None = None,
) -> list[JournalEntry]:
    """What the flow journals of `frames`; the caller looks at the fault."""
    out: list[tuple[str, JournalEntry]] = []
    source = ReplaySource(iter(frames), batch_size=batch_size, fault=fault)
    flow = build_trading_flow(
        source, decode, new_engine(), TestingSink(out), fault, views=views
    )
    with suppress(MalformedFrame):
        run(flow, fault)
    return [entry for _, entry in out]


def stored(frames: Iterable[RawFrame], batch_size: int, path: Path) -> list[JournalRow]:
    """What the journal file holds after a run, or after one more on the same file."""
    fault, journal = Fault(), Journal(path, RUN)
    source = ReplaySource(iter(frames), batch_size=batch_size, fault=fault)
    sink = JournalSink(journal, fault)
    try:
        run(build_trading_flow(source, decode, new_engine(), sink, fault), fault)
    finally:
        journal.close()
    reader = JournalReader(path)
    try:
        return reader.events(RUN, 0, reader.last_sequence(RUN))
    finally:
        reader.close()


def walked(step: Dataflow | Operator) -> Iterator[str]:
    for inner in step.substeps:
        yield inner.step_id
        yield from walked(inner)


def test_build_trading_flow_step_ids_are_pinned() -> None:
    fault = Fault()
    source = ReplaySource(iter(()), batch_size=1, fault=fault)
    sink: TestingSink[tuple[str, JournalEntry]] = TestingSink([])
    arguments = (source, decode, new_engine(), sink, fault)
    flow = build_trading_flow(*arguments, views=TestingSink([]))
    assert flow.flow_id == "trading"
    assert list(walked(flow)) == STEPS
    assert list(walked(build_trading_flow(*arguments))) == STEPS[:-1]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[JournalRow]:
    path = tmp_path_factory.mktemp("reference") / "journal.sqlite"
    return stored(market(), 256, path)


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_run_any_batch_size_and_twice_gives_the_same_journal(
    batch_size: int, tmp_path: Path, reference: list[JournalRow]
) -> None:
    assert len(reference) > 20
    assert {"signal", "book_state_changed"} <= {row.kind for row in reference}
    assert (reference[0].kind, reference[-1].kind) == ("run_started", "run_ended")
    assert [row.sequence for row in reference] == list(range(len(reference)))
    for _ in range(2):
        again = stored(market(), batch_size, tmp_path / "journal.sqlite")
        assert again == reference


def test_run_views_sink_takes_every_view_with_its_zone() -> None:
    views: list[ZonedUpdate] = []
    fault = Fault()
    played(market()[:2_000], 64, fault, views=TestingSink(views))
    zoned = [update for update in views if isinstance(update, Imbalance)]
    assert fault.error is None
    assert len(zoned) > 50
    times = [update.view.received_ns for update in zoned]
    assert times == sorted(times)


def test_run_malformed_frame_ends_the_flow_with_one_error_and_no_panic(
    capfd: pytest.CaptureFixture[str],
) -> None:
    frames = market()[:3_000]
    bad = RawFrame(frames[1_999].received_ns, "btcusdt@depth", b"{}", "file", 2_000)
    before = played(frames[:1_999], 256, Fault())
    assert isinstance(before.pop().fact, RunEnded)
    for batch_size in (1, 7, 256):
        fault = Fault()
        entries = played([*frames[:1_999], bad, *frames[2_000:]], batch_size, fault)
        assert isinstance(fault.error, MalformedFrame)
        assert str(fault.error).startswith("file:2000: malformed btcusdt@depth frame")
        assert entries == before[: len(entries)]
        assert len(before) - len(entries) <= 1  # the equity told at the end of input
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_run_unreadable_recording_raises_its_error_and_no_panic(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing() -> Iterator[RawFrame]:
        yield from market()[:500]
        raise RecordingError("file:501: cannot be read")

    path = tmp_path / "journal.sqlite"
    with pytest.raises(RecordingError, match=r"^file:501: cannot be read$"):
        stored(failing(), 64, path)
    assert capfd.readouterr().err == ""


def test_run_journal_that_contradicts_raises_store_error_and_no_panic(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal.sqlite"
    held = stored(market()[:1_000], 64, path)
    with pytest.raises(StoreError, match="not the same run"):
        stored(market()[1:1_000], 64, path)
    assert capfd.readouterr().err == ""
    reader = JournalReader(path)
    assert reader.events(RUN, 0, reader.last_sequence(RUN)) == held
    reader.close()
