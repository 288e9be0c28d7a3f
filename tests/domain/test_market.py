"""A frame's market, from what the payload says of itself."""

import pytest

from flows.domain.market import Market, market_of


@pytest.mark.parametrize(
    ("symbol", "family", "previous_id", "market"),
    [
        ("BTCUSDT", 1, 7, Market.USD_M),
        ("BTCUSD_PERP", 2, 7, Market.COIN_M),
        ("BTCUSDT", None, None, Market.SPOT),
        ("BTCUSDT", None, 0, Market.USD_M),
        ("BTCUSDT_220325", None, 7, Market.USD_M),
        ("BTCUSD_PERP", None, 7, Market.COIN_M),
        ("ETHUSD_210924", None, 7, Market.COIN_M),
        ("BTCUSD_PERP", 1, 7, Market.USD_M),
        ("BTCUSDT", 9, 7, Market.USD_M),
        ("USD_PERP", None, 7, Market.USD_M),
    ],
)
def test_market_of_symbol_and_fields_gives_market(
    symbol: str, family: int | None, previous_id: int | None, market: Market
) -> None:
    assert market_of(symbol, family=family, previous_id=previous_id) is market


def test_is_traded_each_market_is_true_for_usd_m_only() -> None:
    assert [market for market in Market if market.is_traded] == [Market.USD_M]
    assert [market for market in Market if market.is_spot] == [Market.SPOT]
