"""REST: endpoints, refusals and weights, as the reference says."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.binance.exchange_info import read_exchange_info
from connectors.exchange.listing import Listed
from connectors.exchange.request_weight import (
    FIRST_BAN_S,
    IGNORED_UNTIL_BAN,
    WEIGHT_PER_MINUTE,
    RequestWeight,
)
from connectors.exchange.rest_market import DEPTH_WEIGHTS, ENDPOINTS
from connectors.exchange.tape import TapeEvent
from connectors.exchange.venue import Venue
from flows.domain.event import MarketTrade
from flows.domain.instrument import PACKAGED
from flows.domain.units import NS_PER_S
from tests.connectors.exchange.exchange_samples import (
    BTC,
    ETH,
    START_NS,
    QuietTape,
    pass_ms,
    quiet_venue,
    requested,
    synthetic_venue,
)

WEIGHT = "X-MBX-USED-WEIGHT-1M"


@pytest.fixture(scope="module")
def venue() -> Venue:
    """A market that has been open for a while; tests only ask it."""
    venue = synthetic_venue()
    pass_ms(venue, 20_000)
    return venue


@pytest.fixture(autouse=True)
def full_budget(venue: Venue) -> None:
    venue._rest.weights.clear()


def weight_of(venue: Venue, path: str, **params: str) -> int:
    def used() -> int:
        reply = venue.request("GET", "/fapi/v1/ping", {}, ip="10.0.0.1")
        return int(reply.headers[WEIGHT])

    before = used()
    venue.request("GET", f"/fapi/v1/{path}", params, ip="10.0.0.1")
    return used() - before - 1


@pytest.mark.parametrize("path", ENDPOINTS)
def test_request_each_endpoint_answers(venue: Venue, path: str) -> None:
    params = {"symbol": BTC, "interval": "1m"}
    reply = venue.request("GET", path, params)
    assert reply.status == 200
    assert msgspec.json.decode(reply.body) is not None
    assert int(reply.headers[WEIGHT]) > 0


@pytest.mark.parametrize(("limit", "weight"), DEPTH_WEIGHTS.items())
def test_depth_each_limit_has_levels_and_weight(
    venue: Venue, limit: int, weight: int
) -> None:
    status, body = requested(venue, "depth", symbol=BTC, limit=str(limit))
    assert status == 200
    assert [len(body["bids"]), len(body["asks"])] == [limit, limit]
    bids = [Decimal(price) for price, _ in body["bids"]]
    asks = [Decimal(price) for price, _ in body["asks"]]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert weight_of(venue, "depth", symbol=BTC, limit=str(limit)) == weight


@pytest.mark.parametrize(
    ("path", "params", "code", "message"),
    [
        ("depth", {}, -1102, "Mandatory parameter 'symbol' was not sent, "),
        ("depth", {"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ("depth", {"symbol": BTC, "limit": "3"}, -4021, "3 is not valid depth limit."),
        ("depth", {"symbol": BTC, "limit": "0"}, -4021, "0 is not valid depth limit."),
        ("depth", {"symbol": BTC, "limit": "1500"}, -1130, "Data sent for parameter"),
        ("depth", {"symbol": BTC, "limit": "ten"}, -1100, "Illegal characters found"),
        ("depth", {"symbol": BTC, "limit": "-5"}, -1100, "Illegal characters found"),
        ("klines", {"symbol": BTC}, -1102, "Mandatory parameter 'interval'"),
        ("klines", {"symbol": BTC, "interval": "1s"}, -1120, "Invalid interval."),
        (
            "klines",
            {"symbol": BTC, "interval": "1m", "limit": "1501"},
            -1130,
            "Data sent for parameter 'limit' is not valid.",
        ),
        ("trades", {"symbol": BTC, "limit": "1001"}, -1130, "Data sent for parameter"),
        ("premiumIndex", {"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ("ticker/24hr", {"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ],
)
def test_request_bad_parameter_has_its_code(
    venue: Venue, path: str, params: dict[str, str], code: int, message: str
) -> None:
    status, body = requested(venue, path, **params)
    assert (status, body["code"]) == (400, code)
    assert body["msg"].startswith(message)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/fapi/v1/nope"), ("POST", "/fapi/v1/depth")]
)
def test_request_unknown_path_or_method_is_404(
    venue: Venue, method: str, path: str
) -> None:
    reply = venue.request(method, path, {})
    assert reply.status == 404
    assert msgspec.json.decode(reply.body)["code"] == -5000


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("ping", {}, 1),
        ("exchangeInfo", {}, 1),
        ("trades", {"symbol": BTC}, 5),
        ("aggTrades", {"symbol": BTC}, 20),
        ("klines", {"symbol": BTC, "interval": "1m", "limit": "99"}, 1),
        ("klines", {"symbol": BTC, "interval": "1m", "limit": "499"}, 2),
        ("klines", {"symbol": BTC, "interval": "1m", "limit": "1000"}, 5),
        ("klines", {"symbol": BTC, "interval": "1m", "limit": "1001"}, 10),
        ("ticker/24hr", {"symbol": BTC}, 1),
        ("ticker/24hr", {}, 40),
        ("ticker/bookTicker", {"symbol": BTC}, 2),
        ("ticker/bookTicker", {}, 5),
        ("premiumIndex", {"symbol": BTC}, 1),
        ("premiumIndex", {}, 10),
        ("depth", {"symbol": "NOPE", "limit": "x"}, 20),
    ],
)
def test_request_weight_is_the_documented_one(
    venue: Venue, path: str, params: dict[str, str], weight: int
) -> None:
    assert weight_of(venue, path, **params) == weight


def test_exchange_info_our_own_reader_takes_it(venue: Venue, tmp_path: Any) -> None:
    file = tmp_path / "info.json"
    file.write_bytes(venue.request("GET", "/fapi/v1/exchangeInfo", {}).body)
    found = read_exchange_info(file)
    assert found == {BTC: PACKAGED[BTC], ETH: PACKAGED[ETH]}


def test_exchange_info_symbol_parameter_is_ignored(venue: Venue) -> None:
    _, body = requested(venue, "exchangeInfo", symbol="NOPE")
    assert [symbol["symbol"] for symbol in body["symbols"]] == [BTC, ETH]


@pytest.mark.parametrize(
    ("symbol", "assets"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("ETHUSDC", ("ETH", "USDC")),
        ("ETHBTC", ("ETH", "BTC")),
        ("BTCUSDT_261225", ("BTC", "USDT")),
        ("STRANGE", ("STRANGE", "USDT")),
    ],
)
def test_listed_name_tells_assets(symbol: str, assets: tuple[str, str]) -> None:
    assert Listed(symbol, 2, 3, "0.10", "0.001", "5").assets == assets


class TradesTape(QuietTape):
    """A trade every two seconds."""

    def __iter__(self) -> Iterator[TapeEvent]:
        for number in range(75):
            time_ns = START_NS + number * 2 * NS_PER_S
            price, quantity = f"618{number % 10}0.10", f"0.{number % 7 + 1}00"
            is_sale = number % 3 == 0
            yield MarketTrade(
                BTC,
                time_ns,
                0,
                number + 1,
                price,
                quantity,
                is_sale,
                is_aggregate=False,
            )


def traded_venue() -> Venue:
    """Two and a half minutes of trades."""
    venue = Venue(TradesTape([BTC], start_ns=START_NS), start_ns=START_NS)
    pass_ms(venue, 150_000)
    return venue


def test_klines_of_minutes_add_up_to_longer_ones() -> None:
    venue = traded_venue()
    _, minutes = requested(venue, "klines", symbol=BTC, interval="1m")
    _, [hour] = requested(venue, "klines", symbol=BTC, interval="1h")
    _, day = requested(venue, "ticker/24hr", symbol=BTC)
    assert len(minutes) >= 3
    assert [hour[1], hour[4]] == [minutes[0][1], minutes[-1][4]]
    assert Decimal(hour[2]) == max(Decimal(each[2]) for each in minutes)
    assert Decimal(hour[5]) == sum(Decimal(each[5]) for each in minutes)
    assert hour[8] == sum(each[8] for each in minutes) == day["count"]
    assert Decimal(day["volume"]) == Decimal(hour[5])
    assert Decimal(day["priceChange"]) == Decimal(hour[4]) - Decimal(hour[1])


def test_klines_since_a_time_begin_there() -> None:
    venue = traded_venue()
    params = {"symbol": BTC, "interval": "1m"}
    _, minutes = requested(venue, "klines", **params)
    since = str(minutes[1][0])
    _, later = requested(venue, "klines", **params, startTime=since, limit="1")
    assert later == [minutes[1]]


def test_trades_without_any_figures_are_flat() -> None:
    venue = quiet_venue()
    _, day = requested(venue, "ticker/24hr", symbol=BTC)
    assert (day["count"], day["volume"], day["priceChange"]) == (0, "0", "0.00")
    assert requested(venue, "klines", symbol=BTC, interval="1m") == (200, [])
    assert requested(venue, "trades", symbol=BTC) == (200, [])


def test_trades_newest_of_limit_in_order(venue: Venue) -> None:
    _, trades = requested(venue, "trades", symbol=BTC, limit="5")
    ids = [trade["id"] for trade in trades]
    last = venue.symbols[BTC].deals.recent[-1].trade_id
    assert ids == list(range(last - 4, last + 1))
    _, totals = requested(venue, "aggTrades", symbol=BTC, fromId="2", limit="3")
    assert [total["a"] for total in totals] == [2, 3, 4]


def test_weight_over_the_limit_429_until_the_minute_ends() -> None:
    weight, now_ns = RequestWeight(), START_NS + 47 * NS_PER_S
    assert weight.spend(WEIGHT_PER_MINUTE, now_ns) is None
    refused = weight.spend(1, now_ns)
    assert refused is not None
    end_ns = refused.until_ms * 1_000_000
    assert (refused.status, end_ns % (60 * NS_PER_S)) == (429, 0)
    assert now_ns + refused.retry_after_s * NS_PER_S == end_ns
    assert weight.spend(1, end_ns) is None
    assert weight.used == 1


def test_weight_429_ignored_becomes_ever_longer_bans() -> None:
    weight, now_ns = RequestWeight(), START_NS
    for ban in range(3):
        assert weight.spend(WEIGHT_PER_MINUTE, now_ns) is None
        refusals = [weight.spend(1, now_ns) for _ in range(IGNORED_UNTIL_BAN + 1)]
        assert [r.status for r in refusals if r] == [429] * IGNORED_UNTIL_BAN + [418]
        last = refusals[-1]
        assert last is not None
        assert last.retry_after_s == FIRST_BAN_S << ban
        still = weight.spend(1, now_ns + NS_PER_S)
        assert still is not None
        assert still.status == 418
        now_ns += (FIRST_BAN_S << ban) * NS_PER_S


def test_weight_of_addresses_is_apart() -> None:
    venue = quiet_venue()
    params = {"symbol": BTC, "limit": "1000"}
    for _ in range(WEIGHT_PER_MINUTE // 20):
        assert venue.request("GET", "/fapi/v1/depth", params).status == 200
    limited = venue.request("GET", "/fapi/v1/depth", params)
    other = venue.request("GET", "/fapi/v1/depth", params, ip="10.0.0.2")
    assert (limited.status, other.status) == (429, 200)
    assert int(limited.headers["Retry-After"]) <= 60
    assert venue.used_weight == {"127.0.0.1": 2_420, "10.0.0.2": 20}
