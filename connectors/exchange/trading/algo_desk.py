"""The Algo service: conditional orders from placing to what they become.

They bind no margin while they wait, and no ordinary call lists or cancels them.
"""

from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import count

from connectors.exchange.rest_reply import Params, Refusal
from connectors.exchange.trading.algo_order import (
    AlgoOrder,
    AlgoStatus,
    algo_terms,
    algo_update,
)
from connectors.exchange.trading.order_desk import OrderDesk
from connectors.exchange.trading.order_request import bad
from connectors.exchange.trading.own_order import OrderTerms, OwnOrder, PositionSide
from flows.domain.units import NS_PER_MS

MOST_ALGO_ORDERS = 200
"""Conditional orders that may wait, over all symbols."""

_FIRST_ALGO_ID = 1_000_000_200_000_001


class AlgoDesk:
    """Takes conditional orders, watches prices, fires and withdraws them."""

    def __init__(self, desk: OrderDesk) -> None:
        self.algos: dict[int, AlgoOrder] = {}
        self._desk = desk
        self._ids = count(_FIRST_ALGO_ID)
        self._last_prices: dict[str, Decimal] = {}
        execution = desk.execution
        execution.on_end.append(self._order_ended)
        execution.on_flat.append(self._position_closed)
        self._execution = execution

    def waiting(self, symbol: str = "") -> list[AlgoOrder]:
        """Conditional orders that wait, oldest first."""
        return [
            algo
            for algo in self.algos.values()
            if algo.is_open and symbol in {"", algo.terms.symbol}
        ]

    def place(self, params: Params) -> AlgoOrder:
        """Accept a conditional order, or refuse it."""
        now_ms = self._execution.now_ms
        number = next(self._ids)
        terms, trigger = algo_terms(
            params,
            now_ms=now_ms,
            is_hedged=self._desk.account.is_hedged,
            fallback_id=f"algo-{number}",
        )
        self._desk.known(terms.symbol)
        algo = AlgoOrder(number, terms, trigger, now_ms, now_ms)
        self._check(algo)
        self.algos[number] = algo
        self._tell(algo)
        if terms.good_till_ms:
            end = partial(self._end_waiting, algo, AlgoStatus.EXPIRED)
            self._execution.venue.plan(terms.good_till_ms * NS_PER_MS, end)
        return algo

    def find(self, params: Params) -> AlgoOrder | None:
        """The order named by `algoId`, or the newest of a `clientAlgoId`."""
        algo_id = params.number("algoId", 0)
        name = params.values.get("clientAlgoId", "")
        if not algo_id and not name:
            msg = "Param 'clientAlgoId' or 'algoId' must be sent, but both were "
            raise bad(-1102, msg + "empty/null!")
        if algo_id:
            return self.algos.get(algo_id)
        named = (a for a in self.algos.values() if a.terms.client_order_id == name)
        return max(named, key=lambda algo: (algo.is_open, algo.algo_id), default=None)

    def cancel(self, algo: AlgoOrder) -> None:
        """Withdraw a waiting order."""
        self._set(algo, AlgoStatus.CANCELED)

    def cancel_all(self, symbol: str) -> None:
        """Withdraw every waiting order of a symbol."""
        for algo in self.waiting(symbol):
            self.cancel(algo)

    def on_mark(self, symbol: str) -> None:
        """The mark price may have moved."""
        watching = self._watching(symbol, "MARK_PRICE")
        if watching:
            self._fire(watching, self._desk.account.mark(symbol))

    def on_contract(self, symbol: str, price: Decimal) -> None:
        """The contract has traded."""
        self._last_prices[symbol] = price
        self._fire(self._watching(symbol, "CONTRACT_PRICE"), price)

    # -- inside -------------------------------------------------------------------

    def _watching(self, symbol: str, working_type: str) -> list[AlgoOrder]:
        if not self.algos:
            return []
        waiting = self.waiting(symbol)
        return [algo for algo in waiting if algo.terms.working_type == working_type]

    def _price(self, terms: OrderTerms) -> Decimal:
        mark = self._desk.account.mark(terms.symbol)
        if terms.working_type == "MARK_PRICE":
            return mark
        return self._last_prices.get(terms.symbol, mark)

    def _check(self, algo: AlgoOrder) -> None:
        terms, waiting = algo.terms, self.waiting()
        rules = self._desk.filters[terms.symbol]
        if not terms.closes_position:
            rules.check_quantity(terms.quantity, is_market=terms.is_market)
        if algo.trigger_price > rules.highest_price:
            raise bad(-4007, "Stop price greater than max price.")
        if not terms.is_market and terms.price_match == "NONE":
            rules.check_price(terms.price)
        if any(a.terms.client_order_id == terms.client_order_id for a in waiting):
            raise bad(-4116, "ClientOrderId is duplicated.")
        if len(waiting) >= MOST_ALGO_ORDERS:
            raise bad(-4045, "Reach max stop order limit.")
        self._check_closing(algo, waiting)
        if algo.fires_at(self._price(terms)):
            raise bad(-2021, "Order would immediately trigger.")

    def _check_closing(self, algo: AlgoOrder, waiting: list[AlgoOrder]) -> None:
        if not algo.terms.closes_position:
            return
        if any(_closes_alike(algo, other) for other in waiting):
            msg = (
                "An open stop or take profit order with GTE and closePosition in the "
                "direction is existing."
            )
            raise bad(-4130, msg)
        symbol = algo.terms.symbol
        positions = self._desk.account.positions_of(symbol)
        if not any(p.amount for p in positions) and not (
            self._desk.account.ledger.open_of(symbol)
        ):
            msg = (
                "Time in Force (TIF) GTE can only be used with open positions or open "
                "orders. Please ensure that positions are available."
            )
            raise bad(-4509, msg)

    def _fire(self, algos: list[AlgoOrder], price: Decimal) -> None:
        for algo in algos:
            if algo.is_open and algo.fires_at(price):
                self._trigger(algo)

    def _trigger(self, algo: AlgoOrder) -> None:
        algo.triggered_ms = self._execution.now_ms
        self._set(algo, AlgoStatus.TRIGGERING)
        terms = self._becoming(algo)
        try:
            self._desk.check(terms)
        except Refusal as refusal:
            algo.reject_reason = refusal.message
            self._set(algo, AlgoStatus.REJECTED)
            return
        algo.order = self._execution.accept(terms)
        self._set(algo, AlgoStatus.TRIGGERED)
        self._execution.run(algo.order)

    def _becoming(self, algo: AlgoOrder) -> OrderTerms:
        terms = self._desk.priced(algo.terms)
        if terms.closes_position:
            held = self._execution.reducible(terms)
            terms = replace(terms, quantity=held or self._least(terms.symbol))
        return terms

    def _least(self, symbol: str) -> Decimal:
        return self._desk.filters[symbol].step

    def _order_ended(self, order: OwnOrder) -> None:
        for algo in self.algos.values():
            if algo.order is order:
                self._set(algo, AlgoStatus.FINISHED)

    def _position_closed(self, symbol: str, side: PositionSide) -> None:
        for algo in self.waiting(symbol):
            terms = algo.terms
            if terms.closes_position and terms.position_side is side:
                self._set(algo, AlgoStatus.EXPIRED)

    def _end_waiting(self, algo: AlgoOrder, status: AlgoStatus) -> None:
        if algo.is_open:
            self._set(algo, status)

    def _set(self, algo: AlgoOrder, status: AlgoStatus) -> None:
        algo.status, algo.updated_ms = status, self._execution.now_ms
        self._tell(algo)

    def _tell(self, algo: AlgoOrder) -> None:
        scale = self._execution.scales[algo.terms.symbol]
        event = algo_update(algo, scale, self._execution.now_ms)
        self._execution.stream.tell(event)


def _closes_alike(algo: AlgoOrder, other: AlgoOrder) -> bool:
    """Whether both close one position, by a stop both or by a profit both."""
    mine, theirs = algo.terms, other.terms
    return theirs.closes_position and (
        mine.symbol,
        mine.side,
        mine.position_side,
        mine.original_type,
    ) == (theirs.symbol, theirs.side, theirs.position_side, theirs.original_type)
