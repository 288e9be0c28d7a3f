"""kill -9 of an engine whose orders leave: at every boundary, nothing is lost."""

import json
import os
import random
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.flows.crash_points import POINTS
from tests.flows.engine_process import PATIENCE_S, wait_for
from tests.flows.replay_samples import ROOT
from tests.flows.trade_samples import (
    QUICK,
    account_of,
    approved_in,
    is_reconciled,
    names_of,
    run_ids,
    trade,
    trades_of,
    venue_trades,
)

KILLS = 10
SEEDS = range(5) if os.environ.get("MFT_CHAOS") == "all" else range(1)
"""Ten kills each: fifty in all."""


def die(url: str, data: Path, point: str, count: int) -> None:
    """An engine that kills itself at a point."""
    command = [sys.executable, "-m", "tests.flows.crash_points", point, str(count)]
    mode = ["trade", "--mode", "loopback", "--exchange", url, "--data", str(data)]
    ended = subprocess.run(
        [*command, *mode, "--plain", *QUICK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, f"{point}: {ended.stderr}"


@pytest.mark.untraced
@pytest.mark.parametrize("seed", SEEDS)
def test_mft_trade_killed_at_named_points_accounts_for_everything(
    tmp_path: Path, exchange: str, seed: int
) -> None:
    data = tmp_path / "data"
    rng = random.Random(seed)
    points = rng.sample(sorted(POINTS), KILLS)
    for point in points:
        is_first = "opening" in point or "compared" in point
        die(exchange, data, point, 1 if is_first else rng.randrange(1, 4))
    before = run_ids(data)
    engine = trade(exchange, data)
    try:
        wait_for(lambda: run_ids(data) - before and is_reconciled(data))
        status, out, err = engine.stop(signal.SIGTERM)
    finally:
        engine.end()
    assert status == 0, err
    account = account_of(exchange)
    assert account["positions"] == [], points
    assert trades_of(data) == venue_trades(account), points
    assert Decimal(json.loads(out)["equity"]) == Decimal(account["wallet"])
    assert set(names_of(account).values()) == {1}, "an order was sent twice"
    standing = [a for a in account["algoOrders"] if a["algoStatus"] == "NEW"]
    assert standing == [], "a stop was left behind"
    assert approved_in(data) >= KILLS // 3, "the kills met hardly any order"
