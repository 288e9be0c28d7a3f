"""What the account has been told of the world outside it."""

from flows.domain.event import ClockTick, VenueStatus
from flows.domain.symbol_book import BookState, BookStateChanged
from flows.domain.view import BookView


class Watch:
    """The last word on each symbol's book, on the clock and on the venue."""

    def __init__(self) -> None:
        self.views: dict[str, BookView] = {}
        """Each SYNCED symbol's last view; a book that stops being true has none."""
        self.skew_ms = 0
        self.venue = VenueStatus(0, is_reconciled=True)
        self._states: dict[str, BookState] = {}

    def is_synced(self, symbol: str) -> bool:
        """Whether the symbol's book may be believed."""
        return self._states.get(symbol) is BookState.SYNCED

    def on_view(self, view: BookView) -> bool:
        """Keep a view; False where its book is not SYNCED, so it shows nothing."""
        if self._states.get(view.symbol) is not BookState.SYNCED:
            return False
        self.views[view.symbol] = view
        return True

    def on_state(self, change: BookStateChanged) -> None:
        """Follow a book's state, and forget what it showed once it is not SYNCED."""
        self._states[change.symbol] = change.after
        if change.after is not BookState.SYNCED:
            self.views.pop(change.symbol, None)

    def on_tick(self, tick: ClockTick) -> None:
        """Keep the clock skew where it has been measured."""
        if tick.skew_ms is not None:
            self.skew_ms = tick.skew_ms

    def on_venue(self, status: VenueStatus) -> None:
        """Keep what the execution side knows of the venue."""
        self.venue = status
