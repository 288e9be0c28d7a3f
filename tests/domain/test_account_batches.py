"""The account: its journal does not depend on the batches."""

import itertools
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.domain.account import AccountEvent
from flows.domain.event import ClockTick, Command, VenueStatus, Verb
from flows.domain.imbalance import Imbalance, Zone
from flows.domain.kill import KillTripped
from flows.domain.position import TradeClosed
from flows.domain.side import Side
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.units import NS_PER_MS, plain, unscaled
from tests.domain.scene import (
    START_NS,
    Scene,
    signal_of,
    view_of,
)

BUY, SELL = Side.BUY, Side.SELL
A, B = "AAAUSDT", "BBBUSDT"


VERBS = {61: Verb.PAUSE, 91: Verb.RESUME, 151: Verb.KILL, 201: Verb.RESET}


def _eventful() -> Iterator[AccountEvent]:
    """Two symbols traded, a gap, commands, a kill and a reset."""
    yield VenueStatus(START_NS, is_reconciled=True)
    for step in range(240):
        now_ns = START_NS + (step + 1) * 10 * NS_PER_MS
        symbol = (A, B)[step % 2]
        if step % 40 < 2:
            yield _changed(symbol, now_ns, BookState.SYNCED)
        mid = 10_000 + step * 7 % 41 - 20
        bids = [(_price(mid - 1 - i), "3") for i in range(3)]
        view = view_of(symbol, now_ns, bids, [(_price(mid), "20")])
        yield Imbalance(view, Zone.BUY)
        if step % 11 == 0:
            yield signal_of(view, (BUY, SELL)[step % 3 == 0])
        if step % 50 == 49:
            yield ClockTick(now_ns)
        if step == 75:
            yield _changed(symbol, now_ns, BookState.GAP)
        if verb := VERBS.get(step):
            yield Command(now_ns, verb, "looked into it", "ann")


def _price(cents: int) -> str:
    return plain(unscaled(cents, 2))


def _changed(symbol: str, now_ns: int, after: BookState) -> BookStateChanged:
    return BookStateChanged(
        received_ns=now_ns,
        symbol=symbol,
        before=BookState.BRIDGING,
        after=after,
        update_id=None,
    )


EVENTS = list(_eventful())


def test_apply_eventful_run_trades_and_kills() -> None:
    scene = Scene(cooldown_ms=0)
    scene.feed(*EVENTS)
    assert len(scene.all(TradeClosed)) >= 5
    assert len(scene.all(KillTripped)) == 1
    assert scene.account.last_error == ""


@settings(max_examples=50, deadline=None, derandomize=True)
@given(cuts=st.sets(st.integers(1, len(EVENTS) - 1)))
def test_apply_any_batches_of_the_same_events_give_the_same_journal(
    cuts: set[int],
) -> None:
    whole, parts = Scene(cooldown_ms=0), Scene(cooldown_ms=0)
    whole.feed(*EVENTS)
    edges = [0, *sorted(cuts), len(EVENTS)]
    for first, last in itertools.pairwise(edges):
        parts.feed(*EVENTS[first:last])
    assert parts.entries == whole.entries
    assert parts.end() == whole.end()
