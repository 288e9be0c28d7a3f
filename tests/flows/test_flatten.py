"""A kill at the exchange itself: where, and what it leaves behind."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from connectors.binance.signing import Credentials, Mode
from connectors.binance.venue_kill import Flat, Step
from flows.domain.errors import ConfigurationError, StoreError
from flows.flatten import Access, Evidence, flatten, leave_access, read_access

NOBODY = Access(Mode.LOOPBACK, "http://127.0.0.1:9")
"""Nobody listens at the port of `discard`."""
KEYS = Credentials("key", "secret")


def test_read_access_is_what_was_left(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    assert read_access(path) is None
    leave_access(path, NOBODY)
    assert read_access(path) == NOBODY


@pytest.mark.parametrize("text", ["", "{}", '{"mode":"moon","rest":""}'])
def test_read_access_damaged_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "access.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="give --mode"):
        read_access(path)


def test_leave_access_where_nothing_can_be_written_raises(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        leave_access(tmp_path / "missing" / "access.json", NOBODY)


def test_flatten_exchange_that_does_not_answer_ends_in_time_with_evidence(
    tmp_path: Path,
) -> None:
    steps: list[Step] = []
    done = flatten(NOBODY, KEYS, tmp_path, within_s=0.2, on_step=steps.append)
    flat = asyncio.run(done)
    assert not flat.is_flat
    assert flat.remaining == ("unknown: open orders", "unknown: positions")
    [evidence] = (tmp_path / "kills").iterdir()
    lines = evidence.read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=Step) for line in lines[:-1]] == steps
    assert msgspec.json.decode(lines[-1], type=Flat) == flat


def test_flatten_host_that_the_mode_may_not_ask_is_refused(tmp_path: Path) -> None:
    access = Access(Mode.LOOPBACK, "https://fapi.binance.com")
    with pytest.raises(ConfigurationError, match="does not sign requests"):
        asyncio.run(flatten(access, KEYS, tmp_path))


def test_evidence_that_cannot_be_kept_stops_no_kill(tmp_path: Path) -> None:
    (tmp_path / "kills").touch()
    Evidence(tmp_path).add(Step(1, "close sent"))
    assert (tmp_path / "kills").read_bytes() == b""
