"""The listen key: one for the account, an hour long, and who hears by it.

Source: Binance USD-M "User Data Streams".
"""

import hashlib
from collections.abc import Callable

from connectors.exchange.rest_reply import Refusal
from connectors.exchange.trading.user_event import Json, listen_key_expired
from flows.domain.units import NS_PER_MS, NS_PER_S

VALID_NS = 3_600 * NS_PER_S
_NO_SUCH_KEY = (
    "This listenKey does not exist. "
    "Please use `POST /fapi/v1/listenKey` to recreate `listenKey`"
)

Send = Callable[[str, Json], None]
"""Send an event to who hears by a listen key."""


class UserStream:
    """The key in force; events go to those who connected with it, or nowhere."""

    def __init__(self, seed: int, send: Send) -> None:
        self.key = ""
        self.expires_ns = 0
        self.sent = 0
        self._seed = seed
        self._made = 0
        self._send = send

    def open(self, now_ns: int) -> str:
        """The key in force, extended, or a new one."""
        self.expire(now_ns)
        if not self.key:
            self._made += 1
            text = f"{self._seed}:listen-key:{self._made}"
            self.key = hashlib.sha256(text.encode()).hexdigest()
        self.expires_ns = now_ns + VALID_NS
        return self.key

    def extend(self, now_ns: int) -> str:
        """The key, with an hour to live again; Refusal -1125 where there is none."""
        self.expire(now_ns)
        if not self.key:
            raise Refusal(400, -1125, _NO_SUCH_KEY)
        self.expires_ns = now_ns + VALID_NS
        return self.key

    def close(self) -> None:
        """End the key for everyone who hears by it, without a word."""
        self.key = ""

    def expire(self, now_ns: int) -> None:
        """End the key where its hour is over, and say so once."""
        if self.key and now_ns >= self.expires_ns:
            self.revoke(now_ns)

    def revoke(self, now_ns: int) -> bool:
        """End the key now, and say so; whether there was one."""
        if not self.key:
            return False
        event = listen_key_expired(self.key, now_ns // NS_PER_MS)
        key, self.key = self.key, ""
        self._send(key, event)
        return True

    def tell(self, event: Json) -> None:
        """Send an event to those who hear by the key."""
        if self.key:
            self.sent += 1
            self._send(self.key, event)
