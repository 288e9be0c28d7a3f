"""The figures that Prometheus is given, made from the engine's state at each scrape.

Money is exact everywhere else; here it is told in floats, as Prometheus keeps it.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from api.http.desk import Desk
from api.http.link import Json
from flows.domain.symbol_book import BookState

_NS = 1_000_000_000
Family = GaugeMetricFamily | CounterMetricFamily


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
        standing = self._desk.supervisor.standing
        yield _gauge("mft_engine_up", "Whether an engine runs.", standing.is_running)
        yield _counter(
            "mft_engine_restarts", "Times it was started again.", standing.restarts
        )
        engine = self._desk.link.engine
        if engine is not None:
            yield from _of_books(engine["books"])
            yield from _of_account(engine)
            yield from _of_latency(engine)
            yield from _of_counts(engine["counts"])


def _of_books(books: dict[str, Json]) -> Iterator[Family]:
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
    for symbol, book in books.items():
        for name in (known.value for known in BookState):
            state.add_metric((symbol, name), float(name == book["state"]))
        if book["view_age_ms"] is not None:
            age.add_metric((symbol,), book["view_age_ms"] / 1_000)
        events.add_metric((symbol,), book["depth_events"])
        gaps.add_metric((symbol,), book["gaps"])
    yield from (state, age, events, gaps)


def _of_account(engine: Json) -> Iterator[Family]:
    for name, text in (
        ("equity", "Capital and P&L, open positions included, quote asset."),
        ("day_pnl", "Net P&L since 00:00 UTC, quote asset."),
        ("drawdown", "Peak equity less equity, quote asset."),
        ("fees", "Fees paid, quote asset."),
        ("funding", "Funding and other bookings, quote asset."),
    ):
        yield _gauge(f"mft_{name}", text, float(engine[name]))
    yield _gauge(
        "mft_killed", "Whether the kill switch is latched.", bool(engine["killed"])
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
    latency, orders = engine["latency"], engine["order_latency"]
    family = GaugeMetricFamily(
        "mft_latency_seconds",
        "Quantiles over the run: from a frame to its decision, to the order sent and "
        "acked; from the decision to the order placed at its socket.",
        labels=("stage", "quantile"),
    )
    for quantile, name in (("0.5", "p50_ns"), ("0.99", "p99_ns"), ("0.999", "p999_ns")):
        family.add_metric(("decision", quantile), latency[name] / _NS)
    for stage in ("placed", "sent", "acked"):
        for quantile, name in (("0.5", "p50_ns"), ("0.99", "p99_ns")):
            family.add_metric((stage, quantile), orders[f"{stage}_{name}"] / _NS)
    yield family
    yield _counter("mft_views", "Book views decided on.", latency["views"])


def _of_counts(counts: Json) -> Iterator[Family]:
    yield _counter("mft_signals", "Signals journalled.", counts["signals"])
    yield _counter("mft_orders", "Orders sent.", counts["orders"])
    refused = CounterMetricFamily(
        "mft_refused", "Signals that became no order.", labels=("reason",)
    )
    for reason, count in counts["refused"].items():
        refused.add_metric((reason,), count)
    yield refused


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=float(value))
