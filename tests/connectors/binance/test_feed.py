"""The market feed's own measurements and requests."""

from random import Random

import msgspec

from connectors.binance.budget import WeightBudget
from connectors.binance.feed import INFO_PATH, TIME_PATH, MarketFeed
from connectors.binance.outbox import Action, Get, Outbox
from connectors.binance.snapshots import SnapshotDesk
from flows.domain.books import Books
from flows.domain.units import NS_PER_MS, NS_PER_S
from tests.domain.market_events import delta, snapshot

NOW = 1_700_000_000 * NS_PER_S


class Stage:
    """A feed whose requests a test answers."""

    def __init__(self) -> None:
        books = Books(depth=5, stale_after_ms=3_000)
        self.feed = MarketFeed(
            ["BTCUSDT"], books, tuple, Random(1), stale_after_ms=3_000
        )
        self.now_ns = NOW

    def asked(self, path: str) -> list[int]:
        """Serials of requests for a path since the last call."""
        self.feed.on_time(self.now_ns)
        actions: list[Action] = self.feed.take_actions()
        return [a.serial for a in actions if isinstance(a, Get) and a.path == path]

    def pass_s(self, seconds: int) -> None:
        self.now_ns += seconds * NS_PER_S

    def measure(self, round_trip_ms: int, skew_ms: int) -> None:
        """Answer the next question for the time, whose way back takes no time."""
        serials: list[int] = []
        while not serials:
            serials = self.asked(TIME_PATH)
            self.now_ns += NS_PER_S // 10
        asked_ns = self.now_ns - NS_PER_S // 10
        self.now_ns = asked_ns + round_trip_ms * NS_PER_MS
        server_ms = self.now_ns // NS_PER_MS + skew_ms
        body = msgspec.json.encode({"serverTime": server_ms})
        self.feed.on_reply(serials[0], 200, {}, body, self.now_ns)

    def skew(self) -> int | None:
        """What the next tick says."""
        self.pass_s(1)
        self.feed.on_time(self.now_ns)
        [tick] = [f for f in self.feed.take_frames() if f.stream == "@clock"][-1:]
        told: dict[str, int] = msgspec.json.decode(tick.payload)
        return told.get("skew_ms")


def test_on_reply_first_slow_measurement_gives_way_to_a_better_one() -> None:
    stage = Stage()
    stage.measure(3_000, 0)
    assert stage.skew() == 1_500
    stage.measure(2, 0)
    assert stage.skew() == 1
    stage.measure(900, 0)
    assert stage.skew() == 1


def test_on_time_skew_that_is_not_measured_any_more_is_not_told() -> None:
    stage = Stage()
    stage.measure(2, 0)
    assert stage.skew() is not None
    stage.pass_s(301)
    assert stage.skew() is None


def test_on_reply_unusable_exchange_info_is_asked_for_again_soon() -> None:
    stage = Stage()
    [serial] = stage.asked(INFO_PATH)
    stage.feed.on_reply(serial, 200, {}, b"{}", stage.now_ns)
    stage.pass_s(11)
    assert len(stage.asked(INFO_PATH)) == 1


def test_on_time_routine_snapshots_leave_weight_and_a_request_for_needy_books() -> None:
    names = [f"COIN{number}USDT" for number in range(10)]
    books = Books(depth=5, stale_after_ms=3_000)
    outbox, budget = Outbox(), WeightBudget(2_400)
    desk = SnapshotDesk(names, books, tuple, budget, outbox)
    for name in names:
        books.apply(snapshot(100, symbol=name))
        books.apply(delta((95, 105, 90), symbol=name))
    desk.begin_segment()
    desk.on_time(NOW, lambda _symbol: True)
    assert len(outbox.take_actions()) == 3
    books.apply(delta((300, 310, 290), symbol="COIN7USDT"))
    assert books.by_symbol["COIN7USDT"].needs_snapshot
    desk.on_time(NOW, lambda _symbol: True)
    [needy] = outbox.take_actions()
    assert isinstance(needy, Get)
    assert needy.params["symbol"] == "COIN7USDT"
    budget.spend(1_000, NOW)
    for serial in range(1, 5):
        desk.on_failed(serial, "lost", NOW)
    desk.on_time(NOW + 30 * NS_PER_S, lambda _symbol: True)
    asked = [a.params["symbol"] for a in outbox.take_actions() if isinstance(a, Get)]
    assert asked == ["COIN7USDT"]
