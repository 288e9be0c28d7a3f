"""Where approved orders go: executed here, or sent to an exchange."""

from typing import Protocol

from flows.domain.order import Fill, Order, OrderReport
from flows.domain.risk import Approved
from flows.domain.view import BookView


class Venue(Protocol):
    """Executes orders against views, or leaves that to an exchange."""

    @property
    def is_remote(self) -> bool:
        """Whether an exchange executes: what becomes of an order is told later."""

    def submit(self, approved: Approved, /) -> None:
        """Take an approved order. Raises OrderRejected, and holds nothing of it."""

    def cancel(self, order: Order, received_ns: int, /) -> OrderReport | None:
        """Withdraw an order; its report, where that is known at once."""

    def meet(self, view: BookView, /) -> list[Fill | OrderReport]:
        """What a view does to the orders in flight; fills before their report."""

    def end(self, received_ns: int, /) -> list[OrderReport]:
        """What becomes of orders in flight where input ends."""


class RemoteVenue:
    """An exchange: orders leave through the sink that journals them."""

    is_remote = True

    def submit(self, _approved: Approved, /) -> None:
        """Leave it to the sink."""

    def cancel(self, _order: Order, _received_ns: int, /) -> None:
        """Leave it to the sink; the exchange decides what was first."""

    def meet(self, _view: BookView, /) -> list[Fill | OrderReport]:
        """Nothing: the exchange has a book of its own."""
        return []

    def end(self, _received_ns: int, /) -> list[OrderReport]:
        """Nothing: orders outlive the run, and the next one asks for them."""
        return []
