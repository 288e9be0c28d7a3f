"""Protective stops at the exchange: one for each open position, and no other.

    position opens            -> place -> WORKING
                              -> refused, lost, unknown: list, and place again
    position closes           -> the exchange ends its stop, or we withdraw it
    a run begins, doubt       -> list: keep what fits, withdraw what does not

A stop closes the whole position (`closePosition`), so that it never opens one and needs
no quantity. It only reduces risk: it is placed whatever forbids entries. The desk does
no I/O and reads no clock. Source: Binance USD-M "New Algo Order", "Current Algo Open
Orders", "Cancel Algo Order", event "ALGO_UPDATE".
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto

import msgspec
import structlog

from connectors.binance.budget import WeightBudget
from connectors.binance.order_desk import EXECUTION_STREAM
from connectors.binance.outbox import Call, Outbox
from connectors.binance.outcome import UNKNOWN_ORDER, Answer, Outcome, judge
from connectors.binance.user_wire import AlgoState, read_algos
from flows.domain.errors import MalformedFrame
from flows.domain.order import ProtectiveStop, StopStatus
from flows.domain.protection import StopTerms
from flows.domain.units import NS_PER_MS, NS_PER_S, plain

ALGO_PATH = "/fapi/v1/algoOrder"
OPEN_ALGOS_PATH = "/fapi/v1/openAlgoOrders"
WINDOW_MS = 5_000

_EXISTS = -4130
"""There is a stop for the position already."""
_PREFIX = "mftstop-"
_LIST_WEIGHT = 40
_LIST_EVERY_NS = 60 * NS_PER_S
_FIRST_AGAIN_NS = 250 * NS_PER_MS
_LONGEST_AGAIN_NS = 5 * NS_PER_S
_ENDS_ITSELF_NS = 500 * NS_PER_MS
"""How long the exchange has to end the stop of a position that is closed."""

_log = structlog.get_logger()

Wanted = Callable[[], Mapping[str, StopTerms]]
"""The stop that each open position should have, by symbol."""


class _Ask(Enum):
    PLACE = auto()
    CANCEL = auto()
    LIST = auto()


class _Question(msgspec.Struct, frozen=True):
    ask: _Ask
    symbol: str = ""
    client_order_id: str = ""


class _Stop(msgspec.Struct):
    client_order_id: str
    terms: StopTerms
    is_working: bool = False
    unwanted_ns: int = 0
    """Since when no position wants it; 0: it is wanted."""


class StopDesk:
    """Keeps the stops at the exchange those that the positions want.

    `proved_ns` is when the exchange last agreed that it holds what we believe: before
    that no stop is withdrawn because its position is closed. `order_prefix` is part of
    their client order ids.
    """

    def __init__(
        self,
        outbox: Outbox,
        budget: WeightBudget,
        wanted: Wanted,
        proved_ns: Callable[[], int],
        *,
        order_prefix: str,
    ) -> None:
        self._outbox = outbox
        self._budget = budget
        self._wanted = wanted
        self._proved_ns = proved_ns
        self._order_prefix = order_prefix
        self._stops: dict[str, _Stop] = {}
        self._asked: dict[int, _Question] = {}
        self._due_ns: dict[str, int] = {}
        """When a symbol's next attempt may be made, after one that failed."""
        self._failures: dict[str, int] = {}
        self._is_listed = False
        self._list_due_ns = 0
        self._placed = 0
        self.wants_proof = False
        """Whether a stop stands that no position seems to want."""

    def owns(self, serial: int) -> bool:
        """Whether a request was made here."""
        return serial in self._asked

    def working(self) -> Mapping[str, StopTerms]:
        """The stops that stand at the exchange, by symbol."""
        return {s: stop.terms for s, stop in self._stops.items() if stop.is_working}

    def doubt(self, now_ns: int) -> None:
        """Something may have happened unheard: look again."""
        self._list_due_ns = now_ns

    # -- what happens -----------------------------------------------------------------

    def on_time(self, now_ns: int) -> None:
        """Ask for what is missing, and withdraw what is too much."""
        if now_ns >= self._list_due_ns and not self._is_listing():
            self._list(now_ns)
        if not self._is_listed:
            return
        self.wants_proof = False
        wanted = self._wanted()
        for symbol, terms in wanted.items():
            if not self._is_waiting(symbol, now_ns):
                self._want(symbol, terms, now_ns)
        for symbol, stop in self._stops.items():
            if symbol not in wanted and not self._is_waiting(symbol, now_ns):
                self._unwant(symbol, stop, now_ns)

    def on_reply(self, serial: int, status: int, body: bytes, now_ns: int) -> None:
        """The exchange has answered."""
        question = self._asked.pop(serial)
        answer = judge(status, body)
        if question.ask is _Ask.LIST:
            self._on_listed(body if answer.outcome is Outcome.DONE else b"", now_ns)
            return
        symbol = question.symbol
        stop = self._stops.get(symbol)
        if stop is None or stop.client_order_id != question.client_order_id:
            return  # an event has told its end before, or it was one too many
        if question.ask is _Ask.CANCEL:
            self._on_cancelled(symbol, answer, now_ns)
        else:
            self._on_placed(symbol, stop, answer, now_ns)

    def _on_placed(self, symbol: str, stop: _Stop, answer: Answer, now_ns: int) -> None:
        match answer.outcome:
            case Outcome.DONE:
                self._on_working(symbol, stop, now_ns)
            case Outcome.UNKNOWN:
                self._fail(symbol, now_ns)
                self.doubt(now_ns)
            case _:
                if answer.code == _EXISTS:
                    self.doubt(now_ns)
                self._refuse(symbol, f"{answer.code} {answer.text}".strip(), now_ns)

    def _on_cancelled(self, symbol: str, answer: Answer, now_ns: int) -> None:
        if answer.outcome is Outcome.DONE or answer.code == UNKNOWN_ORDER:
            self._end(symbol, "withdrawn", now_ns)
        else:
            self._fail(symbol, now_ns)

    def on_failed(self, serial: int, reason: str, now_ns: int) -> None:
        """A request got no answer: it may have been carried out."""
        question = self._asked.pop(serial)
        _log.warning("protective_stop_unknown", symbol=question.symbol, reason=reason)
        if question.ask is _Ask.LIST:
            self._list_due_ns = now_ns + NS_PER_S
            return
        self._fail(question.symbol, now_ns)
        self.doubt(now_ns)

    def on_update(self, state: AlgoState, now_ns: int) -> None:
        """An event of the user data stream about a conditional order."""
        stop = self._stops.get(state.symbol)
        if stop is None or stop.client_order_id != state.client_order_id:
            return
        if not state.is_waiting:
            self._fail(state.symbol, now_ns)  # time for the position to follow
            self._end(state.symbol, state.status, now_ns)
        elif not stop.is_working:
            self._on_working(state.symbol, stop, now_ns)

    # -- requests ---------------------------------------------------------------------

    def _want(self, symbol: str, terms: StopTerms, now_ns: int) -> None:
        stop = self._stops.get(symbol)
        if stop is None:
            self._place(symbol, terms, now_ns)
        elif stop.terms.side is not terms.side:  # the position has turned round
            self._cancel(symbol, stop.client_order_id)
        else:
            stop.unwanted_ns = 0

    def _unwant(self, symbol: str, stop: _Stop, now_ns: int) -> None:
        stop.unwanted_ns = stop.unwanted_ns or now_ns
        if not stop.is_working or now_ns - stop.unwanted_ns < _ENDS_ITSELF_NS:
            return
        if self._proved_ns() > stop.unwanted_ns:
            self._cancel(symbol, stop.client_order_id)
        else:
            self.wants_proof = True

    def _place(self, symbol: str, terms: StopTerms, now_ns: int) -> None:
        self._placed += 1
        stop = _Stop(f"{_PREFIX}{self._order_prefix}-{self._placed}", terms)
        self._stops[symbol] = stop
        params = {
            "algoType": "CONDITIONAL",
            "symbol": symbol,
            "side": terms.side.value,
            "type": "STOP_MARKET",
            "triggerPrice": plain(terms.trigger_price),
            "workingType": "MARK_PRICE",
            "closePosition": "true",
            "clientAlgoId": stop.client_order_id,
        }
        self._say(symbol, stop, StopStatus.SENT, "", now_ns)
        question = _Question(_Ask.PLACE, symbol, stop.client_order_id)
        self._call(question, "POST", ALGO_PATH, params)

    def _cancel(self, symbol: str, client_order_id: str) -> None:
        params = {"symbol": symbol, "clientAlgoId": client_order_id}
        question = _Question(_Ask.CANCEL, symbol, client_order_id)
        self._call(question, "DELETE", ALGO_PATH, params)

    def _list(self, now_ns: int) -> None:
        wait_ns = self._budget.delay_ns(_LIST_WEIGHT, now_ns)
        if wait_ns:
            return
        self._budget.spend(_LIST_WEIGHT, now_ns)
        self._list_due_ns = now_ns + _LIST_EVERY_NS
        self._call(_Question(_Ask.LIST), "GET", OPEN_ALGOS_PATH, {})

    def _call(
        self, question: _Question, method: str, path: str, params: dict[str, str]
    ) -> None:
        serial = self._outbox.next_serial()
        self._asked[serial] = question
        self._outbox.do(Call(serial, method, path, params, WINDOW_MS))

    def _is_listing(self) -> bool:
        return any(asked.ask is _Ask.LIST for asked in self._asked.values())

    def _is_waiting(self, symbol: str, now_ns: int) -> bool:
        """Whether a symbol's answer is under way, or its next attempt not due."""
        return now_ns < self._due_ns.get(symbol, 0) or self._is_asked(symbol)

    # -- what is learned --------------------------------------------------------------

    def _on_listed(self, body: bytes, now_ns: int) -> None:
        """Believe the exchange's list, but of what is under way at this moment."""
        try:
            found = read_algos(body)
        except MalformedFrame as error:
            _log.warning("protective_stops_unlisted", reason=str(error))
            self._list_due_ns = now_ns + NS_PER_S
            return
        self._is_listed = True
        ours = [state for state in found if state.client_order_id.startswith(_PREFIX)]
        there = {state.client_order_id for state in ours}
        for symbol, stop in list(self._stops.items()):
            is_settled = not self._is_asked(symbol)
            if is_settled and stop.client_order_id not in there:
                self._end(symbol, "it is not there", now_ns)
        for state in ours:
            self._take_up(state, now_ns)

    def _take_up(self, state: AlgoState, now_ns: int) -> None:
        """A stop that stands at the exchange, perhaps of an earlier run."""
        stop = self._stops.get(state.symbol)
        if stop is None:
            terms = StopTerms(state.side, state.trigger_price)
            stop = self._stops[state.symbol] = _Stop(state.client_order_id, terms)
        if stop.client_order_id != state.client_order_id:
            self._cancel(state.symbol, state.client_order_id)
        elif not stop.is_working:
            self._on_working(state.symbol, stop, now_ns)

    def _is_asked(self, symbol: str) -> bool:
        return any(asked.symbol == symbol for asked in self._asked.values())

    def _on_working(self, symbol: str, stop: _Stop, now_ns: int) -> None:
        stop.is_working = True
        self._failures.pop(symbol, None)
        self._due_ns.pop(symbol, None)
        self._say(symbol, stop, StopStatus.WORKING, "", now_ns)

    def _refuse(self, symbol: str, reason: str, now_ns: int) -> None:
        stop = self._stops.pop(symbol)
        self._fail(symbol, now_ns)
        _log.warning("protective_stop_refused", symbol=symbol, reason=reason)
        self._say(symbol, stop, StopStatus.REFUSED, reason, now_ns)

    def _end(self, symbol: str, reason: str, now_ns: int) -> None:
        stop = self._stops.pop(symbol)
        self._say(symbol, stop, StopStatus.ENDED, reason, now_ns)

    def _fail(self, symbol: str, now_ns: int) -> None:
        """Wait with the symbol's next attempt, longer each time."""
        failures = self._failures.get(symbol, 0)
        self._failures[symbol] = failures + 1
        wait_ns = min(_FIRST_AGAIN_NS << min(failures, 8), _LONGEST_AGAIN_NS)
        self._due_ns[symbol] = now_ns + wait_ns

    def _say(
        self, symbol: str, stop: _Stop, status: StopStatus, reason: str, now_ns: int
    ) -> None:
        fact = ProtectiveStop(
            received_ns=now_ns,
            symbol=symbol,
            client_order_id=stop.client_order_id,
            side=stop.terms.side,
            trigger_price=stop.terms.trigger_price,
            status=status,
            reason=reason,
        )
        self._outbox.tell(EXECUTION_STREAM, fact, now_ns)
