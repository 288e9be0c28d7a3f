"""What a request gets that a fault refuses, or leaves in the dark.

The texts are those of Binance USD-M "HTTP Return Codes" and "Error Codes"; the three
meanings of 503 differ by their text alone.
"""

from connectors.exchange.fault import Kind
from connectors.exchange.fault_desk import ActiveFault
from connectors.exchange.request_weight import (
    BANNED,
    LIMITED,
    WEIGHT_PER_MINUTE,
    Refused,
)
from connectors.exchange.rest_reply import Call, Refusal, Reply
from connectors.exchange.trading.order_count import too_many_orders
from flows.domain.units import NS_PER_MS, NS_PER_S

UNKNOWN = "Unknown error, please check your request or try again later."
UNAVAILABLE = "Service Unavailable."
FAILED = "Internal error; unable to process your request. Please try again."
_TIMED_OUT = (
    "Timeout waiting for response from backend server. "
    "Send status unknown; execution status unknown."
)
_OVERLOADED = (
    "Request throttled by system-level protection. Reduce-only/close-position orders "
    "are exempt. Please try again."
)
_SHUT_DOWN = "This service is no longer available."
_OUTSIDE = "Timestamp for this request is outside of the recvWindow."
_TOO_MANY = (
    "Too many requests; current limit of IP({ip}) is {limit} requests per minute. "
    "Please use the websocket for live updates to avoid polling the API."
)
_BANNED = (
    "Way too many requests; IP({ip}) banned until {until_ms}. "
    "Please use the websocket for live updates to avoid bans."
)
_DEFAULT_PAUSE_NS = 10 * NS_PER_S

_REFUSALS = {
    Kind.OVERLOAD: Refusal(503, -1008, _OVERLOADED),
    Kind.CLOCK_SKEW: Refusal(400, -1021, _OUTSIDE),
    Kind.MAINTENANCE: Refusal(503, -1016, _SHUT_DOWN),
    Kind.TIMEOUT: Refusal(408, -1007, _TIMED_OUT),
    Kind.UNKNOWN_OUTCOME: Refusal(503, -1000, UNKNOWN),
    Kind.SERVER_ERROR: Refusal(503, -1001, FAILED),
}


def refused_by(fault: ActiveFault, ip: str, now_ns: int) -> Reply:
    """The reply to a request that a fault meets."""
    order = fault.order
    if order.kind in {Kind.BAN, Kind.RATE_LIMIT}:
        return _paused(fault, ip, now_ns)
    if order.kind is Kind.LOST_ACK:
        return Reply(502, b"", is_lost=True)
    if order.kind is Kind.SERVICE_UNAVAILABLE:
        return Reply(503, (order.text or UNAVAILABLE).encode())
    if order.kind is Kind.ORDER_LIMIT:
        return too_many_orders(0, order.retry_after_s or 10).reply()
    reply = _REFUSALS[order.kind].reply()
    if order.kind is Kind.SERVER_ERROR:
        reply.status = order.status
    if order.text:
        reply.body = order.text.encode()
    return reply


def is_exempt(call: Call) -> bool:
    """Whether overload spares an order, because it only reduces."""
    values = call.params.values
    closes = (values.get("positionSide", "").upper(), values.get("side", "").upper())
    return (
        values.get("closePosition", "").lower() == "true"
        or values.get("reduceOnly", "").lower() == "true"
        or closes in {("LONG", "SELL"), ("SHORT", "BUY")}
    )


def _paused(fault: ActiveFault, ip: str, now_ns: int) -> Reply:
    until_ns = fault.until_ns or now_ns + _DEFAULT_PAUSE_NS
    seconds = fault.order.retry_after_s or -(-(until_ns - now_ns) // NS_PER_S)
    status = BANNED if fault.order.kind is Kind.BAN else LIMITED
    return limited(Refused(status, seconds, until_ns // NS_PER_MS), ip)


def limited(refused: Refused, ip: str) -> Reply:
    """The reply to a request over the weight limit, or banned."""
    text = _BANNED if refused.status == BANNED else _TOO_MANY
    message = text.format(ip=ip, limit=WEIGHT_PER_MINUTE, until_ms=refused.until_ms)
    return Refusal(refused.status, -1003, message, refused.retry_after_s).reply()
