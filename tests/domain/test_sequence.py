"""The sequence rules, case by case; the simulated exchange tests them together."""

import pytest

from flows.domain.sequence import BEGUN_ANEW, Sequence, Verdict

Ids = tuple[int, int, int | None]


def started(*, is_spot: bool, at: int = 100) -> Sequence:
    sequence = Sequence(is_spot=is_spot)
    sequence.start(at)
    return sequence


def test_judge_without_snapshot_waits() -> None:
    sequence = Sequence(is_spot=False)
    assert sequence.judge(1, 5, 0) is Verdict.WAIT
    assert sequence.needs_snapshot
    assert sequence.last_id is None


@pytest.mark.parametrize(
    ("is_spot", "ids", "verdict"),
    [
        (False, (90, 99, 80), Verdict.STALE),
        (False, (90, 100, 80), Verdict.APPLY),  # the event that ends at the snapshot
        (False, (95, 105, 90), Verdict.APPLY),  # the documented U <= L <= u
        (False, (102, 105, 100), Verdict.APPLY),  # pu == L
        (False, (103, 105, 98), Verdict.APPLY),  # L between two events of the symbol
        (False, (110, 120, 101), Verdict.WAIT),
        (True, (90, 100, None), Verdict.STALE),
        (True, (90, 101, None), Verdict.APPLY),
        (True, (101, 105, None), Verdict.APPLY),
        (True, (102, 105, None), Verdict.WAIT),
    ],
)
def test_judge_first_event_by_rule_gives_verdict(
    is_spot: bool, ids: Ids, verdict: Verdict
) -> None:
    sequence = started(is_spot=is_spot)
    assert sequence.judge(*ids) is verdict
    assert sequence.needs_snapshot is (verdict is Verdict.WAIT)
    assert sequence.last_id == (ids[1] if verdict is Verdict.APPLY else None)


def test_judge_first_futures_event_without_previous_id_waits() -> None:
    assert started(is_spot=False).judge(95, 105, None) is Verdict.WAIT


@pytest.mark.parametrize(
    ("is_spot", "ids", "verdict"),
    [
        (False, (140, 150, 105), Verdict.APPLY),
        (False, (106, 150, 104), Verdict.GAP),
        (False, (140, 150, 130), Verdict.GAP),
        (False, (140, 150, None), Verdict.GAP),
        (False, (95, 105, 90), Verdict.DUPLICATE),
        (False, (80, 90, 70), Verdict.DUPLICATE),
        (True, (106, 110, None), Verdict.APPLY),
        (True, (107, 110, None), Verdict.GAP),
        (True, (105, 110, None), Verdict.GAP),
        (True, (101, 105, None), Verdict.DUPLICATE),
    ],
)
def test_judge_next_event_by_rule_gives_verdict(
    is_spot: bool, ids: Ids, verdict: Verdict
) -> None:
    sequence = started(is_spot=is_spot)
    sequence.judge(95, 105, 90)
    assert sequence.judge(*ids) is verdict
    assert sequence.needs_snapshot is (verdict is Verdict.GAP)
    after = {Verdict.APPLY: ids[1], Verdict.GAP: None, Verdict.DUPLICATE: 105}
    assert sequence.last_id == after[verdict]


def test_judge_after_gap_waits_until_started_again() -> None:
    sequence = started(is_spot=False)
    sequence.judge(95, 105, 90)
    sequence.judge(140, 150, 130)
    assert sequence.judge(151, 160, 150) is Verdict.WAIT
    sequence.start(155)
    assert sequence.judge(151, 160, 150) is Verdict.APPLY


@pytest.mark.parametrize("is_spot", [True, False])
def test_judge_duplicates_that_follow_each_other_for_long_are_a_gap(
    *, is_spot: bool
) -> None:
    sequence = started(is_spot=is_spot)
    sequence.judge(95, 105, 90)
    verdicts = [
        sequence.judge(first, first, first - 1) for first in range(1, BEGUN_ANEW + 1)
    ]
    assert verdicts == [Verdict.DUPLICATE] * (BEGUN_ANEW - 1) + [Verdict.GAP]
    assert sequence.needs_snapshot


def test_judge_replayed_events_between_new_ones_stay_duplicates() -> None:
    sequence = started(is_spot=False)
    sequence.judge(95, 105, 90)
    for last in range(106, 200):
        assert sequence.judge(last, last, last - 1) is Verdict.APPLY
        assert sequence.judge(last - 1, last - 1, last - 2) is Verdict.DUPLICATE


def test_judge_same_duplicate_again_and_again_stays_a_duplicate() -> None:
    sequence = started(is_spot=False)
    sequence.judge(95, 105, 90)
    for _ in range(3 * BEGUN_ANEW):
        assert sequence.judge(91, 100, 90) is Verdict.DUPLICATE
