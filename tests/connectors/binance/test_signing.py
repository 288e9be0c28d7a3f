"""Signed requests, and where they may not go."""

import base64
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from connectors.binance.signing import (
    DEMO_HOSTS,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    PRODUCTION_HOSTS,
    SECRET_VARIABLE,
    Credentials,
    Mode,
    Permit,
    Signer,
    check_host,
    credentials_from,
    environment_of,
)
from flows.domain.errors import ConfigurationError, RiskLimitBreached

SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"  # noqa: S105 - published
PARAMS = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "quantity": "1",
    "price": "9000",
    "timeInForce": "GTC",
}
NOW_NS = 1_591_702_613_943_000_000
PUBLISHED = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
"""The signature in the exchange's documentation for these parameters."""


def pem_of(key: Ed25519PrivateKey | RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def is_allowed(mode: Mode, url: str) -> bool:
    try:
        check_host(mode, url)
    except ConfigurationError as error:
        return f"Mode {mode.value} does not sign requests to" not in str(error)
    return True


def test_sign_published_example_gives_the_published_signature() -> None:
    signer = Signer(Mode.LOOPBACK, "http://127.0.0.1:1", Credentials("key", SECRET))
    request = signer.sign("POST", "/fapi/v1/order", PARAMS, NOW_NS, window_ms=5_000)
    assert request.url == (
        "http://127.0.0.1:1/fapi/v1/order?symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1"
        "&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
        f"&signature={PUBLISHED}"
    )
    assert request.headers == {"X-MBX-APIKEY": "key"}


def test_sign_skew_and_odd_characters_are_signed_as_sent() -> None:
    key = Ed25519PrivateKey.generate()
    signer = Signer(
        Mode.LOOPBACK, "http://[::1]:1", Credentials("key", private_key=key)
    )
    signer.skew_ms = -250
    request = signer.sign("GET", "/x", {"symbol": "币安&USDT"}, NOW_NS, window_ms=1)
    query = urlsplit(request.url).query
    payload, _, signature = query.rpartition("&signature=")
    key.public_key().verify(base64.b64decode(unquote(signature)), payload.encode())
    assert dict(parse_qsl(payload)) == {
        "symbol": "币安&USDT",
        "recvWindow": "1",
        "timestamp": "1591702613693",
    }


@pytest.mark.parametrize(
    ("mode", "url"),
    [
        (Mode.LOOPBACK, "http://127.0.0.1:18080"),
        (Mode.LOOPBACK, "ws://127.8.9.1"),
        (Mode.LOOPBACK, "http://localhost:1"),
        (Mode.LOOPBACK, "http://[::1]:1"),
        *((Mode.DEMO, f"https://{host}") for host in sorted(DEMO_HOSTS)),
        *((Mode.LIVE, f"https://{host}") for host in sorted(PRODUCTION_HOSTS)),
        (Mode.DEMO, "wss://demo-fstream.binance.com:443"),
    ],
)
def test_check_host_of_the_mode_passes(mode: Mode, url: str) -> None:
    assert is_allowed(mode, url)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    "url",
    [
        "https://fapi.binance.com",
        "wss://fstream.binance.com",
        "https://ws-fapi.binance.com",
        "https://FAPI.BINANCE.COM",
    ],
)
def test_check_host_production_is_for_live_alone(mode: Mode, url: str) -> None:
    assert is_allowed(mode, url) is (mode is Mode.LIVE)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http://fapi.binance.com",
        "http://demo-fapi.binance.com",
        "https://demo-fapi.binance.com:8443",
        "https://fapi.binance.com.evil.example",
        "https://evil.example/fapi.binance.com",
        "https://127.0.0.1@evil.example",
        "https://user:secret@fapi.binance.com",
        "http://user@127.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://2130706433",
        "http://localhost.evil.example",
    ],
)
def test_check_host_anything_else_is_refused_in_every_mode(
    mode: Mode, url: str
) -> None:
    assert not is_allowed(mode, url)


def test_signer_of_another_mode_s_host_cannot_be_made() -> None:
    with pytest.raises(ConfigurationError, match="Mode demo does not sign"):
        Signer(Mode.DEMO, "https://fapi.binance.com", Credentials("key", "secret"))


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "1"}


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "path", ["/fapi/v1/order", "/fapi/v1/batchOrders", "/fapi/v1/algoOrder"]
)
@pytest.mark.parametrize("more", [{}, {"reduceOnly": "false"}, {"reduceOnly": "TRUE"}])
def test_sign_live_order_that_may_increase_risk_needs_a_permit(
    method: str, path: str, more: dict[str, str]
) -> None:
    signer = Signer(Mode.LIVE, "https://fapi.binance.com", Credentials("key", "secret"))
    with pytest.raises(RiskLimitBreached, match="need a permit"):
        signer.sign(method, path, {**ORDER, **more}, NOW_NS, window_ms=1_000)
    demo = Signer(Mode.DEMO, "https://demo-fapi.binance.com", Credentials("k", "s"))
    assert demo.sign(method, path, ORDER, NOW_NS, window_ms=1_000).url


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/fapi/v1/order", {"reduceOnly": "true"}),
        ("POST", "/fapi/v1/algoOrder", {"closePosition": "true"}),
        ("POST", "/fapi/v1/countdownCancelAll", {}),
        ("GET", "/fapi/v1/order", {}),
        ("DELETE", "/fapi/v1/order", {}),
    ],
)
def test_sign_live_request_that_only_looks_or_closes_needs_none(
    method: str, path: str, more: dict[str, str]
) -> None:
    signer = Signer(Mode.LIVE, "https://fapi.binance.com", Credentials("key", "secret"))
    request = signer.sign(method, path, {**ORDER, **more}, NOW_NS, window_ms=1_000)
    assert request.url.startswith(f"https://fapi.binance.com{path}?")


def test_permit_cannot_be_issued() -> None:
    with pytest.raises(ConfigurationError, match="none can be issued yet"):
        Permit()


def test_credentials_are_never_shown() -> None:
    key = Ed25519PrivateKey.generate()
    for credentials in (
        Credentials("a-key", "a-secret"),
        Credentials("a-key", "", key),
    ):
        shown = f"{credentials} {credentials!r}"
        assert "a-key" not in shown
        assert "a-secret" not in shown
        assert "Ed25519" not in shown
    signer = Signer(Mode.LOOPBACK, "http://127.0.0.1", Credentials("a-key", "a-secret"))
    request = signer.sign("GET", "/x", {}, NOW_NS, window_ms=1)
    assert "a-key" not in repr(request)
    assert "a-secret" not in repr(request) + str(vars(signer))


def test_credentials_from_secret_signs_with_it() -> None:
    found = credentials_from({KEY_VARIABLE: "key", SECRET_VARIABLE: SECRET})
    assert found == Credentials("key", SECRET)


def test_environment_of_credentials_gives_another_process_the_same() -> None:
    found = environment_of(Credentials("key", "secret"))
    assert credentials_from(found) == Credentials("key", "secret")
    other = Credentials("key", private_key=Ed25519PrivateKey.generate())
    assert environment_of(other) == {}, "its file is named already"


def test_credentials_from_key_file_signs_with_it(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(pem_of(key))
    found = credentials_from({KEY_VARIABLE: "key", KEY_FILE_VARIABLE: str(path)})
    assert base64.b64decode(found.sign(b"payload")) == key.sign(b"payload")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, KEY_VARIABLE),
        ({KEY_VARIABLE: "ключ", SECRET_VARIABLE: "s"}, KEY_VARIABLE),
        ({KEY_VARIABLE: "a\nb", SECRET_VARIABLE: "s"}, KEY_VARIABLE),
        ({KEY_VARIABLE: "key"}, SECRET_VARIABLE),
        ({KEY_VARIABLE: "key", KEY_FILE_VARIABLE: "/nowhere"}, "/nowhere"),
    ],
)
def test_credentials_from_what_is_missing_is_named(
    environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        credentials_from(environment)


def test_credentials_from_other_kind_of_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem_of(generate_private_key(65_537, 2_048)))
    with pytest.raises(ConfigurationError, match="is no Ed25519 key"):
        credentials_from({KEY_VARIABLE: "key", KEY_FILE_VARIABLE: str(path)})
