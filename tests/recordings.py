"""The recorded market data, kept beside the repository, and what it is known to hold.

`MFT_RECORDINGS` names the folder; without it, it is `../shared/data` from the root of
the repository. A test that needs a recording is skipped where there is none.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(
    os.environ.get("MFT_RECORDINGS")
    or Path(__file__).resolve().parents[2] / "shared" / "data"
)
CLIP = "clip_usdm_btcusdt_ethusdt_20240808_first30s.jsonl.gz"
NO_SNAPSHOT = "spot_btcusdt_20230405_nosnapshot.jsonl.gz"
WITH_SNAPSHOT = (
    CLIP,
    "coinm_10contracts_20210722_30s.jsonl.gz",
    "coinm_btcusd_perp_20240808-09.jsonl.gz",
    "spot_btcusdt_20240808-09.jsonl.gz",
    "spot_nexousdt_20240723-25_34h.jsonl.gz",
    "usdm_4alts_20210722_30s.jsonl.gz",
    "usdm_btcusdt_20230404-05.jsonl.gz",
    "usdm_btcusdt_20240808.jsonl.gz",
    "usdm_ethusdt_20240808.jsonl.gz",
)


def recorded(name: str) -> Path:
    """A file of the folder; skips the test where it is not there."""
    path = FOLDER / name
    if not FOLDER.exists():
        pytest.skip("optional: no recorded market data here; see MFT_RECORDINGS")
    if not path.exists():
        pytest.skip(f"needs recorded market data: {name} is not in MFT_RECORDINGS")
    return path


@cache
def _expectations(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def expected_symbols(name: str) -> dict[str, dict[str, Any]]:
    """What a recording is known to hold, by symbol in upper case."""
    symbols = _expectations(recorded("EXPECTED.json"))[name]["symbols"]
    return {symbol.upper(): facts for symbol, facts in symbols.items()}
