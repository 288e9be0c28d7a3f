"""A live market: the feed, its sockets and its recording, for one run."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from connectors.binance.account_check import AccountTerms
from connectors.binance.exchange_info import check_symbols
from connectors.binance.feed import MarketFeed
from connectors.binance.signing import Signer
from connectors.binance.source import FrameRecorder, Live, Stop
from connectors.binance.stop_desk import Wanted
from connectors.binance.transport import Endpoints, Transport, fetch_instruments
from flows.domain.books import Books
from flows.domain.errors import ConfigurationError
from flows.domain.instrument import Instrument
from flows.domain.opening import Opening
from flows.domain.units import NS_PER_S
from flows.settings import Settings
from flows.wall_clock import WallClock

ACCOUNT_STREAM = "@account"


@dataclass(frozen=True)
class MarketJob:
    """Which market to follow."""

    symbols: Sequence[str]
    endpoints: Endpoints
    duration_s: int | None = None
    """End after so long; None: when told to."""


@dataclass(frozen=True)
class Orders:
    """What orders need to leave for an exchange."""

    signer: Signer
    terms: AccountTerms
    held: Callable[[], Mapping[str, Decimal]]
    """Signed quantity by symbol, as the account's books have it."""
    stops: Wanted
    """The stops that should stand at the exchange, by symbol."""
    on_acked: Callable[[int], None]
    """Told how long after its decision an order was answered, in ns."""
    why_withhold: Callable[[], str]
    """Asked right before an order that may increase risk; empty: nothing."""


def listed_instruments(job: MarketJob) -> dict[str, Instrument]:
    """The filters of the job's symbols, from the exchange.

    Raises ConfigurationError for a symbol that it does not list or trade, with near
    misses, and MarketDataError where it cannot be asked.
    """
    if not job.symbols:
        msg = "Expected at least one symbol, such as --symbols BTCUSDT"
        raise ConfigurationError(msg)
    known = asyncio.run(fetch_instruments(job.endpoints, job.symbols))
    check_symbols(job.symbols, known)
    return {symbol: known[symbol] for symbol in job.symbols}


def open_market(
    job: MarketJob,
    settings: Settings,
    instruments: dict[str, Instrument],
    books: Books,
    *,
    held: Callable[[], Collection[str]] = tuple,
    is_flat: Callable[[], bool] = lambda: True,
    opening: Opening | None = None,
    recorder: FrameRecorder | None,
    on_second: Callable[[int], None],
    orders: Orders | None = None,
    on_poll: Callable[[int], None] = lambda _now_ns: None,
) -> Live:
    """Ready to be run: nothing is connected before the first poll.

    The first frames are the account's opening, a clock tick, so that a replay makes
    none of its own, and the instruments.
    """
    clock, stop = WallClock(), Stop()
    feed = MarketFeed(
        job.symbols,
        books,
        held,
        Random(),  # noqa: S311 - jitter, no secret
        stale_after_ms=settings.stale_after_ms,
        instruments=instruments,
    )
    begun_ns = clock()
    if opening is not None:
        feed.outbox.tell(ACCOUNT_STREAM, opening, begun_ns)
    if orders is not None and opening is not None:
        fee_bps = orders.terms.taker_fee_bps
        feed.trade(
            opening,
            orders.held,
            orders.stops,
            fee_bps=fee_bps,
            now_ns=begun_ns,
            on_acked=orders.on_acked,
        )
    feed.on_time(begun_ns)
    feed.begin_segment(begun_ns)

    def each_second(now_ns: int) -> None:
        limit_s = job.duration_s
        if limit_s is not None and now_ns - begun_ns >= limit_s * NS_PER_S:
            stop.request("time is over")
        on_second(now_ns)

    transport = Transport(
        feed,
        job.endpoints,
        clock,
        signer=orders.signer if orders is not None else None,
        why_withhold=orders.why_withhold if orders is not None else str,
    )
    return Live(clock, feed, transport, recorder, stop, is_flat, each_second, on_poll)
