"""An engine with a bug begins anew, keeps what it holds, and does not try for ever."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from flows.domain.errors import EngineCrashed, StoreError
from flows.supervision import FORGIVEN_AFTER_S, WAITS_S, persevere
from tests.flows.engine_process import Running, wait_for
from tests.flows.trade_samples import (
    QUICK,
    account_of,
    has_approved,
    is_reconciled,
    run_ids,
    trades_of,
    venue_trades,
)


class Time:
    """A clock that passes only by sleeping and by what runs take."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def crashing(time: Time, lasts: list[float]) -> Callable[[int], str]:
    """A run that crashes once for each entry, after so many seconds, then ends."""

    def run(begun_anew: int) -> str:
        assert begun_anew == len(time.slept)
        if lasts:
            time.now += lasts.pop(0)
            raise EngineCrashed("bug")
        return "done"

    return run


def test_persevere_crashes_begins_anew_after_longer_and_longer() -> None:
    time = Time()
    run = crashing(time, [1.0, 1.0, 1.0])
    assert persevere(run, clock=lambda: time.now, sleep=time.sleep) == "done"
    assert time.slept == [0.1, 0.5, 1.0]


def test_persevere_crashes_again_and_again_gives_up() -> None:
    time = Time()
    run = crashing(time, [1.0] * 9)
    with pytest.raises(EngineCrashed, match="bug"):
        persevere(run, clock=lambda: time.now, sleep=time.sleep)
    assert tuple(time.slept) == WAITS_S


def test_persevere_long_run_between_crashes_forgives_the_earlier_ones() -> None:
    time = Time()
    run = crashing(time, [1.0, 1.0, FORGIVEN_AFTER_S, 1.0])
    assert persevere(run, clock=lambda: time.now, sleep=time.sleep) == "done"
    assert time.slept == [0.1, 0.5, 0.1, 0.5]


def test_persevere_other_error_ends_it_at_once() -> None:
    def run(_begun_anew: int) -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="full"):
        persevere(run, sleep=lambda _: pytest.fail("waited"))


_COMMAND = (sys.executable, "-m", "tests.flows.failure_points")


class Failing(Running):
    """An engine with a bug, whose orders leave."""

    def __init__(
        self, url: str, data: Path, point: str, count: int, how: str, *more: object
    ) -> None:
        self.data = data
        super().__init__(
            *("trade", "--mode", "loopback", "--exchange", url, "--data", data),
            *("--plain", "--json", *QUICK, *more),
            command=(*_COMMAND, point, str(count), how),
        )


@contextmanager
def ending_well(engine: Failing) -> Iterator[list[str]]:
    """Stops an engine after the block, well; what it then has written and logged."""
    ended: list[str] = []
    try:
        yield ended
        status, *written = engine.stop(signal.SIGTERM)
        ended += written
        assert status == 0, ended
    finally:
        engine.end()


@pytest.mark.parametrize(("point", "count"), [("source", 3_000), ("books", 1_000)])
def test_mft_trade_crash_outside_the_account_begins_anew_and_is_not_killed(
    tmp_path: Path, exchange: str, point: str, count: int
) -> None:
    data = tmp_path / "data"
    engine = Failing(exchange, data, point, count, "once")
    with ending_well(engine) as ended:
        wait_for(lambda: len(run_ids(data)) == 2 and is_reconciled(data))
        wait_for(lambda: has_approved(data, 2))
    out, err = ended
    assert f"a bug in {point}" in err, "what happened is logged"
    assert not (data / "KILLED").exists(), (data / "KILLED").read_text()
    account = account_of(exchange)
    assert account["positions"] == []
    assert trades_of(data) == venue_trades(account)
    assert Decimal(json.loads(out)["equity"]) == Decimal(account["wallet"])


def test_mft_trade_crash_of_telemetry_goes_on_trading(
    tmp_path: Path, exchange: str
) -> None:
    data = tmp_path / "data"
    engine = Failing(exchange, data, "telemetry", 2, "once")
    with ending_well(engine) as ended:
        wait_for(lambda: has_approved(data, 3))
    _, err = ended
    assert "telemetry_failed" in err
    assert len(run_ids(data)) == 1


def test_mft_trade_crash_without_end_says_so_and_ends(
    tmp_path: Path, exchange: str
) -> None:
    data = tmp_path / "data"
    engine = Failing(exchange, data, "books", 1, "always")
    try:
        _, err = engine.process.communicate(timeout=60)
    finally:
        engine.end()
    assert engine.process.returncode == 1
    assert "a bug in books" in err.splitlines()[-1]
    wait_for((data / "KILLED").exists)  # by the watchdog that it left
