"""Who may ask: keys, signatures and timestamps, as the reference says."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connectors.exchange.rest_reply import Refusal
from connectors.exchange.trading.signature import (
    Credentials,
    ed25519_key_of,
    signed_bytes,
)
from connectors.exchange.trading.trading import TradingSettings
from flows.domain.errors import ConfigurationError
from tests.connectors.exchange.exchange_samples import BTC
from tests.connectors.exchange.trading.trader import Trader

DOCUMENTED = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
PAYLOAD = (
    b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
    b"&recvWindow=5000&timestamp=1591702613943"
)
SIGNATURE = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


@pytest.mark.parametrize("signature", [SIGNATURE, SIGNATURE.upper()])
def test_check_signature_documented_vector_is_accepted(signature: str) -> None:
    credentials = Credentials(secret=DOCUMENTED)
    with pytest.raises(Refusal) as caught:
        credentials.check_signature([PAYLOAD + b"0"], signature)
    assert caught.value.code == -1022
    credentials.check_signature([PAYLOAD], signature)


@pytest.mark.parametrize("split", [0, 20, len(PAYLOAD)])
def test_signed_bytes_query_and_body_are_joined_without_separator(split: int) -> None:
    last = b"&signature=" + SIGNATURE.encode()
    query, body = PAYLOAD[:split], PAYLOAD[split:]
    parts = (query, body + last) if body else (query + last, body)
    assert signed_bytes(*parts) == PAYLOAD


def test_signed_bytes_signature_alone_in_the_query_leaves_the_body() -> None:
    query = b"signature=" + SIGNATURE.encode()
    assert signed_bytes(query, PAYLOAD) == PAYLOAD


def test_signed_bytes_signature_not_last_stays() -> None:
    query = b"signature=00&" + PAYLOAD
    assert signed_bytes(query, b"") == query


def test_check_signature_ed25519_of_the_key_is_accepted() -> None:
    private = Ed25519PrivateKey.generate()
    credentials = Credentials(public_key=private.public_key())
    signature = base64.b64encode(private.sign(PAYLOAD)).decode()
    credentials.check_signature([PAYLOAD], signature)
    for wrong in (signature[:-4] + "AAA=", "not base64", "é", ""):
        with pytest.raises(Refusal) as caught:
            credentials.check_signature([PAYLOAD], wrong)
        assert caught.value.code == -1022


def test_ed25519_key_of_files_are_told_apart(tmp_path: Path) -> None:
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file = tmp_path / "key.pem"
    file.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes(*form))
    assert ed25519_key_of(file).public_bytes(*form) == file.read_bytes()
    rsa = generate_private_key(public_exponent=65_537, key_size=2_048).public_key()
    file.write_bytes(rsa.public_bytes(*form))
    with pytest.raises(ConfigurationError, match="expected an Ed25519 public key"):
        ed25519_key_of(file)
    file.write_text("nothing")
    with pytest.raises(ConfigurationError, match="not a public key"):
        ed25519_key_of(file)
    with pytest.raises(ConfigurationError, match="No such file"):
        ed25519_key_of(tmp_path / "absent")


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [("", 401, -2014), ("bad key!", 401, -2014), ("other-key", 401, -2015)],
)
def test_request_wrong_key_is_refused(key: str, status: int, code: int) -> None:
    trader = Trader()
    trader.key = key
    reply = trader.call("GET", "v3/balance")
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)


def test_credentials_secret_is_not_shown() -> None:
    assert DOCUMENTED not in repr(Credentials(secret=DOCUMENTED))


def test_request_wrong_secret_is_1022() -> None:
    trader = Trader()
    trader.secret += "?"
    code, message = trader.refused("GET", "v3/balance")
    assert (code, message) == (-1022, "Signature for this request is not valid.")


@pytest.mark.parametrize(
    ("offset_ms", "window", "code"),
    [
        (0, "5000", 0),
        (999, "5000", 0),
        (1_000, "5000", -1021),
        (-5_000, "5000", 0),
        (-5_001, "5000", -1021),
        (-5_001, "5002", 0),
        (-5_001, None, -1021),
        (-60_000, "60000", 0),
        (0, "60001", -1131),
        (0, "5s", -1100),
    ],
)
def test_request_timestamp_window_is_the_documented_one(
    offset_ms: int, window: str | None, code: int
) -> None:
    trader = Trader()
    timestamp = trader.now_ms + offset_ms
    reply = trader.call("GET", "v3/balance", timestamp=timestamp, recvWindow=window)
    content = json.loads(reply.body)
    found = content["code"] if isinstance(content, dict) else 0
    assert found == code


def test_request_missing_part_is_1102() -> None:
    trader = Trader()
    assert trader.refused("GET", "v3/balance", timestamp=None)[0] == -1102
    unsigned = {"timestamp": str(trader.now_ms)}
    reply = trader.venue.request(
        "GET", "/fapi/v3/balance", unsigned, api_key=trader.key
    )
    content = json.loads(reply.body)
    assert content["code"] == -1102
    assert "'signature'" in content["msg"]


def test_request_non_ascii_parameter_is_signed_encoded() -> None:
    trader = Trader()
    code, _ = trader.refused("GET", "v1/openOrders", symbol="币安USDT")
    assert code == -1121


def test_request_settings_change_the_key() -> None:
    trader = Trader(TradingSettings(Credentials("mine", "hidden")))
    assert trader.refused("GET", "v3/balance")[0] == -2015
    trader.key, trader.secret = "mine", "hidden"
    assert trader.ask("GET", "v1/openOrders", symbol=BTC) == []
