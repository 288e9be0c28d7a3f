"""The exchange's own endpoints: its true books, its counts, and orders for faults."""

from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.exchange.fault import fault_of
from connectors.exchange.payload import levels_text
from connectors.exchange.rest_reply import Params, Refusal, Reply, json_reply
from connectors.exchange.session import Session
from connectors.exchange.trading.report import account_report
from connectors.exchange.venue import Venue
from flows.domain.errors import ConfigurationError
from flows.domain.units import NS_PER_MS, NS_PER_S


def admin_reply(
    venue: Venue, method: str, path: str, params: Mapping[str, str], body: bytes = b""
) -> Reply:
    """The reply to a request under `/admin`."""
    try:
        match method, path:
            case "GET", "/admin/book":
                return _book(venue, Params(dict(params)))
            case "GET", "/admin/account":
                return json_reply(account_report(venue.trading))
            case "GET", "/admin/state":
                return json_reply(_state(venue))
            case "POST", "/admin/faults":
                return _order(venue, body)
            case "DELETE", "/admin/faults":
                venue.desk.clear()
                return json_reply({"cleared": True})
    except Refusal as refusal:
        return refusal.reply()
    return json_reply({"msg": f"There is no {method} {path}"}, 404)


def _book(venue: Venue, params: Params) -> Reply:
    market = venue.symbols.get(params.required("symbol").upper())
    if market is None:
        raise Refusal(400, -1121, "Invalid symbol.")
    limit = params.number("limit", 0) or None
    update_id = params.number("update_id", 0)
    true = market.true
    image = true.image_at(update_id, limit) if update_id else true.image(limit)
    if image is None:
        msg = f"The book at {update_id} is forgotten or to come; it is at "
        raise Refusal(404, -1130, f"{msg}{true.update_id} now.")
    body = (
        f'{{"symbol":"{true.symbol}","lastUpdateId":{image.update_id},'
        f'"bids":{levels_text(image.bids)},"asks":{levels_text(image.asks)}}}'
    )
    return Reply(200, body.encode())


def _state(venue: Venue) -> dict[str, Any]:
    return {
        "time_ms": venue.now_ns // NS_PER_MS,
        "uptime_s": (venue.now_ns - venue.start_ns) // NS_PER_S,
        "is_over": venue.is_over,
        "connections_ever": venue.connections,
        "published": venue.published,
        "requests": venue.requests,
        "used_weight": venue.used_weight,
        "symbols": {
            symbol: {
                "update_id": market.true.update_id,
                "events": market.events,
                "bids": len(market.true.book.bids.lots),
                "asks": len(market.true.book.asks.lots),
            }
            for symbol, market in venue.symbols.items()
        },
        "connections": [_connection(s, venue) for s in venue.sessions.values()],
        "faults_active": [fault.order for fault in venue.desk.active],
        "faults_done": dict(venue.desk.done),
    }


def _connection(session: Session, venue: Venue) -> dict[str, Any]:
    return {
        "connection": session.serial,
        "route": session.route_name,
        "streams": list(session.subscriptions),
        "sent": session.sent,
        "waiting": session.waiting,
        "age_s": (venue.now_ns - session.opened_ns) // NS_PER_S,
    }


def _order(venue: Venue, body: bytes) -> Reply:
    try:
        content = msgspec.json.decode(body)
        orders = content if isinstance(content, list) else [content]
        faults = [fault_of(order) for order in orders]
    except (msgspec.DecodeError, UnicodeDecodeError, ConfigurationError) as error:
        return json_reply({"msg": str(error)}, 400)
    for fault in faults:
        venue.order(fault)
    venue.advance(venue.now_ns)
    return json_reply({"ordered": len(faults)})
