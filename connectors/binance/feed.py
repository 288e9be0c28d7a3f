"""The market feed: everything that happens on the wire, as one order of raw frames.

    lanes       connections, replaced before they end (lane.py)
    snapshots   REST order books, by urgency and within the weight budget (snapshots.py)
    clock       a tick a second, with the skew to the exchange's clock
    instruments exchangeInfo, daily and when the exchange announces a change

The feed does no I/O and reads no clock: it is told what happened and when, and says
what it wants done. So the code that runs on sockets also runs, unchanged, in tests on
virtual time. Protocol: Binance USD-M, "Websocket Market Streams" and "Market Data".
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from random import Random

import msgspec
import structlog

from connectors.binance.budget import WeightBudget
from connectors.binance.exchange_info import parse_exchange_info
from connectors.binance.execution_feed import ExecutionFeed
from connectors.binance.lane import STREAMS_PER_SOCKET, Lane
from connectors.binance.outbox import (
    CLOCK_STREAM,
    REPORT_STREAM,
    Action,
    Get,
    Outbox,
)
from connectors.binance.reconciliation import Verdict
from connectors.binance.snapshots import SnapshotDesk
from connectors.binance.stop_desk import Wanted
from flows.domain.books import Books
from flows.domain.frame import RawFrame
from flows.domain.instrument import Instrument
from flows.domain.opening import Opening
from flows.domain.units import NS_PER_DAY, NS_PER_MS, NS_PER_S

INSTRUMENTS_STREAM = "@instruments"
CONTRACT_STREAM = "!contractInfo"
INFO_PATH = "/fapi/v1/exchangeInfo"
TIME_PATH = "/fapi/v1/time"
WEIGHT_LIMIT = 2_400
"""Request weight that the exchange allows an address in a minute."""

_STEP_NS = 20 * NS_PER_MS
_TIME_EVERY_NS = 60 * NS_PER_S
_SURE_SAMPLES = 4
_SKEW_OLD_NS = 300 * NS_PER_S
_RETRY_NS = 10 * NS_PER_S
_OK = 200

_log = structlog.get_logger()


class _ServerTime(msgspec.Struct):
    serverTime: int  # noqa: N815 - the exchange's own name


_decode_time = msgspec.json.Decoder(_ServerTime).decode


def streams_of(symbol: str) -> tuple[list[str], list[str]]:
    """The streams of a symbol on the routes `public` and `market`."""
    name = symbol.lower()
    return (
        [f"{name}@depth@100ms", f"{name}@bookTicker"],
        [f"{name}@aggTrade", f"{name}@markPrice@1s"],
    )


class VenueWord(msgspec.Struct):
    """What is told of the venue as `@report`."""

    is_reconciled: bool
    is_lost: bool = False
    reason: str = ""
    rate_limited_until_ns: int = 0


class MarketFeed:
    """Keeps the books of some symbols fed.

    `books` are those that the frames lead to, `held` says which symbols the account
    holds, `random` draws the jitter of reconnects. Call `on_time` at least every 20 ms
    and take frames and actions after each call.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        books: Books,
        held: Callable[[], Collection[str]],
        random: Random,
        *,
        stale_after_ms: int,
        instruments: Mapping[str, Instrument] | None = None,
    ) -> None:
        self.outbox = Outbox()
        self.budget = WeightBudget(WEIGHT_LIMIT)
        self.desk = SnapshotDesk(symbols, books, held, self.budget, self.outbox)
        self._symbols = tuple(symbols)
        self._random = random
        self.lanes = self._plan_lanes(symbols, random, stale_after_ms * NS_PER_MS)
        self._lane_of = {name: lane for lane in self.lanes for name in lane.names}
        self._instruments = dict(instruments or {})
        self._skew_ms: int | None = None
        self._skew_ns = 0
        self._clock_samples: deque[tuple[int, int]] = deque(maxlen=_SURE_SAMPLES)
        """Duration and skew of the last measurements."""
        self._pending: dict[int, str] = {}
        self._asked_ns = 0
        self._time_due_ns = self._info_due_ns = 0
        self._tick_due_ns = self._step_due_ns = 0
        self._pause_told_ns = 0
        self._contract_ns = 0
        self._venue = VenueWord(is_reconciled=True)
        self.execution: ExecutionFeed | None = None
        """The account's side, where orders leave."""

    def trade(
        self,
        opening: Opening,
        held: Callable[[], Mapping[str, Decimal]],
        stops: Wanted,
        *,
        fee_bps: Decimal,
        now_ns: int,
        on_acked: Callable[[int], None] = lambda _duration_ns: None,
    ) -> ExecutionFeed:
        """Let orders leave; nothing is believed reconciled until it is compared."""
        self.execution = ExecutionFeed(
            self.outbox,
            self.budget,
            self._random,
            held=held,
            stops=stops,
            on_verdict=self._on_verdict,
            fee_bps=fee_bps,
            order_prefix=opening.order_prefix,
            on_acked=on_acked,
        )
        self.execution.restore(opening, now_ns)
        self._on_verdict(Verdict(reason="nothing is compared yet"), now_ns)
        return self.execution

    @property
    def due_ns(self) -> int:
        """When `on_time` has something to do again."""
        return self._step_due_ns

    def take_frames(self) -> list[RawFrame]:
        """The frames since the last call, in order."""
        return self.outbox.take_frames()

    def take_actions(self) -> list[Action]:
        """What has to be done outside, in order."""
        return self.outbox.take_actions()

    def begin_segment(self, now_ns: int) -> None:
        """Say again what a recording needs at its beginning."""
        self.desk.begin_segment()
        if self._instruments:
            self.outbox.tell(INSTRUMENTS_STREAM, self._instruments, now_ns)

    # -- what happens -----------------------------------------------------------------

    def on_open(self, serial: int, now_ns: int) -> None:
        """A connection is open."""
        if self._is_of_account(serial):
            self._account.on_open(now_ns)
            return
        for lane in self.lanes:
            lane.on_open(serial, now_ns)

    def on_text(self, serial: int, text: bytes | str, now_ns: int) -> None:
        """A message has arrived on a connection."""
        if self._is_of_account(serial):
            self._account.on_text(text, now_ns)
            return
        for lane in self.lanes:
            if lane.owns(serial):
                lane.on_text(serial, text, now_ns)
                return

    def on_closed(self, serial: int, reason: str, now_ns: int) -> None:
        """A connection has ended, or could not be opened."""
        if self._is_of_account(serial):
            self._account.on_closed(reason, now_ns)
            return
        for lane in self.lanes:
            lane.on_closed(serial, reason, now_ns)

    def on_reply(
        self,
        serial: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now_ns: int,
    ) -> None:
        """A REST reply; header names in lower case."""
        self.budget.on_reply(status, headers, now_ns)
        self._tell_pause(now_ns)
        if self._is_of_account(serial):
            self._account.on_reply(serial, status, body, now_ns)
            return
        if self.desk.owns(serial):
            self.desk.on_reply(serial, status, body, now_ns)
            return
        path = self._pending.pop(serial, None)
        if status != _OK or path is None:
            return
        try:
            if path == TIME_PATH:
                self._on_time_reply(body, now_ns)
            else:
                self._on_exchange_info(body, now_ns)
        except (ValueError, msgspec.DecodeError) as error:
            _log.warning("reply_unusable", path=path, reason=str(error))

    def on_failed(self, serial: int, reason: str, now_ns: int) -> None:
        """A REST request got no reply."""
        if self._is_of_account(serial):
            self._account.on_failed(serial, reason, now_ns)
        elif self.desk.owns(serial):
            self.desk.on_failed(serial, reason, now_ns)
        elif (path := self._pending.pop(serial, None)) is not None:
            _log.warning("reply_unusable", path=path, reason=reason)

    def on_withheld(self, serial: int, reason: str, now_ns: int) -> None:
        """An order was stopped right before the socket."""
        self._account.on_withheld(serial, reason, now_ns)

    @property
    def _account(self) -> ExecutionFeed:
        if self.execution is None:
            raise RuntimeError("Expected an account's side of the feed")
        return self.execution

    def _is_of_account(self, serial: int) -> bool:
        return self.execution is not None and self.execution.owns(serial)

    # -- time -------------------------------------------------------------------------

    def on_time(self, now_ns: int) -> None:
        """Do what is due."""
        if now_ns < self._step_due_ns:
            return
        self._step_due_ns = now_ns + _STEP_NS
        for lane in self.lanes:
            lane.on_time(now_ns)
        if now_ns >= self._tick_due_ns:
            self._tick_due_ns = (now_ns // NS_PER_S + 1) * NS_PER_S
            if now_ns - self._skew_ns > _SKEW_OLD_NS:
                self._skew_ms = None
            tick = {} if self._skew_ms is None else {"skew_ms": self._skew_ms}
            self.outbox.tell(CLOCK_STREAM, tick, now_ns)
        if self.execution is not None:
            self.execution.on_time(now_ns)
        self.desk.on_time(now_ns, lambda symbol: self.is_heard(symbol, now_ns))
        self._ask_daily(now_ns)

    def is_heard(self, symbol: str, now_ns: int) -> bool:
        """Whether the symbol's depth stream has brought something lately."""
        name = streams_of(symbol)[0][0]
        lane = self._lane_of[name]
        return lane.is_up and not lane.silence.is_silent(name, now_ns)

    def _ask_daily(self, now_ns: int) -> None:
        if now_ns >= self._time_due_ns and self._may_spend(now_ns):
            is_sure = len(self._clock_samples) >= _SURE_SAMPLES
            self._time_due_ns = now_ns + (_TIME_EVERY_NS if is_sure else NS_PER_S)
            self._asked_ns = now_ns
            self._get(TIME_PATH, now_ns)
        changed_ns = self._lane_of[CONTRACT_STREAM].silence.heard.get(
            CONTRACT_STREAM, 0
        )
        if changed_ns > self._contract_ns:
            self._contract_ns, self._info_due_ns = changed_ns, now_ns
        if now_ns >= self._info_due_ns and self._may_spend(now_ns):
            self._info_due_ns = now_ns + _RETRY_NS  # until a reply says a day
            self._get(INFO_PATH, now_ns)

    def _may_spend(self, now_ns: int) -> bool:
        return not self.budget.delay_ns(1, now_ns)

    def _get(self, path: str, now_ns: int) -> None:
        if path in self._pending.values():
            return
        serial = self.outbox.next_serial()
        self._pending[serial] = path
        self.budget.spend(1, now_ns)
        self.outbox.do(Get(serial, path))

    def _on_time_reply(self, body: bytes, now_ns: int) -> None:
        """Half of the way is taken to be the way back: the shortest way tells best.

        The first one also opens the connection, which is not half of anything.
        """
        ours_ms = (self._asked_ns + now_ns) // 2 // NS_PER_MS
        skew_ms = _decode_time(body).serverTime - ours_ms
        self._clock_samples.append((now_ns - self._asked_ns, skew_ms))
        self._skew_ms = min(self._clock_samples)[1]
        self._skew_ns = now_ns

    def _on_exchange_info(self, body: bytes, now_ns: int) -> None:
        known = parse_exchange_info(body, self._symbols)
        self._info_due_ns = now_ns + NS_PER_DAY
        found = {s: known[s] for s in self._symbols if s in known}
        for symbol, before in self._instruments.items():
            if symbol not in found:  # delisted
                found[symbol] = msgspec.structs.replace(before, is_trading=False)
        if found != self._instruments:
            self._instruments = found
            self.outbox.tell(INSTRUMENTS_STREAM, found, now_ns)
            _log.info("instruments_changed", symbols=sorted(found))

    def _tell_pause(self, now_ns: int) -> None:
        """Let the account know that the exchange wants no requests for a while."""
        until_ns = self.budget.paused_until_ns
        if until_ns > max(now_ns, self._pause_told_ns):
            self._pause_told_ns = until_ns
            self._venue.rate_limited_until_ns = until_ns
            self.outbox.tell(REPORT_STREAM, self._venue, now_ns)
            _log.warning("requests_paused", until_ns=until_ns)

    def _on_verdict(self, verdict: Verdict, now_ns: int) -> None:
        self._venue.is_reconciled = verdict.is_reconciled
        self._venue.is_lost, self._venue.reason = verdict.is_lost, verdict.reason
        self.outbox.tell(REPORT_STREAM, self._venue, now_ns)

    def _plan_lanes(
        self, symbols: Sequence[str], random: Random, stale_after_ns: int
    ) -> list[Lane]:
        public: list[str] = []
        market: list[str] = [CONTRACT_STREAM]
        for symbol in symbols:
            on_public, on_market = streams_of(symbol)
            public += on_public
            market += on_market
        return [
            Lane(
                route,
                names[start : start + STREAMS_PER_SOCKET],
                self.outbox,
                random,
                stale_after_ns=stale_after_ns,
            )
            for route, names in (("public", public), ("market", market))
            for start in range(0, len(names), STREAMS_PER_SOCKET)
        ]
