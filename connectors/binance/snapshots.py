"""Which symbol's order book is fetched next, within the weight that may be spent.

Urgency: a held symbol without a book, any symbol without a book, a book about to leave
what it knows, a book that disagrees with the exchange's best prices, a new segment of
the recording, and one true book after the other for an audit.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial

import structlog

from connectors.binance.budget import WeightBudget
from connectors.binance.message import read_payload
from connectors.binance.outbox import MALFORMED_STREAM, Get, Outbox
from flows.domain.books import Books
from flows.domain.errors import MalformedFrame
from flows.domain.symbol_book import BookState, SymbolBook
from flows.domain.units import NS_PER_S

DEPTH_PATH = "/fapi/v1/depth"
DEPTH_LIMIT = 1_000
DEPTH_WEIGHT = 20

_MOST_AT_ONCE = 4
_AGAIN_NS = NS_PER_S
_LONGEST_AGAIN_NS = 8 * NS_PER_S
_REFRESH_NS = 10 * NS_PER_S
_AUDIT_EVERY_NS = 10 * NS_PER_S
_AUDIT_HELD_NS = 60 * NS_PER_S
_OK = 200

_log = structlog.get_logger()


class SnapshotDesk:
    """Asks for snapshots and puts them among the frames as `<symbol>@snapshot`.

    It reads what the books downstream say of themselves; they run on the same thread,
    one batch behind.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        books: Books,
        held: Callable[[], Collection[str]],
        budget: WeightBudget,
        outbox: Outbox,
    ) -> None:
        self._symbols = tuple(symbols)
        self._books = books
        self._held = held
        self._budget = budget
        self._outbox = outbox
        self._asked: dict[int, str] = {}
        self._not_before: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._fetched: dict[str, int] = {}
        self._disagreed: dict[str, int] = {}
        self._segment_due: dict[str, None] = {}
        self._audit_ns = 0

    def begin_segment(self) -> None:
        """Fetch every symbol once, so that a recording's new segment replays alone."""
        self._segment_due = dict.fromkeys(self._symbols)

    def on_time(self, now_ns: int, is_heard: Callable[[str], bool]) -> None:
        """Ask for what is most urgent.

        Nothing is asked for a symbol that is not `is_heard`: a snapshot helps only
        together with the stream that follows it.
        """
        if self._budget.is_paused(now_ns):
            return
        for symbol in self._by_urgency(now_ns):
            if len(self._asked) >= _MOST_AT_ONCE:
                return
            if self._budget.delay_ns(DEPTH_WEIGHT, now_ns):
                return
            if self._may_ask(symbol, now_ns) and is_heard(symbol):
                self._ask(symbol, now_ns)

    def owns(self, serial: int) -> bool:
        """Whether a request was made here."""
        return serial in self._asked

    def on_reply(self, serial: int, status: int, body: bytes, now_ns: int) -> None:
        """A snapshot, or a refusal of one."""
        symbol = self._asked.pop(serial)
        if status != _OK:
            self._put_off(symbol, f"HTTP {status}", now_ns)
            return
        stream = f"{symbol.lower()}@snapshot"
        try:
            read_payload(stream, body)
        except MalformedFrame as error:
            self._outbox.emit(MALFORMED_STREAM, body, now_ns)
            self._put_off(symbol, str(error), now_ns)
            return
        self._failures.pop(symbol, None)
        self._fetched[symbol] = now_ns
        self._segment_due.pop(symbol, None)
        self._not_before[symbol] = now_ns + _AGAIN_NS
        self._outbox.emit(stream, body, now_ns)

    def on_failed(self, serial: int, reason: str, now_ns: int) -> None:
        """A request that got no reply."""
        self._put_off(self._asked.pop(serial), reason, now_ns)

    def _put_off(self, symbol: str, reason: str, now_ns: int) -> None:
        failures = self._failures[symbol] = self._failures.get(symbol, 0) + 1
        wait_ns = min(_AGAIN_NS << min(failures - 1, 8), _LONGEST_AGAIN_NS)
        self._not_before[symbol] = now_ns + wait_ns
        _log.warning("snapshot_failed", symbol=symbol, reason=reason)

    def _may_ask(self, symbol: str, now_ns: int) -> bool:
        is_due = now_ns >= self._not_before.get(symbol, 0)
        return is_due and symbol not in self._asked.values()

    def _ask(self, symbol: str, now_ns: int) -> None:
        serial = self._outbox.next_serial()
        self._asked[serial] = symbol
        self._budget.spend(DEPTH_WEIGHT, now_ns)
        if (book := self._books.by_symbol.get(symbol)) is not None:
            check = book.ticker_check
            self._disagreed[symbol] = check.checked - check.equal
        params = {"symbol": symbol, "limit": str(DEPTH_LIMIT)}
        self._outbox.do(Get(serial, DEPTH_PATH, params))

    def _by_urgency(self, now_ns: int) -> Iterator[str]:
        books = self._books.by_symbol
        known = {symbol: books[symbol] for symbol in self._symbols if symbol in books}
        needy = [symbol for symbol, book in known.items() if book.needs_snapshot]
        if needy:
            held = self._held()
            yield from sorted(needy, key=lambda symbol: symbol not in held)
        for symbol in [*self._worn_out(known, now_ns), *self._segment_due]:
            if not self._may_do_routine(now_ns):
                return
            yield symbol
        if not self._may_do_routine(now_ns):
            return
        audit = self._next_audit(known, now_ns)
        if audit is not None:
            self._audit_ns = now_ns
            yield audit

    def _may_do_routine(self, now_ns: int) -> bool:
        """Half of the weight and one request are kept for books that are not true."""
        is_one_free = len(self._asked) < _MOST_AT_ONCE - 1
        return is_one_free and not self._budget.is_half_spent(now_ns)

    def _worn_out(self, known: Mapping[str, SymbolBook], now_ns: int) -> Iterator[str]:
        """Books near their horizon, and those that disagree with the best prices."""
        for symbol, book in known.items():
            if now_ns - self._fetched.get(symbol, 0) < _REFRESH_NS:
                continue
            check = book.ticker_check
            disagreed = check.checked - check.equal
            has_news = disagreed > self._disagreed.get(symbol, 0)
            if has_news or book.is_near_horizon:
                yield symbol

    def _next_audit(self, known: Mapping[str, SymbolBook], now_ns: int) -> str | None:
        """The symbol that has gone longest without a snapshot, held ones first."""
        if now_ns - self._audit_ns < _AUDIT_EVERY_NS:
            return None
        fetched = partial(dict.get, self._fetched)
        true = [s for s, book in known.items() if book.state is BookState.SYNCED]
        held = [
            symbol
            for symbol in self._held()
            if symbol in true and now_ns - (fetched(symbol) or 0) >= _AUDIT_HELD_NS
        ]
        return min(held or true, key=lambda symbol: fetched(symbol) or 0, default=None)
