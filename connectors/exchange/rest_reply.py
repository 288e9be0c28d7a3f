"""What the exchange answers to a REST request, and how it refuses one."""

from dataclasses import dataclass, field

import msgspec

_MAX_DIGITS = 20


@dataclass(slots=True)
class Reply:
    """An HTTP reply; `delay_ns` is how long it is under way."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    delay_ns: int = 0
    is_lost: bool = False
    """Whether the connection ends instead, when the delay is over."""


class Refusal(Exception):  # noqa: N818 - an answer of the protocol, no failure
    """A request that is answered by an error code of the exchange."""

    def __init__(
        self, status: int, code: int, message: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(status, code, message, retry_after_s)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    def reply(self) -> Reply:
        """The refusal as a reply."""
        reply = json_reply({"code": self.code, "msg": self.message}, self.status)
        if self.retry_after_s is not None:
            reply.headers["Retry-After"] = str(self.retry_after_s)
        return reply


def json_reply(content: object, status: int = 200) -> Reply:
    """`content` as JSON."""
    return Reply(status, msgspec.json.encode(content))


LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of a request, read as the exchange reads them."""

    values: dict[str, str]

    @property
    def symbol(self) -> str:
        """The symbol asked for; empty where there is none."""
        return self.values.get("symbol", "")

    def required(self, name: str) -> str:
        """A mandatory parameter; Refusal -1102 without it."""
        value = self.values.get(name)
        if not value:
            msg = f"Mandatory parameter '{name}' was not sent, was empty/null, or "
            raise Refusal(400, -1102, msg + "malformed.")
        return value

    def number(self, name: str, default: int, highest: int | None = None) -> int:
        """A whole number; Refusal -1100 for other text, -1130 above `highest`."""
        text = self.values.get(name)
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
            msg = f"Illegal characters found in parameter '{name}'; legal range is "
            raise Refusal(400, -1100, msg + "'^[0-9]{1,20}$'.")
        if highest is not None and int(text) > highest:
            msg = f"Data sent for parameter '{name}' is not valid."
            raise Refusal(400, -1130, msg)
        return int(text)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, however it came: over HTTP or the WebSocket API."""

    method: str
    path: str
    params: Params
    ip: str = LOOPBACK
    api_key: str = ""
    signed: tuple[bytes, ...] = ()
    """The bytes that the signature is of; of the WebSocket API's, in either form."""
    is_logged_on: bool = False
    """Whether its connection has proved who it is, so that it needs no signature."""
