"""The watch: views of true books only, the last word on clock and venue."""

import pytest

from flows.domain.event import ClockTick, VenueStatus
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.watch import Watch
from tests.domain.scene import START_NS, view_of

VIEW = view_of("AAAUSDT", START_NS, [("1.00", "1")], [("1.01", "1")])


def _change(after: BookState) -> BookStateChanged:
    return BookStateChanged(
        received_ns=START_NS,
        symbol="AAAUSDT",
        before=BookState.EMPTY,
        after=after,
        update_id=None,
    )


@pytest.mark.parametrize("state", list(BookState))
def test_on_view_in_each_state_keeps_only_a_synced_one(state: BookState) -> None:
    watch = Watch()
    watch.on_state(_change(state))
    is_synced = state is BookState.SYNCED
    assert watch.is_synced("AAAUSDT") is is_synced
    assert watch.on_view(VIEW) is is_synced
    assert watch.views == ({"AAAUSDT": VIEW} if is_synced else {})


def test_on_view_of_an_unknown_symbol_shows_nothing() -> None:
    watch = Watch()
    assert not watch.on_view(VIEW)
    assert not watch.is_synced("AAAUSDT")


def test_on_state_leaving_synced_forgets_the_view() -> None:
    watch = Watch()
    watch.on_state(_change(BookState.SYNCED))
    watch.on_view(VIEW)
    watch.on_state(_change(BookState.STALE))
    watch.on_state(_change(BookState.SYNCED))
    assert watch.views == {}


def test_on_tick_without_a_measurement_keeps_the_last_skew() -> None:
    watch = Watch()
    seen = []
    for skew_ms in (None, -7, None, 0):
        watch.on_tick(ClockTick(START_NS, skew_ms))
        seen.append(watch.skew_ms)
    assert seen == [0, -7, -7, 0]


def test_on_venue_status_replaces_the_one_before() -> None:
    watch = Watch()
    assert watch.venue.is_reconciled
    status = VenueStatus(START_NS, is_reconciled=False)
    watch.on_venue(status)
    assert watch.venue is status
