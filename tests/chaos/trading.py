"""The account's side against the exchange's own record, on one virtual clock."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.binance.execution_feed import ExecutionFeed
from connectors.binance.outbox import Action, Call, Connect, Get, KeyCall
from connectors.binance.signing import KEY_HEADER, Credentials, Mode, Signer
from connectors.exchange.fault import Fault
from connectors.exchange.rest_reply import Reply
from connectors.exchange.trading.signature import DEFAULT_KEY, DEFAULT_SECRET
from flows.domain.account import AccountEvent
from flows.domain.kill import KillTripped
from flows.domain.opening import Opening
from flows.domain.order import Fill, OutsideFill, Withdrawn
from flows.domain.risk import Approved
from flows.domain.run import JournalEntry, Journalled
from flows.domain.units import NS_PER_S
from flows.live import ACCOUNT_STREAM
from flows.settings import Settings
from tests.chaos.market import HANDSHAKE_NS, MarketRun

BASE = "http://127.0.0.1"
FEE_BPS = Decimal(5)
FUNDING_NS = 1_700_006_400_000_000_000
"""2023-11-15 00:00 UTC: funding is settled in each run."""
RESTLESS = Settings(max_hold_s=3, cooldown_ms=200)
"""Orders come often, so that faults meet them."""
LIMIT = Decimal(2_500)
"""Exposure of an instrument: a quarter of the capital."""


class TradingRun(MarketRun):
    """One scenario whose orders leave for the exchange."""

    def __init__(
        self,
        symbols: Sequence[str],
        faults: Sequence[Fault] = (),
        seed: int = 0,
        *,
        speed: Fraction = Fraction(1, 2),
        opening: Opening | None = None,
    ) -> None:
        super().__init__(
            symbols,
            faults,
            seed,
            speed=speed,
            settings=RESTLESS,
            start_ns=FUNDING_NS - 20 * NS_PER_S,
        )
        self.signer = Signer(
            Mode.LOOPBACK, BASE, Credentials(DEFAULT_KEY, DEFAULT_SECRET)
        )
        begun = opening or Opening(is_remote=True, order_prefix="chaos")
        self.feed.outbox.tell(ACCOUNT_STREAM, begun, self.now_ns)
        self.execution: ExecutionFeed = self.feed.trade(
            begun,
            self.engine.held,
            self.engine.stops,
            fee_bps=FEE_BPS,
            now_ns=self.now_ns,
        )
        self.placed: Counter[str] = Counter()
        self.excess: list[str] = []

    # -- what leaves ------------------------------------------------------------------

    def _tell_account(self, event: AccountEvent) -> None:
        entries = self.engine.account.apply([event])
        self.entries += entries
        self._send(entries)

    def _send(self, entries: list[JournalEntry]) -> None:
        for entry in entries:
            match entry.fact:
                case Approved(order=order):
                    is_killed = self.engine.account.kill_switch.is_latched
                    if is_killed and not order.is_reduce_only:
                        self.wrong.append(f"{order.client_order_id} while killed")
                    self.placed[order.client_order_id] += 1
                    self.execution.place(order, self.now_ns)
                case Withdrawn(client_order_id=name):
                    self.execution.cancel(name, self.now_ns)
        for action in self.feed.take_actions() if entries else ():
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Connect(serial, route, path):
                where = f"/{route}/{path}"
                self._plan(
                    self.now_ns + HANDSHAKE_NS, lambda: self._open(serial, where)
                )
            case Get(serial, path, params):
                self._answer(serial, self.venue.request("GET", path, params))
            case Call(serial):
                self._call(action)
            case KeyCall(serial, method, path):
                reply = self.venue.request(method, path, {}, api_key=DEFAULT_KEY)
                self._answer(serial, reply)
            case _:
                super()._carry_out(action)

    def _call(self, action: Call) -> None:
        now_ns = self.now_ns
        if action.expires_ns is not None:
            why = self.engine.why_withhold()
            if not why and now_ns > action.expires_ns:
                why = "its decision is too old"
            if why:
                self.feed.on_withheld(action.serial, why, now_ns)
                return
        request = self.signer.sign(
            action.method,
            action.path,
            action.params,
            now_ns,
            window_ms=action.window_ms,
        )
        query = urlsplit(request.url).query
        reply = self.venue.request(
            action.method,
            action.path,
            dict(parse_qsl(query)),
            api_key=request.headers[KEY_HEADER],
            signed=query.rpartition("&signature=")[0].encode(),
        )
        self._watch_exposure()
        self._answer(action.serial, reply)

    def _answer(self, serial: int, reply: Reply) -> None:
        due_ns = self.now_ns + HANDSHAKE_NS + reply.delay_ns
        if reply.is_lost:
            self._plan(due_ns, lambda: self._fail(serial))
        else:
            self._plan(due_ns, lambda: self._reply(serial, reply))

    def _fail(self, serial: int) -> None:
        self.feed.on_failed(serial, "the connection ended", self.now_ns)

    def _open(self, serial: int, path: str) -> None:
        session = self.venue.connect(path)
        if isinstance(session, Reply):
            self.feed.on_closed(serial, f"HTTP {session.status}", self.now_ns)
        else:
            self._sessions[serial] = session
            self.feed.on_open(serial, self.now_ns)

    # -- judgement --------------------------------------------------------------------

    def _watch_exposure(self) -> None:
        """What the exchange holds and has open never passes the limit by itself."""
        for held in self.venue.trading.account.held:
            notional = abs(held.amount) * held.entry_price
            if notional > LIMIT:
                self.excess.append(f"{held.symbol}: {notional} at {self.now_ns}")

    @property
    def facts(self) -> list[Journalled]:
        """Everything journalled so far."""
        return [entry.fact for entry in self.entries]

    @property
    def kills(self) -> list[KillTripped]:
        """Each time the kill switch latched."""
        return [fact for fact in self.facts if isinstance(fact, KillTripped)]

    def journalled_trades(self) -> Counter[tuple[str, str]]:
        """How often each trade of the exchange stands in the journal."""
        return Counter(
            (fact.symbol, fact.trade_id)
            for fact in self.facts
            if isinstance(fact, Fill) and not _is_second_part(fact, self.facts)
        )

    def venue_trades(self) -> Counter[tuple[str, str]]:
        """Each trade in the exchange's own record."""
        fills = self.venue.trading.ledger.fills
        return Counter((fill.symbol, str(fill.trade_id)) for fill in fills)

    def venue_orders(self) -> Counter[str]:
        """How often each client order id stands in the exchange's own record."""
        orders = self.venue.trading.ledger.orders.values()
        return Counter(
            order.terms.client_order_id
            for order in orders
            if order.terms.client_order_id in self.placed
        )

    def venue_profit(self) -> Decimal:
        """What trading has brought, in the exchange's own record."""
        bookings = self.venue.trading.ledger.bookings
        return sum((b.amount for b in bookings if b.kind != "TRANSFER"), Decimal(0))

    def venue_positions(self) -> dict[str, Decimal]:
        """Signed quantity by symbol in the exchange's own record."""
        return {h.symbol: h.amount for h in self.venue.trading.account.held}


def _is_second_part(fill: Fill, facts: list[Any]) -> bool:
    """Whether a trade that passed beyond flat stands in the journal a second time."""
    if not isinstance(fill, OutsideFill):
        return False
    same = [
        fact
        for fact in facts
        if isinstance(fact, OutsideFill)
        and (fact.symbol, fact.trade_id) == (fill.symbol, fill.trade_id)
    ]
    return len(same) > 1 and same[0] is not fill
