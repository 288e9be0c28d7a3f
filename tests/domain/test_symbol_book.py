"""A symbol's book from state to state; futures ids unless a test says otherwise."""

from collections.abc import Iterable

import pytest

from flows.domain.book import FULL_SNAPSHOT_SIDE
from flows.domain.errors import MarketDataError
from flows.domain.event import DepthDelta
from flows.domain.market import Market
from flows.domain.symbol_book import (
    BUFFER_LIMIT,
    RECENT_LIMIT,
    BookOutput,
    BookState,
    BookStateChanged,
    DepthCounts,
    SymbolBook,
)
from flows.domain.units import NS_PER_MS
from flows.domain.view import BookView
from tests.domain.market_events import SYMBOL, delta, snapshot, ticker

EMPTY, BRIDGING, SYNCED = BookState.EMPTY, BookState.BRIDGING, BookState.SYNCED
GAP, CROSSED = BookState.GAP, BookState.CROSSED
DRIFTED, STALE = BookState.DRIFTED, BookState.STALE
STALE_AFTER_MS = 3_000
Summary = list[BookState | tuple[int, int]]


def new_book() -> SymbolBook:
    return SymbolBook(SYMBOL, depth=5, stale_after_ms=STALE_AFTER_MS)


def synced_book() -> SymbolBook:
    """Bid 10, ask 11; the last event has u = 105."""
    book = new_book()
    book.on_snapshot(snapshot(100))
    book.on_delta(delta((95, 105, 90)))
    assert book.state is SYNCED
    return book


def summary(out: Iterable[BookOutput]) -> Summary:
    """New states, and (update id, received time) of views, in order."""
    return [
        (part.update_id, part.received_ns) if isinstance(part, BookView) else part.after
        for part in out
    ]


def counted(book: SymbolBook) -> dict[str, int]:
    """The counts that are not 0."""
    return {
        name: count
        for name in DepthCounts.__struct_fields__
        if (count := getattr(book.counts, name))
    }


# Bridging ----------------------------------------------------------------------------


def test_on_snapshot_before_any_event_waits_for_the_one_that_bridges() -> None:
    book = new_book()
    assert summary(book.on_snapshot(snapshot(100, at=1))) == [BRIDGING]
    assert summary(book.on_delta(delta((80, 90, 70), at=2))) == []
    assert summary(book.on_delta(delta((95, 105, 90), at=3))) == [SYNCED, (105, 3)]
    assert counted(book) == {"depth_events": 2, "stale": 1, "applied": 1}


def test_on_snapshot_after_events_releases_them_at_its_own_time() -> None:
    book = new_book()
    assert summary(book.on_delta(delta((80, 90, 70), at=1))) == [BRIDGING]
    assert summary(book.on_delta(delta((95, 105, 90), at=2))) == []
    assert summary(book.on_delta(delta((110, 120, 105), at=3))) == []
    assert counted(book) == {"depth_events": 3, "waiting": 3}
    out = book.on_snapshot(snapshot(100, at=4))
    assert summary(out) == [SYNCED, (105, 4), (120, 4)]
    assert counted(book) == {"depth_events": 3, "stale": 1, "applied": 2}


def test_on_snapshot_too_old_keeps_the_buffer_for_a_newer_one() -> None:
    book = new_book()
    book.on_delta(delta((95, 105, 90), at=1))
    assert summary(book.on_snapshot(snapshot(50, at=2))) == []
    assert book.state is BRIDGING
    assert counted(book) == {"depth_events": 1, "waiting": 1}
    assert summary(book.on_snapshot(snapshot(101, at=3))) == [SYNCED, (105, 3)]
    assert counted(book) == {"depth_events": 1, "applied": 1}


def test_on_snapshot_newer_than_the_buffer_bridges_with_the_next_event() -> None:
    book = new_book()
    book.on_delta(delta((80, 90, 70), at=1))
    assert summary(book.on_snapshot(snapshot(100, at=2))) == []
    assert summary(book.on_delta(delta((95, 105, 90), at=3))) == [SYNCED, (105, 3)]
    assert counted(book) == {"depth_events": 2, "stale": 1, "applied": 1}


def test_on_delta_first_beyond_the_snapshot_waits_for_a_newer_one() -> None:
    book = new_book()
    book.on_snapshot(snapshot(100))
    assert summary(book.on_delta(delta((110, 120, 105), at=1))) == []
    assert counted(book) == {"depth_events": 1, "waiting": 1}
    assert summary(book.on_snapshot(snapshot(115, at=2))) == [SYNCED, (120, 2)]


def test_on_snapshot_of_spot_bridges_by_the_spot_rule() -> None:
    book = new_book()
    book.on_delta(delta((99, 100, None), at=1))
    book.on_delta(delta((101, 105, None), at=2))
    assert summary(book.on_snapshot(snapshot(100, at=3))) == [SYNCED, (105, 3)]
    assert book.market is Market.SPOT
    assert counted(book) == {"depth_events": 2, "stale": 1, "applied": 1}


def test_on_delta_buffer_full_drops_the_oldest() -> None:
    book = new_book()
    for number in range(BUFFER_LIMIT + 3):
        book.on_delta(delta((number + 1, number + 1, number)))
    out = book.on_snapshot(snapshot(3))
    assert len(out) == BUFFER_LIMIT + 1
    assert counted(book) == {
        "depth_events": BUFFER_LIMIT + 3,
        "applied": BUFFER_LIMIT,
        "waiting": 3,  # dropped before any snapshot reached them
    }


@pytest.mark.parametrize("level", [("-1", "1"), ("1", "1e5"), ("", "1")])
def test_on_delta_malformed_number_raises_also_where_the_event_waits(
    level: tuple[str, str],
) -> None:
    waiting, behind, other_speed = new_book(), synced_book(), synced_book()
    for book, event in (
        (waiting, delta((1, 2, 0), [level])),
        (behind, delta((95, 105, 90), [], [level])),
        (behind, delta((200, 210, 190), [level])),
        (other_speed, delta((1, 2, 0), [level], stream="btcusdt@depth@500ms")),
        (synced_book(), delta((106, 110, 105), [level])),
    ):
        with pytest.raises(ValueError, match="Expected an unsigned decimal"):
            book.on_delta(event)


def test_on_snapshot_malformed_number_raises_in_every_state() -> None:
    for book in (new_book(), synced_book()):
        with pytest.raises(ValueError, match="Expected an unsigned decimal"):
            book.on_snapshot(snapshot(200, [("10", "-1")]))


# Sequence ----------------------------------------------------------------------------


def test_on_delta_lost_event_is_a_gap_at_once_and_bridges_again() -> None:
    book = synced_book()
    assert summary(book.on_delta(delta((121, 130, 120), at=1))) == [GAP]
    assert summary(book.on_delta(delta((131, 140, 130), at=2))) == []
    assert counted(book) == {"depth_events": 3, "applied": 1, "gaps": 1, "waiting": 1}
    out = book.on_snapshot(snapshot(125, at=3))
    assert summary(out) == [SYNCED, (130, 3), (140, 3)]
    assert counted(book) == {"depth_events": 3, "applied": 2, "gaps": 1}


def test_on_snapshot_older_than_the_gap_keeps_waiting() -> None:
    book = synced_book()
    book.on_delta(delta((121, 130, 120), at=1))
    assert summary(book.on_snapshot(snapshot(110, at=2))) == []
    assert book.state is GAP
    assert counted(book) == {"depth_events": 2, "applied": 1, "gaps": 1}
    assert summary(book.on_snapshot(snapshot(140, at=3))) == []
    assert summary(book.on_delta(delta((135, 150, 130), at=4))) == [SYNCED, (150, 4)]
    assert counted(book) == {"depth_events": 3, "applied": 2, "gaps": 1}


def test_on_snapshot_with_a_gap_in_the_buffer_stops_there() -> None:
    book = new_book()
    for ids in ((95, 105, 90), (106, 110, 105), (121, 130, 120), (131, 140, 130)):
        book.on_delta(delta(ids))
    out = book.on_snapshot(snapshot(100, at=1))
    assert summary(out) == [SYNCED, (105, 1), (110, 1), GAP]
    assert counted(book) == {"depth_events": 4, "applied": 2, "gaps": 1, "waiting": 1}


def test_on_delta_repeated_or_older_is_a_duplicate() -> None:
    book = synced_book()
    assert book.on_delta(delta((95, 105, 90), [("10", "9")])) == []
    assert book.on_delta(delta((50, 60, 40), [("10", "9")])) == []
    assert counted(book) == {"depth_events": 3, "applied": 1, "duplicates": 2}
    assert book.book.bids.lots == {10: 1}


def test_on_delta_crossing_the_book_leaves_synced_without_a_view() -> None:
    book = synced_book()
    event = delta((106, 110, 105), [("11", "1")], at=1)
    assert summary(book.on_delta(event)) == [CROSSED]
    assert summary(book.on_delta(delta((111, 120, 110), at=2))) == []
    assert counted(book) == {
        "depth_events": 3,
        "applied": 2,
        "waiting": 1,
        "crossed": 1,
    }
    assert summary(book.on_snapshot(snapshot(110, at=3))) == [SYNCED, (120, 3)]


def test_on_snapshot_crossed_itself_is_crossed_with_the_first_event() -> None:
    book = new_book()
    book.on_delta(delta((95, 105, 90)))
    out = book.on_snapshot(snapshot(100, [("11", "1")], [("11", "1")], at=1))
    assert summary(out) == [CROSSED]


def test_on_delta_of_a_second_speed_is_counted_apart_and_not_applied() -> None:
    book = synced_book()
    other = delta((1, 2, 0), [("10", "9")], stream="btcusdt@depth@500ms")
    assert book.on_delta(other) == []
    assert counted(book) == {"depth_events": 1, "applied": 1, "other_speed": 1}
    assert book.book.bids.lots == {10: 1}


def test_on_delta_of_another_market_raises_market_data_error() -> None:
    book = synced_book()
    with pytest.raises(MarketDataError, match="BTCUSDT is a usd-m symbol here"):
        book.on_delta(delta((106, 110, None)))


# Silence -----------------------------------------------------------------------------


def test_on_time_silence_of_exactly_the_limit_is_stale() -> None:
    book = synced_book()
    limit_ns = STALE_AFTER_MS * NS_PER_MS
    assert book.on_time(limit_ns - 1) == []
    out = book.on_time(limit_ns)
    assert out == [
        BookStateChanged(
            received_ns=limit_ns,
            symbol=SYMBOL,
            before=SYNCED,
            after=STALE,
            update_id=105,
        )
    ]
    assert book.on_time(2 * limit_ns) == []


def test_on_other_frame_of_the_symbol_puts_staleness_off() -> None:
    book = synced_book()
    limit_ns = STALE_AFTER_MS * NS_PER_MS
    book.on_other(limit_ns - 1)
    assert book.on_time(2 * limit_ns - 2) == []
    book.on_ticker(ticker(1, ("10", "1"), ("11", "1"), at=2 * limit_ns - 2))
    assert book.on_time(3 * limit_ns - 3) == []
    assert summary(book.on_time(3 * limit_ns - 2)) == [STALE]


def test_on_delta_in_sequence_ends_staleness() -> None:
    book = synced_book()
    limit_ns = STALE_AFTER_MS * NS_PER_MS
    book.on_time(limit_ns)
    assert book.on_other(limit_ns + 1) == []
    assert book.state is STALE
    assert book.on_delta(delta((95, 105, 90), at=limit_ns + 2)) == []
    assert book.state is STALE
    event = delta((106, 110, 105), at=limit_ns + 3)
    assert summary(book.on_delta(event)) == [SYNCED, (110, limit_ns + 3)]


def test_on_delta_first_after_silence_is_stale_and_synced_again() -> None:
    book = synced_book()
    limit_ns = STALE_AFTER_MS * NS_PER_MS
    event = delta((106, 110, 105), at=limit_ns)
    assert summary(book.on_delta(event)) == [STALE, SYNCED, (110, limit_ns)]


def test_on_delta_lost_event_while_stale_is_a_gap() -> None:
    book = synced_book()
    book.on_time(STALE_AFTER_MS * NS_PER_MS)
    event = delta((121, 130, 120), at=STALE_AFTER_MS * NS_PER_MS + 1)
    assert summary(book.on_delta(event)) == [GAP]


@pytest.mark.parametrize("state", [EMPTY, BRIDGING, GAP])
def test_on_time_book_not_synced_does_not_become_stale(state: BookState) -> None:
    book = synced_book() if state is GAP else new_book()
    if state is not EMPTY:
        book.on_delta(delta((121, 130, 120)))
    assert book.state is state
    assert book.on_time(10 * STALE_AFTER_MS * NS_PER_MS) == []


# Audits ------------------------------------------------------------------------------


def test_on_snapshot_equal_while_synced_changes_nothing() -> None:
    book = synced_book()
    assert book.on_snapshot(snapshot(105, [("10.0", "1.0")])) == []
    assert counted(book) == {"depth_events": 1, "applied": 1, "audits": 1}
    assert summary(book.on_delta(delta((106, 110, 105), at=1))) == [(110, 1)]


def test_on_snapshot_older_than_the_book_is_compared_at_the_same_id() -> None:
    book = synced_book()
    book.on_delta(delta((106, 110, 105), [("9", "5")]))
    assert book.on_snapshot(snapshot(104)) == []
    assert counted(book) == {"depth_events": 2, "applied": 2, "audits": 1}


def test_on_snapshot_newer_than_the_book_is_compared_once_bridged() -> None:
    book = synced_book()
    newer = snapshot(108, [("10", "1"), ("9", "5")])
    assert book.on_snapshot(newer) == []
    assert counted(book) == {"depth_events": 1, "applied": 1}
    event = delta((106, 110, 105), [("9", "5")], at=1)
    assert summary(book.on_delta(event)) == [(110, 1)]
    assert counted(book) == {"depth_events": 2, "applied": 2, "audits": 1}


def test_on_snapshot_that_differs_drifts_and_takes_the_place() -> None:
    book = synced_book()
    assert summary(book.on_snapshot(snapshot(105, [("10", "2")], at=1))) == [DRIFTED]
    assert book.book.bids.lots == {10: 2}
    assert counted(book)["drifted"] == 1
    event = delta((106, 110, 105), at=2)
    assert summary(book.on_delta(event)) == [SYNCED, (110, 2)]


def test_on_delta_that_shows_a_drift_gives_no_view() -> None:
    book = synced_book()
    assert book.on_snapshot(snapshot(108)) == []
    event = delta((106, 110, 105), [("9", "5")], at=1)
    assert summary(book.on_delta(event)) == [(110, 1)]
    assert book.on_snapshot(snapshot(115)) == []
    out = book.on_delta(delta((111, 120, 110), [("8", "1")], at=2))
    assert summary(out) == [DRIFTED]  # the snapshot lacks the level at 9
    assert counted(book) == {
        "depth_events": 3,
        "applied": 3,
        "audits": 2,
        "drifted": 1,
    }


def test_on_snapshot_older_than_what_is_remembered_is_not_compared() -> None:
    book = synced_book()
    for number in range(RECENT_LIMIT):
        book.on_delta(delta((106 + number, 106 + number, 105 + number)))
    assert book.on_snapshot(snapshot(99, [("1", "1")])) == []
    assert book.state is SYNCED
    assert "audits" not in counted(book)
    assert book.on_snapshot(snapshot(106)) == []
    assert counted(book)["audits"] == 1


def test_on_snapshot_of_spot_is_compared_with_the_next_event() -> None:
    book = new_book()
    book.on_snapshot(snapshot(100))
    book.on_delta(delta((101, 105, None)))
    assert book.on_snapshot(snapshot(105)) == []
    assert "audits" not in counted(book)
    book.on_delta(delta((106, 106, None)))
    assert counted(book)["audits"] == 1


def test_on_delta_lost_event_ends_the_audit_under_way() -> None:
    book = synced_book()
    assert book.on_snapshot(snapshot(200)) == []
    assert summary(book.on_delta(delta((121, 130, 120)))) == [GAP]
    book.on_snapshot(snapshot(125))
    assert book.state is SYNCED
    assert book.on_snapshot(snapshot(130)) == []
    assert counted(book)["audits"] == 1


def test_on_snapshot_equal_and_deeper_extends_the_horizon() -> None:
    book = new_book()
    bids = [(str(5_000 - number), "1") for number in range(FULL_SNAPSHOT_SIDE)]
    book.on_snapshot(snapshot(100, bids, [("6000", "1")]))
    gone = [(price, "0") for price, _ in bids[:-3]]
    out = book.on_delta(delta((95, 105, 90), gone))
    assert [view.is_beyond_horizon for view in views(out)] == [True]
    left = bids[-3:] + [(str(4_000 - number), "2") for number in range(997)]
    assert book.on_snapshot(snapshot(105, left, [("6000", "1")])) == []
    out = book.on_delta(delta((106, 110, 105)))
    assert [view.is_beyond_horizon for view in views(out)] == [False]
    assert [price for price, _ in views(out)[0].bids] == [
        4_003,
        4_002,
        4_001,
        4_000,
        3_999,
    ]


def views(out: Iterable[BookOutput]) -> list[BookView]:
    return [part for part in out if isinstance(part, BookView)]


def test_on_delta_drift_forgets_views_not_checked_yet() -> None:
    book = synced_book()
    book.on_ticker(ticker(90, ("1", "1"), ("2", "1")))
    book.on_snapshot(snapshot(105, [("10", "2")]))
    book.on_ticker(ticker(107, ("10", "2"), ("11", "1")))
    assert (book.ticker_check.checked, book.ticker_check.equal) == (0, 0)
    event: DepthDelta = delta((106, 110, 105))
    book.on_delta(event)
    book.on_ticker(ticker(111, ("1", "1"), ("2", "1")))
    assert (book.ticker_check.checked, book.ticker_check.equal) == (1, 1)


def needs_snapshot(book: SymbolBook) -> bool:
    return book.needs_snapshot


# What the source knows ---------------------------------------------------------------


def test_on_alarm_lost_stream_is_stale_until_the_next_event_in_sequence() -> None:
    book = synced_book()
    assert summary(book.on_alarm(7, must_bridge=False)) == [STALE]
    assert summary(book.on_alarm(8, must_bridge=False)) == []
    assert not needs_snapshot(book)
    assert summary(book.on_delta(delta((106, 110, 105), at=9))) == [SYNCED, (110, 9)]


def test_on_alarm_that_must_bridge_needs_a_snapshot_once_an_event_waits() -> None:
    book = synced_book()
    assert summary(book.on_alarm(7, must_bridge=True)) == [GAP]
    assert summary(book.on_alarm(8, must_bridge=True)) == []
    assert not needs_snapshot(book)
    book.on_delta(delta((6, 10, 5)))
    assert needs_snapshot(book)
    assert summary(book.on_snapshot(snapshot(7, at=9))) == [SYNCED, (10, 9)]


def test_on_alarm_book_without_a_snapshot_says_nothing() -> None:
    assert summary(new_book().on_alarm(7, must_bridge=False)) == []


@pytest.mark.parametrize(("worn", "is_near"), [(749, False), (751, True)])
def test_is_near_horizon_few_known_levels_left_is_near(
    worn: int, is_near: bool
) -> None:
    book = new_book()
    bids = [(str(5_000 - n), "1") for n in range(FULL_SNAPSHOT_SIDE)]
    book.on_snapshot(snapshot(100, bids, [("6000", "1")]))
    book.on_delta(delta((95, 105, 90)))
    assert not book.is_near_horizon
    gone = [(price, "0") for price, _ in bids[:worn]]
    book.on_delta(delta((106, 110, 105), gone))
    assert book.is_near_horizon is is_near
