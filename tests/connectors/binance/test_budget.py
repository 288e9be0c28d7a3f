"""The weight budget, on times given by hand."""

from connectors.binance.budget import WeightBudget
from flows.domain.units import NS_PER_S

MINUTE_NS = 60 * NS_PER_S
NOON_NS = 28_000_000 * MINUTE_NS
"""A moment at which a minute begins."""


def test_delay_ns_weight_left_is_zero() -> None:
    budget = WeightBudget(2_400)
    budget.spend(1_900, NOON_NS)
    assert budget.delay_ns(20, NOON_NS) == 0


def test_delay_ns_share_used_up_waits_for_the_next_minute() -> None:
    budget = WeightBudget(2_400)
    budget.spend(1_920, NOON_NS)
    assert budget.delay_ns(1, NOON_NS + 10 * NS_PER_S) == 50 * NS_PER_S
    assert budget.delay_ns(1, NOON_NS + MINUTE_NS) == 0


def test_on_reply_header_above_our_count_corrects_it() -> None:
    budget = WeightBudget(2_400)
    budget.spend(20, NOON_NS)
    budget.on_reply(200, {"x-mbx-used-weight-1m": "1915"}, NOON_NS)
    assert budget.used == 1_915
    assert budget.delay_ns(20, NOON_NS) == MINUTE_NS


def test_on_reply_odd_header_leaves_our_count() -> None:
    budget = WeightBudget(2_400)
    budget.spend(20, NOON_NS)
    budget.on_reply(200, {"x-mbx-used-weight-1m": "-1"}, NOON_NS)
    assert budget.used == 20


def test_on_reply_429_stops_everything_until_retry_after() -> None:
    budget = WeightBudget(2_400)
    budget.on_reply(429, {"retry-after": "7"}, NOON_NS)
    assert budget.is_paused(NOON_NS + 6 * NS_PER_S)
    assert budget.delay_ns(1, NOON_NS) == 7 * NS_PER_S
    assert not budget.is_paused(NOON_NS + 7 * NS_PER_S)


def test_on_reply_418_without_retry_after_stops_for_a_minute() -> None:
    budget = WeightBudget(2_400)
    budget.on_reply(418, {}, NOON_NS)
    assert budget.paused_until_ns == NOON_NS + MINUTE_NS


def test_on_reply_shorter_pause_later_keeps_the_longer() -> None:
    budget = WeightBudget(2_400)
    budget.on_reply(418, {"retry-after": "120"}, NOON_NS)
    budget.on_reply(429, {"retry-after": "1"}, NOON_NS + NS_PER_S)
    assert budget.paused_until_ns == NOON_NS + 2 * MINUTE_NS
