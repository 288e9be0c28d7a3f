"""One connection of the WebSocket API: requests by name, replies by id.

Every method is one of REST's, with its weight, its counters, its refusals and faults.
Signed are the parameters, sorted by name. Source: Binance USD-M "WebSocket API General
Info".
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec

from connectors.exchange.exchange_info import rate_limits
from connectors.exchange.request_weight import RequestWeight
from connectors.exchange.rest_fault import limited
from connectors.exchange.rest_reply import Call, Params, Refusal, Reply, json_reply
from connectors.exchange.session import Host, Session
from connectors.exchange.stream_name import Route
from connectors.exchange.trading.order_request import flag_of
from connectors.exchange.trading.rest_order import raw_text
from connectors.exchange.trading.signature import check_time
from connectors.exchange.trading.trading import Trading
from flows.domain.units import NS_PER_MS

HANDSHAKE_WEIGHT = 5
CONTROL_FRAMES_PER_S = 5

METHODS = {
    "ping": ("GET", "/fapi/v1/ping"),
    "time": ("GET", "/fapi/v1/time"),
    "depth": ("GET", "/fapi/v1/depth"),
    "ticker.price": ("GET", "/fapi/v2/ticker/price"),
    "ticker.book": ("GET", "/fapi/v1/ticker/bookTicker"),
    "order.place": ("POST", "/fapi/v1/order"),
    "order.modify": ("PUT", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "account.status": ("GET", "/fapi/v2/account"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "account.position": ("GET", "/fapi/v2/positionRisk"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
}
"""What each method is over REST."""


class _Request(msgspec.Struct):
    method: str
    id: msgspec.Raw = msgspec.Raw(b"null")
    params: dict[str, msgspec.Raw] = {}


class Api(Protocol):
    """What answers requests."""

    @property
    def trading(self) -> Trading:
        """The trading side."""

    def request(self, call: Call) -> Reply:
        """The reply to one request."""

    def weight_of(self, ip: str) -> RequestWeight:
        """What an address has used."""


class ApiHost(Host, Protocol):
    """What a connection of the WebSocket API needs of its exchange."""

    def plan(self, due_ns: int, action: Callable[[], None]) -> None:
        """Do `action` when it is due."""


class ApiSession(Session):
    """A connection that asks; it may log on once instead of signing each request."""

    def __init__(
        self, host: ApiHost, serial: int, api: Api, *, ip: str, tells_limits: bool
    ) -> None:
        super().__init__(host, serial, Route.API, is_combined=False)
        self._message_times = deque(maxlen=CONTROL_FRAMES_PER_S)
        self._host: ApiHost = host
        self._api = api
        self._ip = ip
        self._tells_limits = tells_limits
        self._key = ""
        """Of the account that has logged on."""
        self._logged_on_ms = 0
        api.weight_of(ip).spend(HANDSHAKE_WEIGHT, host.now_ns)

    def send(self, text: str | bytes) -> None:
        """A request; only control frames are counted."""
        if self.is_open:
            self._take_in(text)

    def _take_in(self, text: str | bytes) -> None:
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            refusal = Refusal(400, -1102, f"Malformed request: {error}")
            self._answer(msgspec.Raw(b"null"), refusal.reply())
            return
        values = {name: raw_text(value) for name, value in request.params.items()}
        try:
            reply = self._reply(request.method, values)
        except Refusal as refusal:
            reply = refusal.reply()
        answer = partial(self._answer, request.id, reply)
        send = self.cut if reply.is_lost else answer
        if reply.delay_ns:
            self._host.plan(self._host.now_ns + reply.delay_ns, send)
        else:
            send()

    def _reply(self, method: str, values: dict[str, str]) -> Reply:
        if method.startswith("session."):
            return self._session_reply(method, values)
        if method not in METHODS:
            raise Refusal(400, -5000, f"Method {method} is invalid")
        self._tells_limits = _wants_limits(values, default=self._tells_limits)
        verb, path = METHODS[method]
        call = Call(
            verb,
            path,
            Params(values),
            self._ip,
            values.get("apiKey", self._key),
            _payloads(values),
            is_logged_on=bool(self._key) and "signature" not in values,
        )
        return self._api.request(call)

    def _session_reply(self, method: str, values: dict[str, str]) -> Reply:
        refused = self._api.weight_of(self._ip).spend(2, self._host.now_ns)
        if refused is not None:
            return limited(refused, self._ip)
        if method == "session.logon":
            self._log_on(Params(values))
        elif method == "session.logout":
            self._key, self._logged_on_ms = "", 0
        elif method != "session.status":
            raise Refusal(400, -5000, f"Method {method} is invalid")
        return json_reply(
            {
                "apiKey": self._key or None,
                "authorizedSince": self._logged_on_ms or None,
                "connectedSince": self.opened_ns // NS_PER_MS,
                "returnRateLimits": self._tells_limits,
                "serverTime": self._host.now_ns // NS_PER_MS,
            }
        )

    def _log_on(self, params: Params) -> None:
        credentials = self._api.trading.credentials
        credentials.check_key(params.values.get("apiKey", ""))
        signature = params.required("signature")
        payloads = _payloads(params.values)
        if not credentials.is_ed25519(payloads, signature):
            credentials.check_signature(payloads, signature)
            raise Refusal(400, -4056, "HMAC_SHA256 API key is not supported.")
        check_time(params, self._host.now_ns // NS_PER_MS)
        self._key = credentials.key
        self._logged_on_ms = self._host.now_ns // NS_PER_MS

    def _answer(self, request_id: msgspec.Raw, reply: Reply) -> None:
        body: dict[str, Any] = {"id": request_id, "status": reply.status}
        is_good = reply.status < 400  # noqa: PLR2004 - as HTTP counts
        body["result" if is_good else "error"] = _content(reply)
        if self._tells_limits:
            body["rateLimits"] = self._limits()
        self.text(msgspec.json.encode(body))

    def _limits(self) -> list[dict[str, Any]]:
        count = self._api.trading.count
        count.roll(self._host.now_ns)
        ten_seconds, minute = count.used
        used = (self._api.weight_of(self._ip).used, minute, ten_seconds)
        limits = zip(rate_limits(), used, strict=True)
        return [{**limit, "count": number} for limit, number in limits]


def _payloads(values: dict[str, str]) -> tuple[bytes, bytes]:
    """What a request signs: everything but the signature, sorted by name.

    The documentation signs the values as they are, the official SDK percent-encoded.
    """
    named = sorted(pair for pair in values.items() if pair[0] != "signature")
    plain = "&".join(f"{name}={value}" for name, value in named)
    return plain.encode(), urlencode(named).encode()


def _wants_limits(values: dict[str, str], *, default: bool) -> bool:
    if "returnRateLimits" not in values:
        return default
    return flag_of(Params(values), "returnRateLimits")


def _content(reply: Reply) -> object:
    """The body as JSON; an error of a gateway that sends none is told as text."""
    try:
        msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return {"code": -1000, "msg": reply.body.decode()}
    return msgspec.Raw(reply.body)
