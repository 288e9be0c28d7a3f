"""What forbids an entry before any order is planned."""

from collections.abc import Mapping
from decimal import Decimal

from flows.domain.control import Controls
from flows.domain.instrument import Instruments
from flows.domain.ledger import Ledger
from flows.domain.order import WorkingOrder
from flows.domain.risk import RefusalReason, Refused, RiskLimits
from flows.domain.signal import Signal
from flows.domain.units import NS_PER_MS
from flows.domain.watch import Watch

_Grounds = tuple[RefusalReason, Decimal | None, Decimal | None]
"""Reason, value measured, limit."""


def _grounds(
    reason: RefusalReason, value: int | None = None, limit: int | None = None
) -> _Grounds:
    return (
        reason,
        None if value is None else Decimal(value),
        None if limit is None else Decimal(limit),
    )


class EntryCheck:
    """Judges signals by everything but the order's size, which is the risk gate's."""

    def __init__(
        self,
        watch: Watch,
        controls: Controls,
        ledger: Ledger,
        working: Mapping[str, WorkingOrder],
        *,
        limits: RiskLimits,
        instruments: Instruments,
        cooldown_ms: int,
    ) -> None:
        self._watch = watch
        self._controls = controls
        self._ledger = ledger
        self._working = working
        self._limits = limits
        self._instruments = instruments
        self._cooldown_ms = cooldown_ms

    def why_not(self, signal: Signal) -> Refused | None:
        """The first rule that forbids an entry now, with its numbers."""
        symbol, now_ns = signal.symbol, signal.received_ns
        found = (
            self._by_operator(symbol)
            or self._by_symbol(symbol, now_ns)
            or self._by_data(symbol, now_ns)
            or self._by_venue(now_ns)
        )
        if found is None:
            return None
        reason, value, limit = found
        return Refused(
            received_ns=now_ns,
            symbol=symbol,
            side=signal.side,
            reason=reason,
            value=value,
            limit=limit,
        )

    def _by_operator(self, symbol: str) -> _Grounds | None:
        if self._controls.kill_switch.is_latched:
            return _grounds(RefusalReason.KILLED)
        if self._controls.is_paused:
            return _grounds(RefusalReason.PAUSED)
        view = self._watch.views.get(symbol)
        is_other_market = view is not None and not view.is_traded
        if is_other_market or not self._instruments.is_trading(symbol):
            return _grounds(RefusalReason.NOT_TRADED)
        return None

    def _by_symbol(self, symbol: str, now_ns: int) -> _Grounds | None:
        if symbol in self._ledger.positions:
            return _grounds(RefusalReason.POSITION_OPEN)
        if symbol in self._working:
            return _grounds(RefusalReason.ORDER_IN_FLIGHT)
        closed_ns = self._ledger.closed_ns.get(symbol)
        if closed_ns is None:
            return None
        elapsed_ns = now_ns - closed_ns
        if elapsed_ns >= self._cooldown_ms * NS_PER_MS:
            return None
        elapsed_ms = elapsed_ns // NS_PER_MS
        return _grounds(RefusalReason.COOLDOWN, elapsed_ms, self._cooldown_ms)

    def _by_data(self, symbol: str, now_ns: int) -> _Grounds | None:
        view = self._watch.views.get(symbol)
        if view is None:
            return _grounds(RefusalReason.BOOK_NOT_SYNCED)
        max_age_ms = self._limits.mark_max_age_ms
        max_age_ns = max_age_ms * NS_PER_MS
        ledger = self._ledger
        if any(ledger.is_mark_older(s, now_ns, max_age_ns) for s in ledger.positions):
            return _grounds(RefusalReason.MARK_UNKNOWN, limit=max_age_ms)
        if view.is_beyond_horizon:
            return _grounds(RefusalReason.DEPTH_HORIZON)
        return None

    def _by_venue(self, now_ns: int) -> _Grounds | None:
        venue = self._watch.venue
        if not venue.is_reconciled:
            return _grounds(RefusalReason.UNRECONCILED)
        if now_ns < venue.rate_limited_until_ns:
            return _grounds(RefusalReason.RATE_LIMITED)
        skew_ms, max_skew_ms = self._watch.skew_ms, self._limits.max_clock_skew_ms
        if abs(skew_ms) > max_skew_ms:
            return _grounds(RefusalReason.CLOCK_SKEW, skew_ms, max_skew_ms)
        return None
