"""The kill that needs no engine: flat, proved, and said exactly."""

import asyncio
from decimal import Decimal
from typing import cast

import pytest

from connectors.binance.account_client import AccountClient
from connectors.binance.order_desk import ORDER_PATH
from connectors.binance.reconciliation import OPEN_ORDERS_PATH, POSITIONS_PATH
from connectors.binance.stop_desk import OPEN_ALGOS_PATH
from connectors.binance.venue_kill import (
    CANCEL_ALGOS_PATH,
    CANCEL_ALL_PATH,
    SETTLED_NS,
    Flat,
    Step,
    VenueKill,
)
from flows.domain.errors import MarketDataError
from flows.domain.units import NS_PER_S
from tests.connectors.binance.fake_account import START_NS, FakeAccount, refused

LOST = MarketDataError("cut")


def killed(
    account: FakeAccount, within_s: float | None = 60
) -> tuple[Flat, list[Step]]:
    steps: list[Step] = []
    client = cast(AccountClient, account)
    kill = VenueKill(client, account.clock, steps.append, sleep=account.sleep)
    return asyncio.run(kill.run(within_s)), steps


def said(steps: list[Step]) -> list[str]:
    return [step.what for step in steps if step.is_done]


def test_run_open_account_is_closed_then_proved_then_rid_of_its_stops() -> None:
    account = FakeAccount()
    account.positions = {"A": Decimal("1.5"), "B": Decimal(-2)}
    account.orders, account.stops = ["A", "A", "C"], ["A", "B"]
    flat, steps = killed(account)
    assert flat.is_flat
    assert flat.after_ns is not None
    assert flat.after_ns < NS_PER_S
    assert (account.positions, account.orders, account.stops) == ({}, [], [])
    assert [p["symbol"] for p in account.asked(CANCEL_ALL_PATH)] == ["A", "C"]
    names = [p["newClientOrderId"] for p in account.asked(ORDER_PATH)]
    assert len(set(names)) == 2
    told = said(steps)
    assert told[0] == "kill begins"
    assert told.index("nothing is open") < told.index("stops withdrawn")
    assert told[-1] == "flat"


def test_run_flat_account_is_watched_until_no_late_order_can_arrive() -> None:
    account = FakeAccount()
    flat, _ = killed(account)
    assert flat == Flat(True, START_NS, flat.after_ns)
    assert account.now_ns - START_NS >= SETTLED_NS


def test_run_without_a_limit_goes_on_until_flat() -> None:
    account = FakeAccount()
    account.positions = {"A": Decimal(1)}
    account.troubles = {POSITIONS_PATH: [LOST] * 100}
    assert killed(account, within_s=None)[0].is_flat
    assert account.now_ns - START_NS > 60 * NS_PER_S


def test_run_order_that_arrives_late_is_closed_as_well() -> None:
    class Late(FakeAccount):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if not self.asked(ORDER_PATH):
                self.positions = {"A": Decimal(1)}

    account = Late()
    flat, steps = killed(account)
    assert flat.is_flat
    assert account.positions == {}
    assert said(steps).count("nothing is open") == 2


@pytest.mark.parametrize(
    "path", [OPEN_ORDERS_PATH, POSITIONS_PATH, ORDER_PATH, CANCEL_ALL_PATH]
)
@pytest.mark.parametrize("trouble", [LOST, refused(503, -1001), refused(200)])
def test_run_trouble_with_any_request_is_told_and_tried_again(
    path: str, trouble: MarketDataError
) -> None:
    account = FakeAccount()
    account.positions, account.orders = {"A": Decimal(1)}, ["A"]
    account.troubles = {path: [trouble] * 3}
    flat, _ = killed(account)
    assert flat.is_flat
    assert (account.positions, account.orders) == ({}, [])


def test_run_exchange_that_never_answers_ends_by_saying_what_is_unknown() -> None:
    account = FakeAccount()
    account.positions = {"A": Decimal(1)}
    account.troubles = {
        OPEN_ORDERS_PATH: [LOST] * 1_000,
        POSITIONS_PATH: [LOST] * 1_000,
    }
    flat, steps = killed(account, within_s=10)
    assert flat == Flat(
        False, START_NS, None, ("unknown: open orders", "unknown: positions")
    )
    assert 10 * NS_PER_S <= account.now_ns - START_NS < 11 * NS_PER_S
    failed = [step for step in steps if not step.is_done]
    assert failed[0].detail == "cut"


def test_run_position_that_cannot_be_closed_is_named() -> None:
    account = FakeAccount()
    account.positions = {"A": Decimal("0.016")}
    account.troubles = {ORDER_PATH: [refused(400, -2022)] * 1_000}
    flat, _ = killed(account, within_s=3)
    assert flat.remaining == ("A: 0.016",)


def test_run_pause_that_the_exchange_asks_for_is_kept() -> None:
    account = FakeAccount()
    account.troubles = {POSITIONS_PATH: [refused(429, -1003, retry_after="7")]}
    killed(account)
    queries = [path for _, path, _ in account.calls].count(POSITIONS_PATH)
    assert account.now_ns - START_NS >= 7 * NS_PER_S
    assert queries < 6
    account.troubles = {POSITIONS_PATH: [refused(418, -1003)]}
    assert killed(account)[0].is_flat


def test_run_wrong_clock_is_measured_again() -> None:
    account = FakeAccount()
    account.clock_trouble = True
    account.troubles = {POSITIONS_PATH: [refused(400, -1021)]}
    flat, steps = killed(account)
    assert flat.is_flat
    assert account.measured == 2
    assert [step.what for step in steps if not step.is_done].count("clock") == 2


@pytest.mark.parametrize("path", [OPEN_ALGOS_PATH, CANCEL_ALGOS_PATH])
def test_run_stop_that_cannot_be_withdrawn_leaves_the_account_flat(path: str) -> None:
    account = FakeAccount()
    account.stops = ["A"]
    account.troubles = {path: [LOST]}
    flat, steps = killed(account)
    assert flat.is_flat
    assert steps[-2].detail == "cut"
