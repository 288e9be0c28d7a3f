"""REST requests: faults first, then the limits, who asks, and at last the endpoint."""

from collections.abc import Iterator

from connectors.exchange.fault import OUTCOME_KINDS, REFUSAL_KINDS, Kind
from connectors.exchange.fault_desk import ActiveFault, FaultDesk
from connectors.exchange.request_weight import RequestWeight
from connectors.exchange.rest_endpoint import Venue
from connectors.exchange.rest_fault import is_exempt, limited, refused_by
from connectors.exchange.rest_market import ENDPOINTS
from connectors.exchange.rest_reply import Call, Refusal, Reply, json_reply
from connectors.exchange.trading.endpoint import Access, Endpoint, Endpoints
from connectors.exchange.trading.rest_account import ACCOUNT_ENDPOINTS
from connectors.exchange.trading.rest_algo import ALGO_ENDPOINTS
from connectors.exchange.trading.rest_order import ORDER_ENDPOINTS
from connectors.exchange.trading.rest_stream import STREAM_ENDPOINTS
from connectors.exchange.trading.signature import check_time
from connectors.exchange.trading.trading import Trading

TRADING_ENDPOINTS: Endpoints = {
    **ORDER_ENDPOINTS,
    **ALGO_ENDPOINTS,
    **ACCOUNT_ENDPOINTS,
    **STREAM_ENDPOINTS,
}
"""Every endpoint of the trading side, by method and path."""

_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"


class RestApi:
    """Answers requests, and keeps the weight that each address has used."""

    def __init__(self, venue: Venue, desk: FaultDesk, trading: Trading) -> None:
        self.requests = 0
        self.weights: dict[str, RequestWeight] = {}
        self._venue = venue
        self._desk = desk
        self.trading = trading

    def weight_of(self, ip: str) -> RequestWeight:
        """What an address has used."""
        return self.weights.setdefault(ip, RequestWeight())

    def request(self, call: Call) -> Reply:
        """The reply to one request, with how long it is under way."""
        self.requests += 1
        weight = self.weight_of(call.ip)
        reply = self._faulty(call) or self._answered(call)
        reply.headers.setdefault("Content-Type", "application/json;charset=UTF-8")
        reply.headers[_WEIGHT_HEADER] = str(weight.used)
        if call.path.startswith("/api/"):  # Spot sends it under both names
            reply.headers[_WEIGHT_HEADER.removesuffix("-1M")] = str(weight.used)
        reply.delay_ns += sum(
            delay_ns for _, delay_ns in self._faults(call, Kind.LATENCY)
        )
        return reply

    def _faults(self, call: Call, *kinds: Kind) -> Iterator[tuple[ActiveFault, int]]:
        symbol = call.params.symbol.upper()
        now_ns = self._venue.now_ns
        return self._desk.on_request(call.method, call.path, symbol, now_ns, *kinds)

    def _faulty(self, call: Call) -> Reply | None:
        """What a fault answers instead; a request left in the dark may be executed."""
        signed = TRADING_ENDPOINTS.get((call.method, call.path))
        kinds = [
            kind
            for kind in (*REFUSAL_KINDS, *OUTCOME_KINDS)
            if not (kind is Kind.OVERLOAD and is_exempt(call))
            and not (kind is Kind.CLOCK_SKEW and not _has_time(signed))
        ]
        for fault, delay_ns in self._faults(call, *kinds):
            if fault.order.kind in OUTCOME_KINDS and fault.order.is_executed:
                self._answered(call)
            reply = refused_by(fault, call.ip, self._venue.now_ns)
            reply.delay_ns = delay_ns
            return reply
        return None

    def _answered(self, call: Call) -> Reply:
        try:
            return self._market(call) or self._traded(call)
        except Refusal as refusal:
            return refusal.reply()

    def _spend(self, call: Call, weight: int) -> Reply | None:
        refused = self.weight_of(call.ip).spend(weight, self._venue.now_ns)
        return limited(refused, call.ip) if refused else None

    def _market(self, call: Call) -> Reply | None:
        """The reply of a public endpoint; None where the path is of none."""
        endpoint = ENDPOINTS.get(call.path) if call.method == "GET" else None
        if endpoint is None:
            return None
        weigh, handle = endpoint
        refused = self._spend(call, weigh(call.params))
        if refused is not None:
            return refused
        reply = handle(self._venue, call.params)
        slow = self._faults(call, Kind.SLOW_SNAPSHOT)
        reply.delay_ns += sum(delay_ns for _, delay_ns in slow)
        return reply

    def _traded(self, call: Call) -> Reply:
        """The reply of an endpoint of the trading side."""
        endpoint = TRADING_ENDPOINTS.get((call.method, call.path))
        if endpoint is None:
            msg = f"Path {call.path}, Method {call.method} is invalid"
            raise Refusal(404, -5000, msg)
        refused = self._spend(call, endpoint.weigh(call.params))
        if refused is not None:
            return refused
        self.check_access(call, endpoint.access)
        counted = any(endpoint.orders)
        now_ns, trading = self._venue.now_ns, self.trading
        if counted:
            trading.count.spend(endpoint.orders, now_ns)
        self._race(call)
        try:
            reply = json_reply(endpoint.handle(trading, call.params))
        except Refusal as refusal:
            reply = refusal.reply()
        if counted:
            reply.headers |= trading.count.headers(now_ns)
        return reply

    def check_access(self, call: Call, access: Access) -> None:
        """Refusal where key, signature or time of a request are wrong."""
        credentials, params = self.trading.credentials, call.params
        if not call.is_logged_on:
            credentials.check_key(call.api_key)
        if access is Access.KEY:
            return
        if not call.is_logged_on:
            signature = params.required("signature")
            credentials.check_signature(call.signed, signature)
        check_time(params, self.trading.now_ms)

    def _race(self, call: Call) -> None:
        """Let what a cancel is about be filled just before it arrives."""
        for _ in self._faults(call, Kind.CANCEL_RACE):
            params = call.params
            name = (
                params.number("orderId", 0),
                params.values.get("origClientOrderId", ""),
            )
            self.trading.fill_before_cancel(params.symbol.upper(), *name)


def _has_time(endpoint: Endpoint | None) -> bool:
    return endpoint is not None and endpoint.access is Access.SIGNED
