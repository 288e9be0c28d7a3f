"""The histogram of durations: never more wrong than a sixteenth, exact at powers."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.latency import Latency

DURATIONS = st.lists(st.integers(-5, 1 << 40), min_size=1, max_size=50)


def counted(durations: list[int]) -> Latency:
    latency = Latency()
    for duration in durations:
        latency.add(duration)
    return latency


@given(DURATIONS, st.integers(1, 1_000))
def test_quantile_ns_any_durations_is_at_most_a_sixteenth_above(
    durations: list[int], per_mille: int
) -> None:
    told = counted(durations).quantile_ns(per_mille)
    rank = -(-len(durations) * per_mille // 1_000)
    true = sorted(max(one, 0) for one in durations)[rank - 1]
    assert true <= told <= true + true // 16


@given(DURATIONS)
def test_below_bounds_that_begin_a_bucket_counts_exactly(durations: list[int]) -> None:
    latency = counted(durations)
    bounds = [step << power for power in range(37) for step in range(16, 32)]
    assert latency.below(bounds) == [
        sum(one < bound for one in durations) for bound in bounds
    ]
    assert latency.total_ns == sum(max(one, 0) for one in durations)
    assert latency.count == len(durations)


def test_quantile_ns_of_nothing_is_nothing() -> None:
    assert Latency().quantile_ns(990) == 0
