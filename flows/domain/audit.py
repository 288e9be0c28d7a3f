"""A snapshot held against a book that is already true."""

from flows.domain.book import Book
from flows.domain.event import DepthDelta, DepthSnapshot
from flows.domain.sequence import Sequence, Verdict


class Audit:
    """A snapshot bridged beside the book, to be compared at the same update id."""

    def __init__(self, snapshot: DepthSnapshot, *, is_spot: bool) -> None:
        self.book = Book()
        self.book.load(snapshot)
        self._sequence = Sequence(is_spot=is_spot)
        self._sequence.start(snapshot.last_update_id)

    @property
    def last_id(self) -> int | None:
        """The update id at which the audit's book stands; None while not bridged."""
        return self._sequence.last_id

    def feed(self, delta: DepthDelta) -> bool:
        """Take a delta; False where the snapshot is too old to be bridged."""
        verdict = self._sequence.judge(delta.first_id, delta.last_id, delta.previous_id)
        if verdict is Verdict.APPLY:
            self.book.apply(delta)
        return verdict not in (Verdict.WAIT, Verdict.GAP)
