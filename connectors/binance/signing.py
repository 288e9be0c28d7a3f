"""Signed requests: the one function that builds them, and where they may go.

A mode allows hosts, not URLs: `loopback` loopback addresses, `demo` the exchange's demo
hosts, `live` its production hosts. Increasing risk in `live` needs a permit; queries,
cancellations and reduce-only orders never do. Source: Binance USD-M "Endpoint Security
Type".
"""

import base64
import hashlib
import hmac
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from flows.domain.errors import ConfigurationError, RiskLimitBreached
from flows.domain.units import NS_PER_MS

KEY_VARIABLE = "MFT_BINANCE_KEY"
SECRET_VARIABLE = "MFT_BINANCE_SECRET"  # noqa: S105 - the name of a variable
KEY_FILE_VARIABLE = "MFT_BINANCE_ED25519_FILE"
KEY_HEADER = "X-MBX-APIKEY"

DEMO_HOSTS = frozenset(
    {
        "demo-fapi.binance.com",
        "demo-fstream.binance.com",
        "fstream.binancefuture.com",
        "testnet.binancefuture.com",
    }
)
PRODUCTION_HOSTS = frozenset(
    {"fapi.binance.com", "fstream.binance.com", "ws-fapi.binance.com"}
)
_LOCAL_NAME = "localhost"
_HARMLESS = frozenset({"GET", "DELETE"})
_DEFAULT_PORTS = frozenset({None, 443})


class Mode(Enum):
    """Where orders go."""

    PAPER = "paper"
    """Nowhere: the paper venue executes them."""
    LOOPBACK = "loopback"
    DEMO = "demo"
    LIVE = "live"


class Permit:
    """Leave to increase risk in `live`. None can be issued yet."""

    def __init__(self) -> None:
        """Refuse: the evidence that a permit rests on is not gathered yet."""
        raise ConfigurationError("Live trading needs a permit; none can be issued yet")


@dataclass(frozen=True)
class Credentials:
    """An API key and what signs for it; neither is ever shown."""

    key: str = field(repr=False)
    secret: str = field(default="", repr=False)
    private_key: Ed25519PrivateKey | None = field(default=None, repr=False)

    def sign(self, payload: bytes) -> str:
        """Ed25519 in base64 where there is such a key, else HMAC-SHA256 in hex."""
        if self.private_key is not None:
            return base64.b64encode(self.private_key.sign(payload)).decode()
        return hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request ready for the socket; its query is sent as it stands."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)


def credentials_from(environment: Mapping[str, str] = os.environ) -> Credentials:
    """The account's credentials. Raises ConfigurationError that names the variable."""
    key = environment.get(KEY_VARIABLE, "")
    secret = environment.get(SECRET_VARIABLE, "")
    key_file = environment.get(KEY_FILE_VARIABLE, "")
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigurationError(f"Expected an API key in {KEY_VARIABLE}")
    if key_file:
        return Credentials(key, private_key=_private_key(Path(key_file)))
    if not secret:
        msg = f"Expected a secret in {SECRET_VARIABLE}, or {KEY_FILE_VARIABLE}"
        raise ConfigurationError(msg)
    return Credentials(key, secret)


def environment_of(credentials: Credentials) -> dict[str, str]:
    """The variables that give another process the same HMAC credentials.

    An Ed25519 key is named by a variable already; its file is read again.
    """
    if credentials.private_key is not None:
        return {}
    return {KEY_VARIABLE: credentials.key, SECRET_VARIABLE: credentials.secret}


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        msg = f"{KEY_FILE_VARIABLE}: {path} is no private key without a password"
        raise ConfigurationError(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{KEY_FILE_VARIABLE}: {path} is no Ed25519 key")
    return key


def check_host(mode: Mode, url: str) -> None:
    """Raise ConfigurationError where `mode` may not talk to the host of `url`."""
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme in {"https", "wss"}
    match mode:
        case Mode.LOOPBACK:
            is_allowed = _is_loopback(host)
        case Mode.DEMO:
            is_allowed = is_tls and _is_at(parts.port, host, DEMO_HOSTS)
        case Mode.LIVE:
            is_allowed = is_tls and _is_at(parts.port, host, PRODUCTION_HOSTS)
        case _:  # paper sends nothing anywhere
            is_allowed = False
    if not is_allowed or parts.username is not None or parts.password is not None:
        msg = f"Mode {mode.value} does not sign requests to {host or url!r}"
        raise ConfigurationError(msg)


def _is_at(port: int | None, host: str, hosts: frozenset[str]) -> bool:
    return host in hosts and port in _DEFAULT_PORTS


def _is_loopback(host: str) -> bool:
    """Names other than `localhost` are not resolved: an answer could change."""
    if host == _LOCAL_NAME:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def may_increase_risk(method: str, path: str, params: Mapping[str, str]) -> bool:
    """Whether a request may open or enlarge a position: any order but one that closes.

    A batch counts whatever it holds.
    """
    if method in _HARMLESS or "order" not in path.lower():
        return False
    return "true" not in (params.get("reduceOnly"), params.get("closePosition"))


class Signer:
    """Builds the signed requests of one account at one exchange.

    `base` is the exchange's REST address without a slash at its end. Raises
    ConfigurationError where `mode` does not allow its host.
    """

    def __init__(
        self,
        mode: Mode,
        base: str,
        credentials: Credentials,
        permit: Permit | None = None,
    ) -> None:
        check_host(mode, base)
        self.mode = mode
        self._base = base
        self._credentials = credentials
        self._permit = permit
        self.skew_ms = 0
        """Exchange clock minus ours: a request bears the exchange's time."""

    @property
    def headers(self) -> dict[str, str]:
        """What names the account in a request that needs no signature."""
        return {KEY_HEADER: self._credentials.key}

    def sign(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        now_ns: int,
        *,
        window_ms: int,
    ) -> SignedRequest:
        """The request with timestamp and signature, everything in the query.

        Raises RiskLimitBreached where it may increase risk in `live` without a permit:
        the request itself tells, so that no caller can forget to say so.
        """
        is_barred = self.mode is Mode.LIVE and self._permit is None
        if is_barred and may_increase_risk(method, path, params):
            raise RiskLimitBreached("Live orders that increase risk need a permit")
        url = self._base + path
        check_host(self.mode, url)
        timestamp_ms = now_ns // NS_PER_MS + self.skew_ms
        stamped = {
            **params,
            "recvWindow": str(window_ms),
            "timestamp": str(timestamp_ms),
        }
        query = urlencode(stamped)
        signature = urlencode({"signature": self._credentials.sign(query.encode())})
        return SignedRequest(method, f"{url}?{query}&{signature}", self.headers)
