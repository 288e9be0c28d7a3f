"""`mft exchange`: what it makes of its options."""

from pathlib import Path
from typing import Any

import pytest

from api.cli import exchange
from flows.domain.errors import ConfigurationError
from tests.recordings import CLIP, recorded


def options(**given: Any) -> dict[str, Any]:
    return {
        "port": 0,
        "recordings": None,
        "synthetic": None,
        "speed": "1.0",
        "loop": False,
        "scenario": None,
        "key": "probe-key",
        "secret": "probe-secret",
        "ed25519_key": None,
        "balance": "10000",
        "countdown_cancels_algos": False,
        "seed": 0,
    } | given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speed": "0"}, "--speed: expected a number above 0, was '0'"),
        ({"speed": "-1"}, "--speed: expected a number above 0, was '-1'"),
        ({"speed": "fast"}, "--speed: expected a number above 0, was 'fast'"),
        ({"speed": "1/0"}, "--speed: expected a number above 0, was '1/0'"),
        ({"synthetic": "A", "recordings": [Path("x")]}, "or --synthetic, was both"),
        ({"synthetic": ","}, "Expected at least one symbol"),
        ({"synthetic": "A,A"}, "Symbol given twice: A"),
        ({"scenario": Path("no-such-file")}, "no-such-file: not a scenario"),
        ({"balance": "much"}, "--balance: expected an amount of at least 0"),
        ({"balance": "-1"}, "--balance: expected an amount of at least 0"),
        ({"balance": "NaN"}, "--balance: expected an amount of at least 0"),
        ({"ed25519_key": Path("no-such-key")}, "no-such-key: not a public key"),
    ],
)
def test_exchange_command_bad_option_says_why(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        exchange.exchange_command(**options(**given))


def test_exchange_command_recording_names_what_it_plays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served: list[list[str]] = []

    async def serve(venue: Any, _clock: object, _port: int) -> None:
        served.append(list(venue.symbols))

    monkeypatch.setattr(exchange, "_serve", serve)
    exchange.exchange_command(**options(recordings=[recorded(CLIP)], loop=True))
    assert [sorted(symbols) for symbols in served] == [["BTCUSDT", "ETHUSDT"]]


def test_exchange_command_account_options_are_those_of_the_venue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served: list[Any] = []

    async def serve(venue: Any, _clock: object, _port: int) -> None:
        served.append(venue.trading)

    monkeypatch.setattr(exchange, "_serve", serve)
    given = {"key": "mine", "secret": "hidden", "balance": "250.5"}
    exchange.exchange_command(**options(**given))
    [trading] = served
    credentials = trading.credentials
    assert (credentials.key, credentials.secret) == ("mine", "hidden")
    assert str(trading.account.wallet) == "250.5"
