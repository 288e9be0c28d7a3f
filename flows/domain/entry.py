"""The size and the limit of an entry order."""

from decimal import Decimal

import msgspec

from flows.domain.instrument import Instrument
from flows.domain.order import Order, OrderType, Purpose
from flows.domain.risk import RefusalReason, Refused
from flows.domain.side import Side
from flows.domain.signal import Signal
from flows.domain.units import BPS, EXACT, ceil_to, floor_to


class EntryRules(msgspec.Struct, frozen=True):
    """How an entry is priced and sized."""

    order_notional: Decimal
    """Quote asset to spend, at the limit price."""
    max_slippage_bps: Decimal
    """How far past the best opposite price the limit may lie."""


def plan_entry(
    signal: Signal, instrument: Instrument, rules: EntryRules, client_order_id: str
) -> Order | Refused:
    """An immediate-or-cancel limit order for `signal`, or why there can be none.

    The limit is the best opposite price moved by the slippage allowance and rounded
    towards it; the quantity is `order_notional` at that price, floored to the step.
    """
    is_buy = signal.side is Side.BUY
    best = signal.best_ask if is_buy else signal.best_bid
    if best is None:
        return _refused(signal, RefusalReason.NO_LIQUIDITY)
    slippage = best * rules.max_slippage_bps / BPS
    tick = instrument.tick_size
    limit = (
        floor_to(best + slippage, tick) if is_buy else ceil_to(best - slippage, tick)
    )
    if limit <= 0:
        return _refused(signal, RefusalReason.NO_LIQUIDITY, limit, Decimal(0))
    steps = EXACT.divide_int(rules.order_notional, limit * instrument.step_size)
    quantity = steps * instrument.step_size
    notional = quantity * limit
    if not quantity or notional < instrument.min_notional:
        return _refused(
            signal, RefusalReason.MIN_NOTIONAL, notional, instrument.min_notional
        )
    return Order(
        received_ns=signal.received_ns,
        symbol=signal.symbol,
        client_order_id=client_order_id,
        side=signal.side,
        order_type=OrderType.LIMIT,
        purpose=Purpose.ENTRY,
        quantity=quantity,
        limit_price=limit,
        is_reduce_only=False,
        notional=notional,
    )


def _refused(
    signal: Signal,
    reason: RefusalReason,
    value: Decimal | None = None,
    limit: Decimal | None = None,
) -> Refused:
    return Refused(
        received_ns=signal.received_ns,
        symbol=signal.symbol,
        side=signal.side,
        reason=reason,
        value=value,
        limit=limit,
    )
