"""What forbids an entry, each at its boundary."""

from decimal import Decimal

import pytest

from flows.domain.event import Verb
from flows.domain.risk import RefusalReason, Refused
from flows.domain.side import Side
from flows.domain.symbol_book import BookState
from tests.domain.scene import Scene, kinds, only, orders, refusals, signal_of, view_of

BUY = Side.BUY
BOOK = ([("99.99", "1000")], [("100.00", "1000")])


def _ready() -> Scene:
    scene = Scene()
    scene.state(BookState.SYNCED)
    scene.view(*BOOK)
    return scene


def _refused(facts: list[object]) -> Refused:
    (refused,) = only(Refused, facts)
    return refused


def test_why_not_in_a_sound_state_lets_the_signal_pass() -> None:
    assert kinds(_ready().signal(BUY)) == ["Signal", "Approved"]


def test_why_not_refusal_bears_signal_and_reason() -> None:
    scene = _ready()
    scene.command(Verb.PAUSE)
    assert _refused(scene.signal(Side.SELL)) == Refused(
        received_ns=scene.now_ns,
        symbol="AAAUSDT",
        side=Side.SELL,
        reason=RefusalReason.PAUSED,
    )


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        (Verb.PAUSE, RefusalReason.PAUSED),
        (Verb.FLATTEN, RefusalReason.PAUSED),
        (Verb.STOP, RefusalReason.PAUSED),
        (Verb.KILL, RefusalReason.KILLED),
    ],
)
def test_why_not_after_a_stopping_verb_names_it(
    verb: Verb, reason: RefusalReason
) -> None:
    scene = _ready()
    scene.command(verb)
    assert refusals(scene.signal(BUY)) == [reason]


def test_why_not_in_a_market_that_is_not_traded_names_it() -> None:
    scene = _ready()
    scene.view(*BOOK, is_traded=False)
    assert refusals(scene.signal(BUY)) == [RefusalReason.NOT_TRADED]


def test_why_not_beyond_the_horizon_refuses_until_a_view_within() -> None:
    scene = _ready()
    scene.view(*BOOK, is_beyond_horizon=True)
    assert refusals(scene.signal(BUY)) == [RefusalReason.DEPTH_HORIZON]
    scene.view(*BOOK)
    assert refusals(scene.signal(BUY)) == []


@pytest.mark.parametrize("state", [s for s in BookState if s is not BookState.SYNCED])
def test_why_not_while_not_synced_refuses_until_the_next_view(
    state: BookState,
) -> None:
    scene = _ready()
    scene.state(state)
    assert refusals(scene.signal(BUY)) == [RefusalReason.BOOK_NOT_SYNCED]
    scene.state(BookState.SYNCED)
    assert refusals(scene.signal(BUY)) == [RefusalReason.BOOK_NOT_SYNCED]
    scene.view(*BOOK)
    assert refusals(scene.signal(BUY)) == []


def test_why_not_before_any_view_refuses_without_an_error() -> None:
    scene = Scene()
    view = view_of("AAAUSDT", scene.now_ns, *BOOK)
    facts = scene.feed(signal_of(view, BUY))
    assert refusals(facts) == [RefusalReason.BOOK_NOT_SYNCED]
    assert scene.account.last_error == ""


def test_why_not_with_an_order_in_flight_refuses_a_second_one() -> None:
    scene = _ready()
    scene.signal(BUY)
    assert refusals(scene.signal(BUY)) == [RefusalReason.ORDER_IN_FLIGHT]


def test_why_not_while_held_refuses_either_side() -> None:
    scene = Scene()
    scene.enter()
    assert refusals(scene.signal(BUY)) == [RefusalReason.POSITION_OPEN]
    assert refusals(scene.signal(Side.SELL)) == [RefusalReason.POSITION_OPEN]


def test_why_not_in_cooldown_refuses_until_exactly_its_end() -> None:
    scene = Scene()
    scene.enter()
    scene.tight("100.20", "100.21")
    scene.wait(20).tight("100.20", "100.21")  # the closing fill
    assert scene.positions == {}
    scene.wait(999)
    refused = _refused(scene.signal(BUY))
    assert (refused.reason, refused.value, refused.limit) == (
        RefusalReason.COOLDOWN,
        Decimal(999),
        Decimal(1000),
    )
    scene.wait(1)
    assert len(orders(scene.signal(BUY))) == 1


def test_why_not_in_cooldown_of_one_symbol_lets_others_pass() -> None:
    scene = Scene()
    scene.enter()
    scene.tight("100.20", "100.21")
    scene.wait(20).tight("100.20", "100.21")
    assert len(orders(scene.signal(BUY))) == 0
    scene.enter(symbol="BBBUSDT")
    assert list(scene.positions) == ["BBBUSDT"]


def test_why_not_with_a_lost_mark_refuses_every_symbol() -> None:
    scene = Scene()
    scene.enter()
    scene.state(BookState.SYNCED, "BBBUSDT")
    scene.wait(4999)
    scene.view(*BOOK, "BBBUSDT")
    assert len(orders(scene.signal(BUY, "BBBUSDT"))) == 1
    scene = Scene()
    scene.enter()
    scene.state(BookState.SYNCED, "BBBUSDT")
    scene.wait(5000)
    scene.view(*BOOK, "BBBUSDT")
    refused = _refused(scene.signal(BUY, "BBBUSDT"))
    assert (refused.reason, refused.limit) == (
        RefusalReason.MARK_UNKNOWN,
        Decimal(5000),
    )


def test_why_not_while_unreconciled_refuses_until_it_is() -> None:
    scene = _ready()
    scene.venue_status(is_reconciled=False)
    assert refusals(scene.signal(BUY)) == [RefusalReason.UNRECONCILED]
    scene.venue_status()
    assert refusals(scene.signal(BUY)) == []


def test_why_not_while_rate_limited_refuses_until_exactly_its_end() -> None:
    scene = _ready()
    scene.venue_status(rate_limited_ms=500)
    scene.wait(499)
    assert refusals(scene.signal(BUY)) == [RefusalReason.RATE_LIMITED]
    scene.wait(1)
    assert refusals(scene.signal(BUY)) == []


@pytest.mark.parametrize(
    ("skew_ms", "is_refused"),
    [(1000, False), (-1000, False), (1001, True), (-1001, True), (None, False)],
)
def test_why_not_by_clock_skew_refuses_past_the_limit(
    skew_ms: int | None, is_refused: bool
) -> None:
    scene = _ready()
    scene.tick(skew_ms)
    facts = scene.signal(BUY)
    assert bool(refusals(facts)) is is_refused
    if is_refused:
        refused = _refused(facts)
        assert refused.reason is RefusalReason.CLOCK_SKEW
        assert (refused.value, refused.limit) == (Decimal(skew_ms or 0), Decimal(1000))
