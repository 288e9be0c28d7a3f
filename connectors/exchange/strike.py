"""Faults that happen once and at once, to a connection or behind the account's back."""

from functools import partial

from connectors.exchange import payload
from connectors.exchange.fault import Fault, Kind
from connectors.exchange.session import Session
from connectors.exchange.symbol_market import Outlet
from connectors.exchange.trading.trading import Trading
from flows.domain.units import NS_PER_MS

GOING_AWAY = 1001
DAY_IS_OVER = "24 hours are over"


def strike_connection(fault: Fault, session: Session, outlet: Outlet) -> bool:
    """Let it happen to a connection; whether there was anything to do."""
    match fault.kind:
        case Kind.UNKNOWN_EVENT:
            return _surprise(fault, session, outlet.now_ns // NS_PER_MS)
        case Kind.SERVER_SHUTDOWN:
            session.text(payload.server_shutdown(outlet.now_ns // NS_PER_MS))
            end = partial(session.close, GOING_AWAY, "Server shutdown")
            outlet.plan(outlet.now_ns + fault.delay_ms * NS_PER_MS, end)
        case Kind.DAY_CUT if not fault.without_close:
            session.close(GOING_AWAY, DAY_IS_OVER)
        case _:
            session.cut()
    return True


def strike_account(fault: Fault, trading: Trading) -> bool:
    """Let it happen to the account; whether there was anything to do."""
    symbol = fault.symbol.upper()
    match fault.kind:
        case Kind.LISTEN_KEY_EXPIRED:
            return trading.stream.revoke(trading.venue.now_ns)
        case Kind.PARTIAL_FILL:
            return trading.fill_part(symbol)
        case Kind.LIQUIDATION:
            return trading.close_by_force(symbol, share=None)
        case Kind.TRANSFER:
            return trading.transfer(fault.amount)
    return trading.close_by_force(symbol, share=fault.share)


def _surprise(fault: Fault, session: Session, now_ms: int) -> bool:
    """An event of a kind that nobody knows, on the first stream that fits."""
    name = next(filter(fault.meets_stream, session.subscriptions), None)
    if name is None:
        return False
    symbol = name.partition("@")[0].upper()
    event = payload.unknown_event(fault.text or "marketWeather", symbol, now_ms)
    session.text(session.frame(name, event))
    return True
