"""The figures that Prometheus is given, made from the engine's state at each scrape.

Money is exact everywhere else; here it is told in floats, as Prometheus keeps it.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from api.http.desk import Desk
from api.http.journal import newest_entry
from api.http.link import Json
from connectors.journal import JournalRow
from connectors.kill_latch import mark_of
from connectors.output import KILL_LATCH
from flows.domain.errors import StoreError
from flows.domain.risk import RefusalReason
from flows.domain.symbol_book import BookState
from flows.telemetry import HISTOGRAM_BOUNDS_NS

_NS = 1_000_000_000
Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


def exposition(desk: Desk) -> bytes:
    """The figures of this moment in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(desk))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterable[Family]:
        """Everything there is to tell."""
        yield from _of_process(self._desk)
        engine = self._desk.link.engine  # before the journal, which goes on meanwhile
        newest, is_readable = _newest_entry(self._desk)
        yield _gauge(
            "mft_journal_readable", "Whether the journal can be read.", is_readable
        )
        if engine is not None:
            yield from _of_books(engine)
            yield from _of_account(engine)
            yield from _of_latency(engine)
            yield from _of_counts(engine["counts"])
            yield _counter(
                "mft_engine_begun_anew",
                "Times that its process crashed within, and began anew by itself.",
                engine.get("begun_anew", 0),
            )
            yield from _of_recording(engine)
        if engine is not None and is_readable and "entries" in engine["counts"]:
            yield from _of_journal(newest, engine)
        yield from _of_archive(self._desk, newest)


def _newest_entry(desk: Desk) -> tuple[JournalRow | None, bool]:
    """The newest, where there is one, and whether that can be told."""
    try:
        return newest_entry(desk.data), True
    except StoreError:  # the others are told all the same
        return None, False


def _of_process(desk: Desk) -> Iterator[Family]:
    """What is known whether an engine answers or not."""
    standing, engine = desk.supervisor.standing, desk.link.engine
    yield _gauge("mft_engine_up", "Whether an engine runs.", standing.is_running)
    yield _gauge(
        "mft_engine_answers", "Whether it tells its state.", engine is not None
    )
    yield _gauge(
        "mft_engine_wanted",
        "Whether one should run; it was not stopped by anybody.",
        standing.is_wanted or bool(standing.problem),
    )
    yield _counter(
        "mft_engine_restarts",
        "Times its process was started again, since somebody started it.",
        standing.restarts,
    )
    is_killed = engine is not None and bool(engine["killed"])
    yield _gauge(
        "mft_killed",
        "Whether the account is killed, by its engine or by the latch file.",
        is_killed or mark_of(desk.data / KILL_LATCH) is not None,
    )


def _of_books(engine: Json) -> Iterator[Family]:
    books, entries = engine["books"], engine["counts"]["book_states"]  # by symbol
    state = GaugeMetricFamily(
        "mft_book_state",
        "1 for the state that a book is in.",
        labels=("symbol", "state"),
    )
    age = GaugeMetricFamily(
        "mft_book_view_age_seconds", "Since a book's last view.", labels=("symbol",)
    )
    events = CounterMetricFamily(
        "mft_depth_events", "Depth events taken.", labels=("symbol",)
    )
    gaps = CounterMetricFamily("mft_gaps", "Holes in a stream.", labels=("symbol",))
    entered = CounterMetricFamily(
        "mft_book_entered",
        "Times that a book came into a state: GAP a hole, STALE a silence.",
        labels=("symbol", "state"),
    )
    resyncs = CounterMetricFamily(
        "mft_resyncs", "Times that a book was SYNCED again.", labels=("symbol",)
    )
    for symbol, book in books.items():
        times = entries.get(symbol, {})
        for name in (known.value for known in BookState):
            state.add_metric((symbol, name), float(name == book["state"]))
            entered.add_metric((symbol, name), times.get(name, 0))
        resyncs.add_metric((symbol,), max(times.get(BookState.SYNCED.value, 0) - 1, 0))
        if book["view_age_ms"] is not None:
            age.add_metric((symbol,), book["view_age_ms"] / 1_000)
        events.add_metric((symbol,), book["depth_events"])
        gaps.add_metric((symbol,), book["gaps"])
    yield from (state, age, events, gaps, entered, resyncs)
    messages = CounterMetricFamily(
        "mft_messages", "Of the market, by stream kind.", labels=("kind",)
    )
    for kind, number in engine.get("messages", {}).items():
        messages.add_metric((kind,), number)
    yield messages


def _of_account(engine: Json) -> Iterator[Family]:
    for name, text in (
        ("equity", "Capital and P&L, open positions included, quote asset."),
        ("day_pnl", "Net P&L since 00:00 UTC, quote asset."),
        ("drawdown", "Peak equity less equity, quote asset."),
        ("gross", "P&L before fees and funding, quote asset."),
        ("fees", "Fees paid, quote asset."),
        ("funding", "Funding and other bookings, quote asset."),
    ):
        yield _gauge(f"mft_{name}", text, float(engine[name]))
    yield _gauge(
        "mft_alarm",
        "Whether the engine says that its safety net has a hole.",
        bool(engine["alarm"]),
    )
    yield _gauge("mft_paused", "Whether entries are paused.", engine["is_paused"])
    yield _gauge("mft_positions", "Open positions.", len(engine["positions"]))
    yield _gauge("mft_orders_in_flight", "Orders in flight.", len(engine["orders"]))
    used = GaugeMetricFamily("mft_limit_used", "Of a limit, used.", labels=("limit",))
    limit = GaugeMetricFamily("mft_limit", "A hard limit.", labels=("limit",))
    for name, told in engine["limits"].items():
        used.add_metric((name,), float(told["used"]))
        limit.add_metric((name,), float(told["limit"]))
    yield from (used, limit)


def _of_latency(engine: Json) -> Iterator[Family]:
    family = HistogramMetricFamily(
        "mft_latency_seconds",
        "From a frame to its decision, to the order sent and acked; from the decision "
        "to the order placed at its socket.",
        labels=("stage",),
    )
    for stage, told in engine["histograms"].items():
        if len(told["below"]) != len(HISTOGRAM_BOUNDS_NS):
            continue  # an engine of an earlier version, which this API has found
        bounds = [str(bound / _NS) for bound in HISTOGRAM_BOUNDS_NS]
        buckets = [*zip(bounds, told["below"], strict=True), ("+Inf", told["count"])]
        family.add_metric((stage,), buckets, told["total_ns"] / _NS)
    yield family
    yield _counter("mft_views", "Book views decided on.", engine["latency"]["views"])


def _of_counts(counts: Json) -> Iterator[Family]:
    yield _counter("mft_signals", "Signals journalled.", counts["signals"])
    yield _counter("mft_orders", "Orders sent.", counts["orders"])
    yield _counter("mft_fills", "Fills journalled.", counts["fills"])
    yield _counter("mft_trades", "Round trips journalled.", counts["trades"])
    refused = CounterMetricFamily(
        "mft_refused", "Signals that became no order.", labels=("reason",)
    )
    for reason in RefusalReason:  # from 0 on, so that the first one is an increase
        refused.add_metric((reason.value,), counts["refused"].get(reason.value, 0))
    yield refused


def _of_recording(engine: Json) -> Iterator[Family]:
    waiting = engine["recorder_waiting_bytes"]
    if waiting is not None:
        yield _gauge(
            "mft_recorder_waiting_bytes", "Of frames not on the disk yet.", waiting
        )


def _of_journal(newest: JournalRow | None, engine: Json) -> Iterator[Family]:
    """What the engine says it has journalled, beside what the file holds."""
    is_of_run = newest is not None and newest.run_id == engine["run_id"]
    held = newest.sequence + 1 if newest is not None and is_of_run else 0
    yield _gauge(
        "mft_journal_lag_entries",
        "That the engine has journalled, and its file does not hold.",
        max(engine["counts"]["entries"] - held, 0),
    )


def _of_archive(desk: Desk, newest: JournalRow | None) -> Iterator[Family]:
    keeper, errors = desk.archive, desk.history.errors + desk.lag.errors
    yield _counter("mft_archive_restarts", "Times it was lost.", keeper.losses)
    yield _counter("mft_clickhouse_errors", "Questions that it did not answer.", errors)
    if newest is None:
        return
    loaded = desk.lag.loaded_entries(newest.run_id)
    if keeper.is_wanted or loaded is not None:
        yield _gauge("mft_archive_up", "Whether it answers.", loaded is not None)
    if loaded is not None:
        yield _gauge(
            "mft_archive_loaded_entries",
            "Of the journal's last run, in ClickHouse.",
            loaded,
        )
        yield _gauge(
            "mft_archive_lag_entries",
            "Of the journal's last run, not in ClickHouse yet.",
            newest.sequence + 1 - loaded,
        )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=float(value))
