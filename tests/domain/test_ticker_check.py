"""Views against the exchange's tickers, in whatever order the streams arrive."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.domain.ticker_check import TickerCheck
from flows.domain.view import BookView
from tests.domain.market_events import ticker


def view(update_id: int, bid: int | None = 100, ask: int | None = 101) -> BookView:
    """Prices in ticks of 0.1; every level holds 1.5."""
    return BookView(
        symbol="BTCUSDT",
        received_ns=0,
        update_id=update_id,
        bids=() if bid is None else ((bid, 15),),
        asks=() if ask is None else ((ask, 15),),
        bid_lots=15,
        ask_lots=15,
        price_decimals=1,
        quantity_decimals=1,
        is_beyond_horizon=False,
        is_traded=True,
    )


def results(check: TickerCheck) -> tuple[int, int]:
    return check.checked, check.equal


def test_on_ticker_same_numbers_written_otherwise_are_equal() -> None:
    check = TickerCheck()
    check.on_ticker(ticker(5, ("10", "1.500"), ("10.10", "1.5")))
    check.on_view(view(5))
    assert results(check) == (0, 0)  # a ticker of id 5 or less may still come
    check.on_ticker(ticker(6, ("9", "1"), ("10", "1")))
    assert results(check) == (1, 1)


def test_on_view_tickers_ahead_is_decided_at_once() -> None:
    check = TickerCheck()
    check.on_ticker(ticker(5, ("10.0", "1.5"), ("10.1", "1.5")))
    check.on_ticker(ticker(8, ("1", "1"), ("2", "1")))
    check.on_view(view(7))
    assert results(check) == (1, 1)


def test_on_view_other_numbers_is_checked_and_not_equal() -> None:
    for bid, ask in (
        (("10.1", "1.5"), ("10.1", "1.5")),
        (("10.0", "1.4"), ("10.1", "1.5")),
        (("10.0", "1.5"), ("10.1", "1.51")),
        (("10.0", "1.5"), ("10.2", "1.5")),
    ):
        check = TickerCheck()
        check.on_ticker(ticker(5, bid, ask))
        check.on_ticker(ticker(9, bid, ask))
        check.on_view(view(6))
        assert results(check) == (1, 0)


def test_on_view_before_every_ticker_is_not_checked() -> None:
    check = TickerCheck()
    check.on_view(view(3))
    check.on_ticker(ticker(5, ("10.0", "1.5"), ("10.1", "1.5")))
    check.on_ticker(ticker(6, ("10.0", "1.5"), ("10.1", "1.5")))
    assert results(check) == (0, 0)


def test_on_view_empty_side_equals_quantity_zero() -> None:
    check = TickerCheck()
    check.on_ticker(ticker(5, ("0.0", "0.00"), ("10.1", "1.5")))
    check.on_view(view(6, bid=None))
    check.on_view(view(7))
    check.on_ticker(ticker(9, ("1", "1"), ("2", "1")))
    assert results(check) == (2, 1)


def test_on_ticker_repeated_or_reordered_says_nothing_new() -> None:
    check = TickerCheck()
    check.on_ticker(ticker(5, ("10.0", "1.5"), ("10.1", "1.5")))
    check.on_ticker(ticker(5, ("1", "1"), ("2", "1")))
    check.on_ticker(ticker(4, ("1", "1"), ("2", "1")))
    check.on_view(view(6))
    check.on_ticker(ticker(7, ("1", "1"), ("2", "1")))
    assert results(check) == (1, 1)


def test_clear_undecided_views_are_forgotten() -> None:
    check = TickerCheck()
    check.on_ticker(ticker(1, ("1", "1"), ("2", "1")))
    check.on_view(view(5))
    check.clear()
    check.on_ticker(ticker(9, ("1", "1"), ("2", "1")))
    assert results(check) == (0, 0)


def test_on_ticker_without_views_keeps_a_bounded_number() -> None:
    check = TickerCheck()
    for update_id in range(10_000):
        check.on_ticker(ticker(update_id, ("1", "1"), ("2", "1")))
        check.on_view(view(20_000 + update_id))
    assert len(check._tickers) == len(check._views) == 4_096


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_on_ticker_any_interleaving_agrees_with_full_knowledge(
    data: st.DataObject,
) -> None:
    ticker_ids = sorted(data.draw(st.sets(st.integers(1, 40), max_size=15)))
    view_ids = sorted(data.draw(st.sets(st.integers(1, 40), max_size=15)))
    is_from_view = data.draw(
        st.permutations([True] * len(view_ids) + [False] * len(ticker_ids))
    )
    check, tickers, views = TickerCheck(), iter(ticker_ids), iter(view_ids)
    for take_view in is_from_view:
        if take_view:
            check.on_view(view(next(views), bid=100))
        else:
            update_id = next(tickers)
            price = "10.0" if update_id % 3 else "9.9"
            check.on_ticker(ticker(update_id, (price, "1.5"), ("10.1", "1.5")))
    decided = [
        max(earlier)
        for view_id in view_ids
        if ticker_ids and view_id < ticker_ids[-1]
        if (earlier := [found for found in ticker_ids if found <= view_id])
    ]
    assert check.checked == len(decided)
    assert check.equal == sum(update_id % 3 > 0 for update_id in decided)


def test_on_ticker_ids_that_begin_anew_are_checked_again() -> None:
    check = TickerCheck()
    check.on_ticker(ticker(10_000, ("1", "1"), ("2", "1")))
    for update_id in range(1, 102):
        check.on_ticker(ticker(update_id, ("10.0", "1.5"), ("10.1", "1.5")))
    check.on_view(view(102))
    check.on_ticker(ticker(103, ("1", "1"), ("2", "1")))
    assert results(check) == (1, 1)
