"""The content of report.json."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from flows.domain.evidence import Band, Evidence, estimate, sum_trades, weigh
from flows.domain.imbalance import Zone
from flows.domain.order import OrderStatus
from flows.domain.side import Side
from flows.domain.symbol_book import SymbolBook
from flows.domain.units import EXACT, NS_PER_S, plain
from flows.report.tally import Tally
from flows.settings import Settings
from flows.trading import Engine

Json = dict[str, "JsonValue"]
JsonValue = str | int | float | bool | None | list["JsonValue"] | Json


def build_report(
    run_id: str, settings: Settings, engine: Engine, tally: Tally, elapsed_s: float
) -> Json:
    """The content of report.json."""
    books = engine.books
    messages = sum(book.counts.depth_events for book in books.by_symbol.values())
    evidence = weigh(
        sum_trades(tally.trades),
        target_bps=settings.target_bps,
        stop_bps=settings.stop_bps,
        round_trip_fee_bps=2 * settings.taker_fee_bps,
    )
    return {
        "run_id": run_id,
        "symbols": {
            symbol: _symbol(book, engine, tally)
            for symbol, book in sorted(books.by_symbol.items())
        },
        "totals": {
            **_trading(tally, settings),
            **_evidence(evidence),
            "messages": messages,
            "elapsed_s": round(elapsed_s, 3),
            "messages_per_s": round(messages / elapsed_s, 1) if elapsed_s else None,
        },
        "unused_streams": {**books.unused},
        "unknown_streams": {**books.unknown},
        "settings": {**settings.as_text()},
    }


def _symbol(book: SymbolBook, engine: Engine, tally: Tally) -> Json:
    counts, view = book.counts, book.last_view
    zones = engine.tracker.views.get(book.symbol, {})
    sides = Counter(s.side for s in tally.signals if s.symbol == book.symbol)
    bid = (
        [_level(view.price(p), view.quantity(q)) for p, q in view.bids] if view else []
    )
    ask = (
        [_level(view.price(p), view.quantity(q)) for p, q in view.asks] if view else []
    )
    return {
        "market": book.market.value if book.market else None,
        "is_traded": book.market.is_traded if book.market else False,
        "state": book.state.value,
        "depth_events": counts.depth_events,
        "applied": counts.applied,
        "stale": counts.stale,
        "duplicates": counts.duplicates,
        "gaps": counts.gaps,
        "waiting": counts.waiting,
        "other_speed": counts.other_speed,
        "crossed": counts.crossed,
        "audits": counts.audits,
        "drifted": counts.drifted,
        "book_ticker_checked": book.ticker_check.checked,
        "book_ticker_equal": book.ticker_check.equal,
        "best_bid": bid[0] if bid else None,
        "best_ask": ask[0] if ask else None,
        "views": {zone.value: zones.get(zone, 0) for zone in Zone},
        "signals": {side.value: sides[side] for side in Side},
        "note": explain(book),
    }


def explain(book: SymbolBook) -> str | None:
    """Why a symbol could not trade, in one sentence; None where it could."""
    counts = book.counts
    if not counts.depth_events:
        return "No depth events: there is no book."
    if not counts.applied:
        return (
            f"The book never became valid: no snapshot joins its {counts.depth_events} "
            "depth events, so no trade was possible."
        )
    if book.market is not None and not book.market.is_traded:
        return f"Trading is off: {book.market.value} builds books and signals only."
    return None


def _trading(tally: Tally, settings: Settings) -> Json:
    equity = tally.equity
    net = EXACT.subtract(equity.equity, settings.capital) if equity else Decimal(0)
    ended = tally.ended
    unfilled = [
        line for line in tally.orders.values() if line.status is OrderStatus.UNFILLED
    ]
    return {
        "orders": len(tally.orders),
        "fills": len(tally.fills),
        "unfilled": len(unfilled),
        "refused": dict(sorted(tally.refused.items())),
        "pnl": {
            "gross": plain(equity.gross) if equity else "0",
            "fees": plain(equity.fees) if equity else "0",
            "net": plain(net),
        },
        "max_drawdown": plain(ended.max_drawdown) if ended else "0",
        "equity": plain(equity.equity if equity else settings.capital),
        "open_positions": {
            symbol: [held.direction.value, plain(held.quantity)]
            for symbol, held in sorted(tally.open.items())
        },
        "kill": (
            {
                "reason": tally.kill.reason.value,
                "at": utc_text(tally.kill.received_ns),
                "detail": tally.kill.detail,
            }
            if tally.kill
            else None
        ),
    }


def _evidence(evidence: Evidence) -> Json:
    return {
        "trades": evidence.trades,
        "wins": evidence.wins,
        "win_rate": _rate(evidence.win_rate),
        "win_rate_band": _rates(evidence.win_rate_band),
        "break_even_win_rate": _rate(evidence.break_even_win_rate),
        "profit_factor": _rate(evidence.profit_factor),
        "mean_net": _money(evidence.mean_net),
        "mean_net_band": [estimate(end) for end in evidence.mean_net_band or ()]
        or None,
        "verdict": evidence.verdict,
    }


def _level(price: Decimal, quantity: Decimal) -> list[JsonValue]:
    return [plain(price), plain(quantity)]


def _rate(value: Decimal | None) -> float | None:
    return None if value is None else float(f"{value:.6f}")


def _rates(band: Band | None) -> list[JsonValue] | None:
    return None if band is None else [_rate(end) for end in band]


def _money(value: Decimal | None) -> str | None:
    return None if value is None else estimate(value)


def utc_text(time_ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 text, all nine decimals."""
    seconds, nanoseconds = divmod(time_ns, NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
