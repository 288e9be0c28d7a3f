"""The user data stream: a listen key kept alive, a connection, and what ends with it.

A key is valid for an hour and extended every half; when it ends, the connection stays
open and silent. So whatever casts doubt on the stream begins it anew, and its owner
reconciles after each beginning. Source: Binance USD-M "User Data Streams".
"""

from random import Random

import structlog

from connectors.binance.outbox import Connect, HangUp, KeyCall, Outbox
from connectors.binance.user_wire import read_listen_key
from flows.domain.errors import MalformedFrame
from flows.domain.units import NS_PER_MS, NS_PER_S

KEY_PATH = "/fapi/v1/listenKey"

_EXTEND_EVERY_NS = 1_800 * NS_PER_S
_EXTEND_AGAIN_NS = 60 * NS_PER_S
_FIRST_AGAIN_NS = 250 * NS_PER_MS
_LONGEST_AGAIN_NS = 15 * NS_PER_S
_OK = 200

_log = structlog.get_logger()


class UserStream:
    """Says what it wants done through the outbox; does no I/O and reads no clock."""

    def __init__(self, outbox: Outbox, random: Random) -> None:
        self._outbox = outbox
        self._random = random
        self._due_ns = 0
        self._extend_ns = 0
        self._failures = 0
        self._asked = 0
        self._extending = 0
        self._connection = 0
        self._is_up = False

    @property
    def is_up(self) -> bool:
        """Whether events can be heard, as far as is known."""
        return self._is_up

    def owns(self, serial: int) -> bool:
        """Whether a connection or request is of this stream."""
        return serial in {self._asked, self._extending, self._connection}

    def on_time(self, now_ns: int) -> None:
        """Ask for a key, or extend the one in force."""
        is_waiting = self._asked or self._connection
        if not is_waiting and now_ns >= self._due_ns:
            self._asked = self._call("POST")
        elif self._is_up and not self._extending and now_ns >= self._extend_ns:
            self._extending = self._call("PUT")

    def on_reply(self, serial: int, status: int, body: bytes, now_ns: int) -> None:
        """The answer to a request for a key."""
        if serial == self._extending:
            self._extending = 0
            self._extend_ns = now_ns + _EXTEND_EVERY_NS
            if status != _OK:
                self.restart(f"its key was not extended: HTTP {status}", now_ns)
            return
        self._asked = 0
        try:
            if status != _OK:
                self._put_off(f"no listen key: HTTP {status}", now_ns)
                return
            key = read_listen_key(body)
        except MalformedFrame as error:
            self._put_off(str(error), now_ns)
            return
        self._connection = self._outbox.next_serial()
        self._extend_ns = now_ns + _EXTEND_EVERY_NS
        self._outbox.do(Connect(self._connection, "private", f"ws/{key}"))

    def on_failed(self, serial: int, reason: str, now_ns: int) -> None:
        """A request for a key got no answer."""
        if serial == self._extending:
            self._extending = 0
            self._extend_ns = now_ns + _EXTEND_AGAIN_NS
            return
        self._asked = 0
        self._put_off(reason, now_ns)

    def on_open(self) -> None:
        """The connection is open."""
        self._is_up = True
        self._failures = 0

    def on_closed(self, reason: str, now_ns: int) -> None:
        """The connection has ended or did not open."""
        self._connection = 0
        self._put_off(reason, now_ns)

    def restart(self, reason: str, now_ns: int) -> None:
        """Begin anew: what is heard now may not be all."""
        if self._connection:
            self._outbox.do(HangUp(self._connection))
            self._connection = 0
        self._put_off(reason, now_ns)

    def _put_off(self, reason: str, now_ns: int) -> None:
        self._is_up = False
        wait_ns = min(_FIRST_AGAIN_NS << min(self._failures, 10), _LONGEST_AGAIN_NS)
        self._failures += 1
        self._due_ns = now_ns + wait_ns // 2 + self._random.randrange(wait_ns // 2)
        _log.warning("user_stream_lost", reason=reason)

    def _call(self, method: str) -> int:
        serial = self._outbox.next_serial()
        self._outbox.do(KeyCall(serial, method, KEY_PATH))
        return serial
