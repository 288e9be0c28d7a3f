"""REST requests: faults first, then the weight limit, then the endpoint."""

from collections.abc import Iterator

from connectors.exchange.fault import Kind
from connectors.exchange.fault_desk import ActiveFault, FaultDesk
from connectors.exchange.request_weight import (
    BANNED,
    LIMITED,
    WEIGHT_PER_MINUTE,
    Refused,
    RequestWeight,
)
from connectors.exchange.rest_endpoint import Venue
from connectors.exchange.rest_market import ENDPOINTS
from connectors.exchange.rest_reply import Params, Refusal, Reply
from flows.domain.units import NS_PER_MS, NS_PER_S

LOOPBACK = "127.0.0.1"
_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
_TOO_MANY = (
    "Too many requests; current limit of IP({ip}) is {limit} requests per minute. "
    "Please use the websocket for live updates to avoid polling the API."
)
_BANNED = (
    "Way too many requests; IP({ip}) banned until {until_ms}. "
    "Please use the websocket for live updates to avoid bans."
)
_FAILED = (
    '{"code":-1001,"msg":"Internal error; unable to process your request. '
    'Please try again."}'
)
_DEFAULT_PAUSE_NS = 10 * NS_PER_S


class RestApi:
    """Answers requests, and keeps the weight that each address has used."""

    def __init__(self, venue: Venue, desk: FaultDesk) -> None:
        self.requests = 0
        self.weights: dict[str, RequestWeight] = {}
        self._venue = venue
        self._desk = desk

    def request(self, method: str, path: str, params: Params, ip: str) -> Reply:
        """The reply to one request, with how long it is under way."""
        self.requests += 1
        weight = self.weights.setdefault(ip, RequestWeight())
        reply = self._faulty(path, params, ip) or self._answered(
            method, path, params, ip
        )
        reply.headers.setdefault("Content-Type", "application/json;charset=UTF-8")
        reply.headers[_WEIGHT_HEADER] = str(weight.used)
        if path.startswith("/api/"):  # Spot sends it under both names
            reply.headers[_WEIGHT_HEADER.removesuffix("-1M")] = str(weight.used)
        reply.delay_ns += sum(
            delay_ns for _, delay_ns in self._faults(path, params, Kind.LATENCY)
        )
        return reply

    def _faults(
        self, path: str, params: Params, *kinds: Kind
    ) -> Iterator[tuple[ActiveFault, int]]:
        symbol = params.symbol.upper()
        return self._desk.on_request(path, symbol, self._venue.now_ns, *kinds)

    def _faulty(self, path: str, params: Params, ip: str) -> Reply | None:
        kinds = (Kind.BAN, Kind.RATE_LIMIT, Kind.SERVER_ERROR)
        for fault, delay_ns in self._faults(path, params, *kinds):
            reply = self._refusal_of(fault, ip)
            reply.delay_ns = delay_ns
            return reply
        return None

    def _refusal_of(self, fault: ActiveFault, ip: str) -> Reply:
        order, now_ns = fault.order, self._venue.now_ns
        if order.kind is Kind.SERVER_ERROR:
            return Reply(order.status, (order.text or _FAILED).encode())
        until_ns = fault.until_ns or now_ns + _DEFAULT_PAUSE_NS
        seconds = order.retry_after_s or -(-(until_ns - now_ns) // NS_PER_S)
        status = BANNED if order.kind is Kind.BAN else LIMITED
        return _limited(Refused(status, seconds, until_ns // NS_PER_MS), ip)

    def _answered(self, method: str, path: str, params: Params, ip: str) -> Reply:
        endpoint = ENDPOINTS.get(path) if method == "GET" else None
        if endpoint is None:
            msg = f"Path {path}, Method {method} is invalid"
            return Refusal(404, -5000, msg).reply()
        weigh, handle = endpoint
        try:
            refused = self.weights[ip].spend(weigh(params), self._venue.now_ns)
            if refused is not None:
                return _limited(refused, ip)
            reply = handle(self._venue, params)
        except Refusal as refusal:
            return refusal.reply()
        slow = self._faults(path, params, Kind.SLOW_SNAPSHOT)
        reply.delay_ns += sum(delay_ns for _, delay_ns in slow)
        return reply


def _limited(refused: Refused, ip: str) -> Reply:
    text = _BANNED if refused.status == BANNED else _TOO_MANY
    message = text.format(ip=ip, limit=WEIGHT_PER_MINUTE, until_ms=refused.until_ms)
    reply = Refusal(refused.status, -1003, message).reply()
    reply.headers["Retry-After"] = str(refused.retry_after_s)
    return reply
