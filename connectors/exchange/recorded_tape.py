"""Recordings as a tape: paced, looped, with ids and times that keep increasing."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

from msgspec.structs import replace

from connectors.binance.wire import decode
from connectors.exchange.listing import listed_from
from connectors.exchange.tape import Opening, TapeEvent, Tempo
from connectors.recording import merged_frames
from flows.domain.errors import ConfigurationError
from flows.domain.event import (
    BookTicker,
    DepthDelta,
    DepthSnapshot,
    Event,
    MarketTrade,
)
from flows.domain.frame import RawFrame
from flows.domain.market import Market
from flows.domain.sequence import Sequence as IdSequence
from flows.domain.sequence import Verdict
from flows.domain.units import NS_PER_MS, NS_PER_S

LOOKAHEAD_NS = 60 * NS_PER_S
"""A symbol is played if its first snapshot stands in so much of the recording."""

LOOP_PAUSE_NS = 100 * NS_PER_MS
_LOOP_ID_GAP = 1_000
_BUFFER_LIMIT = 10_000
_USED_KINDS = frozenset({"depth", "snapshot", "bookTicker", "trade", "aggTrade"})


class RecordedTape:
    """Plays recordings of USD-M futures, merged, once or for ever.

    A symbol opens with its first recorded snapshot, so that its book is true from the
    first moment; events that the snapshot already holds are left out. Where the
    recording itself lost events, the symbol pauses until a recorded snapshot shows its
    book again. `unplayed` names symbols whose depth came without a usable snapshot.

    Raises ConfigurationError where no symbol can be played.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        start_ns: int,
        speed: Fraction = Fraction(1),
        is_looped: bool = False,
    ) -> None:
        self._paths = paths
        self._tempo = Tempo(start_ns, speed)
        self._is_looped = is_looped
        books, self.unplayed, self._streams = _look_ahead(paths)
        self.openings = {
            symbol: Opening(listed_from(book), replace(book, received_ns=start_ns))
            for symbol, book in books.items()
        }
        self._players = {
            symbol: _Player(opening.book) for symbol, opening in self.openings.items()
        }
        self._shift = 0
        self.loops = 0

    def __iter__(self) -> Iterator[TapeEvent]:
        """The recording's events; endless where looped."""
        while True:
            for frame in merged_frames(self._paths):
                if self._is_used(frame):
                    yield from self._translated(decode(frame))
            if not self._is_looped:
                return
            yield from self._started_over()

    def _is_used(self, frame: RawFrame) -> bool:
        symbol, _, kind = frame.stream.partition("@")
        played = self._players.get(symbol.upper())
        if played is None or kind.partition("@")[0] not in _USED_KINDS:
            return False
        return kind == "snapshot" or frame.stream in self._streams

    def _translated(self, event: Event) -> Iterator[TapeEvent]:
        if isinstance(event, DepthDelta | DepthSnapshot | BookTicker | MarketTrade):
            time_ns = self._tempo.at(event.received_ns)
            player = self._players[event.symbol]
            for played in player.play(event):
                yield _shifted(played, time_ns, self._shift, player.trade_shift)

    def _started_over(self) -> Iterator[TapeEvent]:
        """Let every book become its opening again, under ids never used before."""
        self.loops += 1
        players = self._players.values()
        last_id = max(player.last_id for player in players)
        first_id = min(player.opening.last_update_id for player in players)
        self._shift += last_id - first_id + _LOOP_ID_GAP
        time_ns = self._tempo.start_over(LOOP_PAUSE_NS)
        for player in players:
            player.start_over()
            yield _shifted(player.opening, time_ns, self._shift, 0)


class _Player:
    """Which of one symbol's recorded events belong on the tape."""

    def __init__(self, opening: DepthSnapshot) -> None:
        self.opening = opening
        self.last_id = opening.last_update_id
        self.trade_shift = 0
        self._trade_ids: tuple[int, int] | None = None
        self._sequence = IdSequence(is_spot=False)
        self._waiting: deque[DepthDelta] = deque(maxlen=_BUFFER_LIMIT)
        self._begin(opening)

    def play(self, event: TapeEvent) -> Iterator[TapeEvent]:
        """What `event` puts on the tape."""
        match event:
            case DepthDelta():
                yield from self._judged(event)
            case DepthSnapshot():
                yield from self._resumed(event)
            case BookTicker():
                self.last_id = max(self.last_id, event.update_id)
                if event.update_id >= self.opening.last_update_id:
                    yield event
            case MarketTrade():
                first, last = self._trade_ids or (event.trade_id, event.trade_id)
                self._trade_ids = first, max(last, event.trade_id)
                yield event

    def start_over(self) -> None:
        """Begin at the opening again."""
        self._waiting.clear()
        self._begin(self.opening)
        if self._trade_ids is not None:
            first, last = self._trade_ids
            self.trade_shift += last - first + 1

    def _begin(self, book: DepthSnapshot) -> None:
        self._book_id = book.last_update_id
        self._sequence.start(self._book_id)

    def _judged(self, delta: DepthDelta) -> Iterator[TapeEvent]:
        self.last_id = max(self.last_id, delta.last_id)
        verdict = self._sequence.judge(delta.first_id, delta.last_id, delta.previous_id)
        if verdict is Verdict.APPLY and delta.last_id > self._book_id:
            yield delta  # the snapshot may end with the very event that bridges it
        elif verdict in {Verdict.GAP, Verdict.WAIT}:
            self._waiting.append(delta)

    def _resumed(self, snapshot: DepthSnapshot) -> Iterator[TapeEvent]:
        if not self._sequence.needs_snapshot:
            return
        self._begin(snapshot)
        self.last_id = max(self.last_id, snapshot.last_update_id)
        yield snapshot
        waiting = list(self._waiting)
        self._waiting.clear()
        for delta in waiting:
            yield from self._judged(delta)


def _shifted(event: TapeEvent, time_ns: int, ids: int, trades: int) -> TapeEvent:
    match event:
        case DepthDelta():
            first, last = event.first_id + ids, event.last_id + ids
            return replace(event, received_ns=time_ns, first_id=first, last_id=last)
        case DepthSnapshot():
            last = event.last_update_id + ids
            return replace(event, received_ns=time_ns, last_update_id=last)
        case BookTicker():
            return replace(event, received_ns=time_ns, update_id=event.update_id + ids)
        case MarketTrade():
            return replace(event, received_ns=time_ns, trade_id=event.trade_id + trades)


def _look_ahead(
    paths: Sequence[Path],
) -> tuple[dict[str, DepthSnapshot], list[str], frozenset[str]]:
    """First snapshots, symbols without one, and the streams that are played."""
    books: dict[str, DepthSnapshot] = {}
    seen: Counter[str] = Counter()
    for frame in _head(paths):
        kind = frame.stream.partition("@")[2].partition("@")[0]
        if kind not in _USED_KINDS:
            continue
        if kind == "snapshot":
            event = decode(frame)
            if isinstance(event, DepthSnapshot):
                books.setdefault(event.symbol, event)
            continue
        if kind == "depth" and not seen[frame.stream]:
            _refuse_other_markets(frame)
        seen[frame.stream] += 1
    with_depth = {name.partition("@")[0].upper() for name in seen if "@depth" in name}
    played = {symbol: book for symbol, book in books.items() if symbol in with_depth}
    if not played:
        msg = "No symbol of the recording has both depth events and a snapshot in its "
        raise ConfigurationError(msg + "first 60 s")
    return played, sorted(with_depth - set(books)), _one_of_a_kind(seen)


def _head(paths: Sequence[Path]) -> Iterator[RawFrame]:
    frames = merged_frames(paths)
    first = next(frames)
    yield first
    end_ns = first.received_ns + LOOKAHEAD_NS
    yield from takewhile(lambda frame: frame.received_ns < end_ns, frames)


def _refuse_other_markets(frame: RawFrame) -> None:
    event = decode(frame)
    if isinstance(event, DepthDelta) and event.market is not Market.USD_M:
        msg = f"{frame.place}: {event.symbol} is a {event.market.value} symbol; "
        raise ConfigurationError(msg + "this exchange plays usd-m recordings")


def _one_of_a_kind(seen: Counter[str]) -> frozenset[str]:
    """One stream of each kind a symbol: the first depth speed, trades if there are."""
    chosen: dict[tuple[str, str], str] = {}
    for name in sorted(seen, key=lambda name: name.endswith("@aggTrade")):
        symbol, _, kind = name.partition("@")
        kind = kind.partition("@")[0]
        chosen.setdefault((symbol, "trade" if kind == "aggTrade" else kind), name)
    return frozenset(chosen.values())
