"""The exchange's rules for a local order book, as judgements over update ids."""

from enum import Enum

BEGUN_ANEW = 20
"""Duplicates in a row that follow each other: no replay of a few events is so long."""


class Verdict(Enum):
    """What the sequence rules say of one depth event."""

    APPLY = "apply"
    STALE = "stale"
    DUPLICATE = "duplicate"
    GAP = "gap"
    WAIT = "wait"


class Sequence:
    """Judges the update ids of one symbol's depth events.

    An event carries `U` first_id, `u` last_id and, on futures, `pu` previous_id;
    a snapshot carries `L` last_update_id.

    1. Without a snapshot every event waits.
    2. Before the first applied event, an event that the snapshot already contains is
       stale: futures `u < L`, Spot `u <= L`.
    3. The first event applied must bridge: futures `pu <= L <= u`, Spot
       `U <= L + 1 <= u`.
    4. A first event beyond that shows the snapshot to be too old: the event waits, and
       a newer snapshot is needed.
    5. After the first, an event with `u` not above the last applied is a duplicate.
    6. It applies if it follows the last applied `u`: futures `pu == last u`, Spot
       `U == last u + 1`.
    7. Anything else is a gap: events were lost, and a new snapshot is needed. So are
       20 duplicates in a row that follow each other by rule 6: ids began anew.

    Futures rule 3 is wider than the documented `U <= L <= u`: ids are shared by all
    symbols, so L may lie between two of this symbol's events, where nothing of it
    changed. Source: Binance, "How to manage a local order book correctly" (USD-M
    futures and Spot).
    """

    __slots__ = ("_is_spot", "_repeated", "_repeated_id", "_snapshot_id", "last_id")

    def __init__(self, *, is_spot: bool) -> None:
        self._is_spot = is_spot
        self._snapshot_id: int | None = None
        self.last_id: int | None = None
        """`u` of the last applied event; None while not bridged."""
        self._repeated_id: int | None = None
        """`u` of the last duplicate, where nothing was applied since."""
        self._repeated = 0
        """Duplicates in a row that follow each other."""

    @property
    def needs_snapshot(self) -> bool:
        """Whether only a new snapshot can help."""
        return self._snapshot_id is None

    def start(self, last_update_id: int) -> None:
        """Begin again from a snapshot."""
        self._snapshot_id = last_update_id
        self.last_id = self._repeated_id = None

    def reset(self) -> None:
        """Forget everything; the next event waits for a snapshot (rule 1)."""
        self._snapshot_id = self.last_id = self._repeated_id = None

    def judge(self, first_id: int, last_id: int, previous_id: int | None) -> Verdict:
        """The verdict on one event; APPLY advances the sequence."""
        if self.last_id is not None:
            return self._judge_next(first_id, last_id, previous_id)
        if self._snapshot_id is None:
            return Verdict.WAIT
        return self._judge_first(first_id, last_id, previous_id, self._snapshot_id)

    def _judge_first(
        self, first_id: int, last_id: int, previous_id: int | None, snapshot_id: int
    ) -> Verdict:
        first_new = snapshot_id + 1 if self._is_spot else snapshot_id
        joins_from = first_id if self._is_spot else previous_id
        if last_id < first_new:
            return Verdict.STALE
        if joins_from is None or joins_from > first_new:
            self.reset()
            return Verdict.WAIT
        self.last_id = last_id
        return Verdict.APPLY

    def _judge_next(
        self, first_id: int, last_id: int, previous_id: int | None
    ) -> Verdict:
        last_applied = self.last_id
        before = first_id - 1 if self._is_spot else previous_id
        if last_applied is not None and last_id <= last_applied:
            return self._judge_repeated(before, last_id)
        self._repeated_id = None
        if before != last_applied:
            self.reset()
            return Verdict.GAP
        self.last_id = last_id
        return Verdict.APPLY

    def _judge_repeated(self, before: int | None, last_id: int) -> Verdict:
        is_next = self._repeated_id is not None and before == self._repeated_id
        self._repeated = self._repeated + 1 if is_next else 1
        self._repeated_id = last_id
        if self._repeated < BEGUN_ANEW:
            return Verdict.DUPLICATE
        self.reset()
        return Verdict.GAP
