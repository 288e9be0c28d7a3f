"""The market feed against the exchange, both on one virtual clock, under faults."""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random

from connectors.binance.feed import MarketFeed
from connectors.binance.outbox import Action, Connect, Get, HangUp, Send
from connectors.binance.wire import decode
from connectors.exchange.fault import Fault
from connectors.exchange.rest_reply import Reply
from connectors.exchange.session import Close, Cut, Ping, Session
from connectors.exchange.synthetic_tape import SyntheticTape
from connectors.exchange.tape import Tape
from connectors.exchange.true_book import TrueBook
from connectors.exchange.venue import Venue
from flows.domain.account import AccountEvent
from flows.domain.book import BookSide
from flows.domain.books import Books
from flows.domain.frame import RawFrame
from flows.domain.instrument import Instruments
from flows.domain.run import JournalEntry, RunStarted
from flows.domain.symbol_book import BookState, BookStateChanged, SymbolBook
from flows.domain.units import NS_PER_MS, NS_PER_S
from flows.domain.view import BookView
from flows.settings import Settings
from flows.trading import build_engine

START_NS = 1_700_000_000_000_000_000
HANDSHAKE_NS = 10 * NS_PER_MS
TOP = 20
RUN = RunStarted(
    received_ns=0, symbol="", run_id="chaos", mode="paper", inputs={}, settings={}
)
CALM = Fraction(1, 16)
"""A market slow enough for ten minutes of it to pass in seconds."""


class MarketRun:
    """One scenario: every frame is judged, every view held against the exchange."""

    def __init__(
        self,
        symbols: Sequence[str],
        faults: Sequence[Fault] = (),
        seed: int = 0,
        *,
        speed: Fraction = CALM,
        tape: Tape | None = None,
        settings: Settings | None = None,
        start_ns: int = START_NS,
    ) -> None:
        settings = settings or Settings()
        if tape is None:
            tape = SyntheticTape(symbols, start_ns=start_ns, seed=seed, speed=speed)
        self.venue = Venue(tape, start_ns=start_ns, faults=faults, seed=seed)
        self.engine = build_engine(settings, RUN, Instruments())
        self.books: Books = self.engine.books
        self.feed = MarketFeed(
            symbols,
            self.books,
            self.engine.account.ledger.positions.keys,
            Random(seed),
            stale_after_ms=settings.stale_after_ms,
        )
        self.frames: list[RawFrame] = []
        self.keeps_frames = False
        self.entries: list[JournalEntry] = []
        self.checked = 0
        self.compared_whole = 0
        self.signals = 0
        self.wrong: list[str] = []
        self.states: list[BookStateChanged] = []
        self.streams: Counter[str] = Counter()
        self._states: dict[str, BookState] = {}
        self._sessions: dict[int, Session] = {}
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._planned = 0

    @property
    def now_ns(self) -> int:
        return self.venue.now_ns

    def run(self, seconds: int | Fraction) -> None:
        """Let time pass, from one happening to the next."""
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        while self.now_ns < until_ns:
            due_ns = min(self.venue.due_ns, self.feed.due_ns, until_ns)
            if self._agenda:
                due_ns = min(due_ns, self._agenda[0][0])
            for session in self._sessions.values():
                if session.due_ns is not None:
                    due_ns = min(due_ns, session.due_ns)
            self.venue.advance(max(due_ns, self.now_ns))
            self._step()

    def outages(self) -> list[tuple[str, int, int]]:
        """Symbol, begin and end of each time a book was not SYNCED after it was.

        A STALE book that went on without a hole is no outage: its market was quiet.
        """
        left: dict[str, list[BookStateChanged]] = {}
        found = []
        for change in self.states:
            if change.before is BookState.SYNCED:
                left[change.symbol] = []
            changes = left.get(change.symbol)
            if changes is None:
                continue
            changes.append(change)
            if change.after is BookState.SYNCED:
                del left[change.symbol]
                if changes[-1].before is not BookState.STALE:
                    begun_ns = changes[0].received_ns
                    found.append((change.symbol, begun_ns, change.received_ns))
        return found + [
            (symbol, changes[0].received_ns, self.now_ns)
            for symbol, changes in left.items()
        ]

    def finish(self) -> None:
        """Compare every book once more, whole."""
        for book in self.books.by_symbol.values():
            if book.state is BookState.SYNCED:
                self._compare_whole(book)

    def _step(self) -> None:
        now_ns = self.now_ns
        while self._agenda and self._agenda[0][0] <= now_ns:
            heapq.heappop(self._agenda)[2]()
        for serial, session in list(self._sessions.items()):
            if session.due_ns is not None and session.due_ns <= now_ns:
                self._receive(serial, session)
        self.feed.on_time(now_ns)
        for frame in self.feed.take_frames():
            self._judge(frame)
        for action in self.feed.take_actions():
            self._carry_out(action)

    # -- transport --------------------------------------------------------------------

    def _carry_out(self, action: Action) -> None:
        now_ns = self.now_ns
        match action:
            case Connect(serial, route):
                self._plan(now_ns + HANDSHAKE_NS, lambda: self._connect(serial, route))
            case Send(serial, text):
                if serial in self._sessions:
                    self._sessions[serial].send(text)
            case HangUp(serial):
                session = self._sessions.pop(serial, None)
                if session is not None:
                    session.hang_up()
            case Get(serial, path, params):
                reply = self.venue.request("GET", path, params)
                due_ns = now_ns + HANDSHAKE_NS + reply.delay_ns
                self._plan(due_ns, lambda: self._reply(serial, reply))

    def _connect(self, serial: int, route: str) -> None:
        session = self.venue.connect(f"/{route}/stream")
        if isinstance(session, Reply):
            self.feed.on_closed(serial, f"HTTP {session.status}", self.now_ns)
        else:
            self._sessions[serial] = session
            self.feed.on_open(serial, self.now_ns)

    def _reply(self, serial: int, reply: Reply) -> None:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        self.feed.on_reply(serial, reply.status, headers, reply.body, self.now_ns)

    def _receive(self, serial: int, session: Session) -> None:
        for item in session.receive(self.now_ns):
            match item:
                case bytes():
                    self.feed.on_text(serial, item, self.now_ns)
                case Ping(payload):
                    session.pong(payload)
                case Close() | Cut():
                    self._sessions.pop(serial, None)
                    self.feed.on_closed(serial, repr(item), self.now_ns)

    def _plan(self, due_ns: int, action: Callable[[], None]) -> None:
        self._planned += 1
        heapq.heappush(self._agenda, (due_ns, self._planned, action))

    # -- judgement --------------------------------------------------------------------

    def _judge(self, frame: RawFrame) -> None:
        if self.keeps_frames:
            self.frames.append(frame)
        self.streams[frame.stream.partition("@")[2] or frame.stream] += 1
        for output in self.books.apply(decode(frame)):
            if isinstance(output, BookView):
                self._on_view(output)
                continue
            if isinstance(output, BookStateChanged):
                self.states.append(output)
                self._states[output.symbol] = output.after
                self.engine.tracker.on_state(output)
            self._tell_account(output)

    def _on_view(self, view: BookView) -> None:
        symbol = view.symbol
        book = self.books.by_symbol[symbol]
        imbalance = self.engine.rule.judge(view)
        self._tell_account(imbalance)
        signal = self.engine.tracker.on_imbalance(imbalance)
        if signal is not None:
            self.signals += 1
            self._tell_account(signal)
            if self._states[symbol] is not BookState.SYNCED:
                self.wrong.append(f"{symbol}: a signal while {self._states[symbol]}")
        if book.last_view is view and book.state is BookState.SYNCED:
            is_fresh = bool(self.states) and self.states[-1].symbol == symbol
            if is_fresh and self.states[-1].received_ns == view.received_ns:
                self._compare_whole(book)
            else:
                self._compare_top(book)

    def _tell_account(self, event: AccountEvent) -> None:
        self.entries += self.engine.account.apply([event])

    def _compare_top(self, book: SymbolBook) -> None:
        self.checked += 1
        self._compare(book, TOP)

    def _compare_whole(self, book: SymbolBook) -> None:
        self.compared_whole += 1
        self._compare(book, None)

    def _compare(self, book: SymbolBook, limit: int | None) -> None:
        true = self.venue.symbols[book.symbol].true
        self.wrong += compare_with_exchange(book, true, limit)


def compare_with_exchange(
    book: SymbolBook, true: TrueBook, limit: int | None
) -> list[str]:
    """Where a book differs from the exchange's own at the same update id.

    The best `limit` levels a side, or all, within what the book's snapshot knew.
    """
    view = book.last_view
    assert view is not None
    if limit is not None and true.update_id == view.update_id:
        image = true.image(limit)
    else:
        found = true.image_at(view.update_id, limit)
        if found is None:
            return []  # longer ago than the exchange remembers
        image = found
    ticks, lots = book.book.ticks, book.book.lots
    wrong = []
    for name, side, levels in (
        ("bids", book.book.bids, image.bids),
        ("asks", book.book.asks, image.asks),
    ):
        theirs = [
            (ticks[price], lots[quantity])
            for price, quantity in levels
            if side.is_known(ticks[price])
        ]
        ours = _best(side, None if limit is None else len(theirs))
        if ours != theirs:
            where = f"{book.symbol} {name} at {view.update_id}"
            wrong.append(f"{where}: {ours[:3]} is not {theirs[:3]}")
    return wrong


def _best(side: BookSide, limit: int | None) -> list[tuple[int, int]]:
    if limit is not None:
        return list(side.top(limit)) if limit else []
    known = [level for level in side.levels() if side.is_known(level[0])]
    return known[::-1] if side._is_bid else known
