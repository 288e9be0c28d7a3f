"""An observer of a scene, as tests of whoever is told its state need it."""

from collections.abc import Sequence
from decimal import Decimal

from connectors.latency import Latency
from flows.domain.books import Books
from flows.settings import Settings
from flows.telemetry import Observer
from tests.domain.scene import Scene


def observer_of(
    scene: Scene, books: Books | None = None, symbols: Sequence[str] = ()
) -> Observer:
    """What looks at the scene's account, and at books; at none unless given."""
    return Observer(
        "run-1",
        "paper",
        books or Books(depth=5, stale_after_ms=3_000),
        scene.account,
        Latency(),
        rule=Settings().zone_rule,
        symbols=symbols,
        taker_fee_bps=Decimal(5),
    )
