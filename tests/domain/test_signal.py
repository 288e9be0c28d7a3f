"""A signal is the entry into a zone, and there is one for each."""

from decimal import Decimal

import pytest

from flows.domain.imbalance import Imbalance, Zone
from flows.domain.side import Side
from flows.domain.signal import Signal, ZoneTracker
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.view import BookView

BUY, SELL, NEUTRAL = Zone.BUY, Zone.SELL, Zone.NEUTRAL


def imbalance(zone: Zone, update_id: int = 1, symbol: str = "BTCUSDT") -> Imbalance:
    view = BookView(
        symbol=symbol,
        received_ns=10 * update_id,
        update_id=update_id,
        bids=((6183230, 31),),
        asks=(),
        bid_lots=31,
        ask_lots=0,
        price_decimals=2,
        quantity_decimals=3,
        is_beyond_horizon=False,
        is_traded=True,
    )
    return Imbalance(view, zone)


def sides(zones: list[Zone]) -> list[Side | None]:
    tracker = ZoneTracker()
    found = [tracker.on_imbalance(imbalance(zone)) for zone in zones]
    return [signal.side if signal else None for signal in found]


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ([NEUTRAL, BUY, BUY], [None, Side.BUY, None]),
        ([BUY, NEUTRAL, BUY], [Side.BUY, None, Side.BUY]),
        ([BUY, SELL, SELL, BUY], [Side.BUY, Side.SELL, None, Side.BUY]),
        ([NEUTRAL, NEUTRAL], [None, None]),
    ],
)
def test_on_imbalance_zones_in_turn_signal_each_entry(
    zones: list[Zone], expected: list[Side | None]
) -> None:
    assert sides(zones) == expected


def test_on_imbalance_entry_says_what_was_seen() -> None:
    assert ZoneTracker().on_imbalance(imbalance(BUY, 7)) == Signal(
        received_ns=70,
        symbol="BTCUSDT",
        side=Side.BUY,
        update_id=7,
        bid_volume=Decimal("0.031"),
        ask_volume=Decimal("0.000"),
        best_bid=Decimal("61832.30"),
        best_ask=None,
    )


def test_on_imbalance_two_symbols_have_zones_of_their_own() -> None:
    tracker = ZoneTracker()
    assert tracker.on_imbalance(imbalance(BUY)) is not None
    assert tracker.on_imbalance(imbalance(BUY, symbol="ETHUSDT")) is not None
    assert tracker.on_imbalance(imbalance(BUY)) is None
    assert tracker.views == {
        "BTCUSDT": {BUY: 2, SELL: 0, NEUTRAL: 0},
        "ETHUSDT": {BUY: 1, SELL: 0, NEUTRAL: 0},
    }


def test_on_state_book_left_synced_makes_the_same_zone_new() -> None:
    tracker = ZoneTracker()
    tracker.on_imbalance(imbalance(BUY))
    tracker.on_imbalance(imbalance(BUY, symbol="ETHUSDT"))
    tracker.on_state(
        BookStateChanged(
            received_ns=1,
            symbol="BTCUSDT",
            before=BookState.SYNCED,
            after=BookState.GAP,
            update_id=1,
        )
    )
    again = tracker.on_imbalance(imbalance(BUY))
    assert again is not None
    assert again.side is Side.BUY
    assert tracker.on_imbalance(imbalance(BUY, symbol="ETHUSDT")) is None


def test_opposite_each_side_is_the_other() -> None:
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
