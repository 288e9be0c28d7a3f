"""What the source and the engine tell beside frames, on its way through the books."""

import pytest

from flows.domain.books import Books
from flows.domain.event import AccountOpening, DepthAlarm, InstrumentsTold
from flows.domain.opening import Opening
from flows.domain.symbol_book import BookState, BookStateChanged
from tests.domain.market_events import delta, snapshot


def synced(*symbols: str) -> Books:
    books = Books(depth=5, stale_after_ms=3_000)
    for symbol in symbols:
        books.apply(snapshot(100, symbol=symbol))
        books.apply(delta((95, 105, 90), symbol=symbol))
    return books


@pytest.mark.parametrize(
    "event", [AccountOpening(1, Opening(is_paused=True)), InstrumentsTold(1, {})]
)
def test_apply_event_for_the_account_passes_unchanged(
    event: AccountOpening | InstrumentsTold,
) -> None:
    books = Books(depth=5, stale_after_ms=3_000)
    assert list(books.apply(event)) == [event]
    assert not books.by_symbol


@pytest.mark.parametrize(
    ("must_bridge", "after"), [(False, BookState.STALE), (True, BookState.GAP)]
)
def test_apply_alarm_of_two_symbols_leaves_the_third_alone(
    must_bridge: bool, after: BookState
) -> None:
    books = synced("AAAUSDT", "BBBUSDT", "CCCUSDT")
    alarm = DepthAlarm(7, ("CCCUSDT", "AAAUSDT"), must_bridge)
    changes = books.apply(alarm)
    told = [
        (change.symbol, change.before, change.after, change.received_ns)
        for change in changes
        if isinstance(change, BookStateChanged)
    ]
    assert told == [
        ("CCCUSDT", BookState.SYNCED, after, 7),
        ("AAAUSDT", BookState.SYNCED, after, 7),
    ]
    assert books.by_symbol["BBBUSDT"].state is BookState.SYNCED
    assert list(books.apply(alarm)) == []


def test_apply_alarm_of_a_symbol_never_heard_of_changes_nothing() -> None:
    books = synced("AAAUSDT")
    assert list(books.apply(DepthAlarm(7, ("ZZZUSDT",), must_bridge=True))) == []
    assert books.by_symbol["ZZZUSDT"].state is BookState.EMPTY
