"""Who asks: API key, signature and timestamp of a request.

Source: Binance USD-M "Endpoint Security Type". Signed is the query immediately followed
by the body, without the signature, in exactly the bytes sent.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from connectors.exchange.rest_reply import Params, Refusal
from flows.domain.errors import ConfigurationError

DEFAULT_KEY = "probe-key"
DEFAULT_SECRET = "probe-secret"  # noqa: S105 - of an exchange that trades nothing
LONGEST_WINDOW_MS = 60_000
_WINDOW_MS = 5_000
_AHEAD_MS = 1_000
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LAST_SIGNATURE = re.compile(rb"&?signature=[^&]*$")
_OUTSIDE = "Timestamp for this request is outside of the recvWindow."
_AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account's API key, its secret, and its Ed25519 public key if it has one."""

    key: str = DEFAULT_KEY
    secret: str = field(default=DEFAULT_SECRET, repr=False)
    public_key: Ed25519PublicKey | None = None

    def check_key(self, key: str) -> None:
        """Refusal -2014 without a key, -2015 with another's."""
        if not _KEY.fullmatch(key):
            raise Refusal(401, -2014, "API-key format invalid.")
        if key != self.key:
            msg = "Invalid API-key, IP, or permissions for action."
            raise Refusal(401, -2015, msg)

    def check_signature(self, payloads: Iterable[bytes], signature: str) -> None:
        """Refusal -1022 where the signature is of none of `payloads`."""
        if not any(
            self._is_hmac(payload, signature) or self._is_ed25519(payload, signature)
            for payload in payloads
        ):
            raise Refusal(400, -1022, "Signature for this request is not valid.")

    def is_ed25519(self, payloads: Iterable[bytes], signature: str) -> bool:
        """Whether the Ed25519 key has signed one of `payloads`."""
        return any(self._is_ed25519(payload, signature) for payload in payloads)

    def _is_ed25519(self, payload: bytes, signature: str) -> bool:
        if self.public_key is None:
            return False
        try:
            self.public_key.verify(base64.b64decode(signature, validate=True), payload)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def _is_hmac(self, payload: bytes, signature: str) -> bool:
        expected = hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.lower().encode())


def ed25519_key_of(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file; ConfigurationError where it is none."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: not a public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{path}: expected an Ed25519 public key")
    return key


def signed_bytes(query: bytes, body: bytes) -> bytes:
    """What a request signs; a signature that does not come last is left in."""
    return _LAST_SIGNATURE.sub(b"", query) + _LAST_SIGNATURE.sub(b"", body)


def check_time(params: Params, now_ms: int) -> None:
    """Refusal -1021 outside the window, -1131 where the window is too long."""
    params.required("timestamp")
    timestamp = params.number("timestamp", 0)
    window_ms = params.number("recvWindow", _WINDOW_MS)
    if window_ms > LONGEST_WINDOW_MS:
        raise Refusal(400, -1131, "recvWindow must be less than 60000")
    if timestamp >= now_ms + _AHEAD_MS:
        raise Refusal(400, -1021, _AHEAD)
    if now_ms - timestamp > window_ms:
        raise Refusal(400, -1021, _OUTSIDE)
