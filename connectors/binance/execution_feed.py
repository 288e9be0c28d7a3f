"""The account's side of the wire: orders, the user data stream, reconciliation.

It shares outbox and weight budget with the market feed, so that what the exchange does
to the account has its place in the one order of frames.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Protocol

import structlog

from connectors.binance.budget import WeightBudget
from connectors.binance.order_desk import OrderDesk
from connectors.binance.outbox import MALFORMED_STREAM, Outbox
from connectors.binance.reconciliation import Reconciliation, Verdict
from connectors.binance.stop_desk import StopDesk, Wanted
from connectors.binance.user_stream import UserStream
from connectors.binance.user_wire import (
    AlgoState,
    Ignored,
    KeyExpired,
    WalletChanged,
    read_user_event,
)
from connectors.binance.wallet import Wallet
from flows.domain.errors import MalformedFrame
from flows.domain.opening import Opening
from flows.domain.order import Order
from flows.domain.units import NS_PER_S

USER_STREAM = "@user"
"""Events as received; what they mean for the account follows as `@execution`."""

_EVENT_EXPECTED_NS = 3 * NS_PER_S

_log = structlog.get_logger()


class _Part(Protocol):
    """What asks the exchange, and is given the answers."""

    def owns(self, serial: int, /) -> bool: ...

    def on_reply(
        self, serial: int, status: int, body: bytes, now_ns: int, /
    ) -> None: ...

    def on_failed(self, serial: int, reason: str, now_ns: int, /) -> None: ...


class ExecutionFeed:
    """Places and cancels orders and keeps the account's books true.

    `held` says what those books hold, `stops` which stops that wants, `on_verdict` is
    told whether to believe them.
    """

    def __init__(
        self,
        outbox: Outbox,
        budget: WeightBudget,
        random: Random,
        *,
        held: Callable[[], Mapping[str, Decimal]],
        stops: Wanted,
        on_verdict: Callable[[Verdict, int], None],
        fee_bps: Decimal,
        order_prefix: str,
        on_acked: Callable[[int], None],
    ) -> None:
        wallet = Wallet()
        self.desk = OrderDesk(
            outbox, fee_bps=fee_bps, on_acked=on_acked, on_trade=wallet.on_trade
        )
        self.stream = UserStream(outbox, random)
        self.reconciliation = Reconciliation(
            outbox,
            budget,
            self.desk,
            wallet,
            held=held,
            on_verdict=on_verdict,
        )
        self.stops = StopDesk(
            outbox,
            budget,
            stops,
            lambda: self.reconciliation.reconciled_ns,
            order_prefix=order_prefix,
        )
        self._parts: tuple[_Part, ...] = (
            self.desk,
            self.stream,
            self.stops,
            self.reconciliation,
        )
        self._outbox = outbox
        self._silent_since_ns = 0
        """When an order was placed of which no event has been heard; 0: never."""

    def restore(self, opening: Opening, now_ns: int) -> None:
        """Go on from what an earlier run left."""
        self.desk.restore(opening, now_ns)
        self.reconciliation.restore(opening, now_ns)

    def place(self, order: Order, now_ns: int) -> None:
        """Send an order that the journal holds."""
        self._silent_since_ns = self._silent_since_ns or now_ns
        self.desk.place(order, now_ns)

    def cancel(self, client_order_id: str, now_ns: int) -> None:
        """Ask an order back."""
        self.desk.cancel(client_order_id, now_ns)

    def owns(self, serial: int) -> bool:
        """Whether a connection or request is of this side."""
        return any(part.owns(serial) for part in self._parts)

    def on_open(self, now_ns: int) -> None:
        """The user data stream is open; what happened before is asked for."""
        self.stream.on_open()
        self._silent_since_ns = 0
        self.stops.doubt(now_ns)
        self.reconciliation.doubt("the user data stream began", now_ns)

    def on_closed(self, reason: str, now_ns: int) -> None:
        """The user data stream has ended."""
        self.stream.on_closed(reason, now_ns)
        self.reconciliation.doubt("the user data stream ended", now_ns)

    def on_text(self, text: bytes | str, now_ns: int) -> None:
        """An event of the user data stream."""
        body = text.encode() if isinstance(text, str) else text
        try:
            event = read_user_event(body)
        except MalformedFrame as error:
            self._outbox.emit(MALFORMED_STREAM, body, now_ns)
            _log.warning("user_event_unusable", reason=str(error))
            self.reconciliation.doubt("an event could not be read", now_ns)
            return
        self._outbox.emit(USER_STREAM, body, now_ns)
        self._silent_since_ns = 0
        match event:
            case KeyExpired():
                self.stream.restart("its key expired", now_ns)
                self.reconciliation.doubt("the user data stream ended", now_ns)
            case AlgoState():
                self.stops.on_update(event, now_ns)
            case WalletChanged():
                self.reconciliation.hasten(now_ns)
            case Ignored():
                return
            case (state, execution):
                if self.desk.knows(state.client_order_id):
                    self.desk.on_update(state, execution, now_ns)
                else:
                    self.reconciliation.doubt("an order that is not ours", now_ns)

    def on_reply(self, serial: int, status: int, body: bytes, now_ns: int) -> None:
        """The exchange has answered a request."""
        self._part_of(serial).on_reply(serial, status, body, now_ns)

    def on_failed(self, serial: int, reason: str, now_ns: int) -> None:
        """A request got no answer."""
        self._part_of(serial).on_failed(serial, reason, now_ns)

    def _part_of(self, serial: int) -> _Part:
        return next(part for part in self._parts if part.owns(serial))

    def on_withheld(self, serial: int, reason: str, now_ns: int) -> None:
        """An order was stopped right before the socket."""
        self.desk.on_withheld(serial, reason, now_ns)

    def on_time(self, now_ns: int) -> None:
        """Do what is due."""
        self.stream.on_time(now_ns)
        self.desk.on_time(now_ns)
        self.stops.on_time(now_ns)
        if self.stops.wants_proof:
            self.reconciliation.hasten(now_ns)
        silent_ns = now_ns - (self._silent_since_ns or now_ns)
        if self.stream.is_up and silent_ns >= _EVENT_EXPECTED_NS:
            self._silent_since_ns = 0
            self.stream.restart("it told nothing of an order", now_ns)
            self.reconciliation.doubt("the user data stream is silent", now_ns)
        if self.stream.is_up:
            self.reconciliation.on_time(now_ns)
