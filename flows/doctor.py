"""`mft doctor`: whether machine, connection and account are fit to trade.

Every check gives a line: a verdict, what was found, and what to do about it. A check
that cannot be made says so; the others go on.
"""

import asyncio
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path

from connectors.binance.exchange_info import check_symbols
from connectors.binance.feed import WEIGHT_LIMIT
from connectors.binance.probe import in_ms, measure_rest, measure_streams, quantile
from connectors.binance.transport import fetch_instruments
from connectors.certificate import read_certificate
from connectors.clickhouse import ClickHouse
from connectors.kill_latch import read_latch
from connectors.output import JOURNAL, KILL_LATCH, RECORDING
from connectors.verification import unfinished_segment
from flows import child
from flows.domain.errors import TradingError
from flows.domain.instrument import Instrument
from flows.domain.units import NS_PER_MS, plain
from flows.kill_keeper import latched_opening
from flows.live import MarketJob
from flows.restart import read_opening
from flows.settings import Settings

_TARGET_NS = 50 * NS_PER_MS
_FSYNC_TARGET_NS = 20 * NS_PER_MS
_FSYNCS = 20
_STEPS_OF_MINIMUM = 2
"""An order this many times the least notional keeps above it in whole steps."""
_WATCH_S = 5.0
_PACKAGES = ("mft-bot", "bytewax", "chdb", "clickhouse-connect", "websockets")
_GIB = 1 << 30


class Verdict(Enum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Examination:
    """What to examine."""

    market: MarketJob
    settings: Settings
    data: Path
    recording_limit: int
    """Most bytes of recordings that the disk must hold."""


def examine(what: Examination) -> Iterator[Finding]:
    """Make every check, one after the other."""
    yield from _guarded("versions", lambda: [_versions()])
    yield from _guarded("configuration", lambda: [_configuration(what.settings)])
    yield from _guarded("disk", lambda: _disk(what))
    yield from _guarded("ClickHouse", lambda: [_clickhouse()])
    yield from _guarded("account", lambda: [_account(what.data)])
    yield from _guarded("recordings", lambda: [_recordings(what.data)])
    yield from _guarded("symbols", lambda: _symbols(what))
    yield from _guarded("exchange", lambda: list(_exchange(what)))


def _guarded(check: str, make: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return make()
    except (TradingError, OSError) as error:
        advice = "see the message; the other checks went on"
        return [Finding(check, Verdict.FAIL, str(error), advice)]


def _versions() -> Finding:
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            advice = "install the bot with its dependencies: make setup"
            return Finding("versions", Verdict.FAIL, f"{package} is missing", advice)
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        advice = "use Python 3.11 or 3.12"
        return Finding("versions", Verdict.FAIL, ", ".join(found), advice)
    return Finding("versions", Verdict.OK, ", ".join(found))


def _configuration(settings: Settings) -> Finding:
    defaults = Settings().as_text()
    changed = [
        f"{name}={value}"
        for name, value in settings.as_text().items()
        if value != defaults[name]
    ]
    found = f"paper; {', '.join(changed) or 'all settings at their defaults'}"
    return Finding("configuration", Verdict.OK, found)


def _disk(what: Examination) -> list[Finding]:
    what.data.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(what.data).free
    space = f"{free // _GIB} GiB free at {what.data}"
    if free < what.recording_limit:
        advice = "lower --record-gib, or make room: a full disk ends the engine"
        room = Finding("disk", Verdict.WARN, space, advice)
    else:
        room = Finding("disk", Verdict.OK, space)
    durations = _sync_durations(what.data)
    p99 = quantile(durations, 990)
    found = f"write and fsync: median {in_ms(quantile(durations, 500))}, "
    found += f"p99 {in_ms(p99)}"
    if p99 > _FSYNC_TARGET_NS:
        advice = "slow for a journal; a local SSD serves better than a network disk"
        return [room, Finding("disk", Verdict.WARN, found, advice)]
    return [room, Finding("disk", Verdict.OK, found)]


def _sync_durations(directory: Path) -> list[int]:
    durations = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_FSYNCS):
            begun_ns = time.monotonic_ns()
            file.write(bytes(4_096))
            file.flush()
            os.fsync(file.fileno())
            durations.append(time.monotonic_ns() - begun_ns)
    return durations


def _clickhouse() -> Finding:
    with tempfile.TemporaryDirectory() as directory:
        begun_ns = time.monotonic_ns()
        answer = child.call(_query, _ignore, Path(directory))
        took = in_ms(time.monotonic_ns() - begun_ns)
    return Finding("ClickHouse", Verdict.OK, f"embedded {answer}, opened in {took}")


def _ignore(_more: int) -> None:
    """The child has nothing to tell on its way."""


def _query(_on_progress: Callable[[int], None], directory: Path) -> str:
    store = ClickHouse.open_embedded(directory)
    try:
        store.migrate()
        [(version,)] = store.query("SELECT version()")
        return str(version)
    finally:
        store.close()


def _account(data: Path) -> Finding:
    opening = read_opening(data / JOURNAL)
    opening = latched_opening(opening, read_latch(data / KILL_LATCH, time.time_ns()))
    if opening.killed_ns is not None:
        found = f"the kill switch is latched: {opening.kill_reason}"
        advice = "find out why (its journal tells), start it, then: mft reset"
        return Finding("account", Verdict.WARN, found, advice)
    net = plain(opening.cash - opening.fees)
    if opening.positions:
        held = ", ".join(position.symbol for position in opening.positions)
        advice = "the next run takes them over, and closes what is overdue"
        return Finding("account", Verdict.WARN, f"holds {held}", advice)
    if opening.is_paused:
        advice = "it stays paused until it is told to resume"
        return Finding("account", Verdict.WARN, "flat, and paused", advice)
    return Finding("account", Verdict.OK, f"flat, {net} net so far")


def _recordings(data: Path) -> Finding:
    segments = sorted((data / RECORDING).glob("*.jsonl.zst"))
    size = sum(segment.stat().st_size for segment in segments)
    found = f"{len(segments)} segments, {size // (1 << 20)} MiB"
    written = unfinished_segment(data / RECORDING)
    incomplete = [
        segment.name
        for segment in segments
        if segment != written
        if (certificate := read_certificate(segment)) is None
        or not certificate.complete
    ]
    if incomplete:
        advice = f"check with: mft record --verify {data / RECORDING}"
        found += f", {len(incomplete)} incomplete, such as {incomplete[-1]}"
        return Finding("recordings", Verdict.WARN, found, advice)
    return Finding("recordings", Verdict.OK, found)


def _symbols(what: Examination) -> list[Finding]:
    wanted = what.market.symbols
    known = asyncio.run(fetch_instruments(what.market.endpoints, wanted))
    check_symbols(wanted, known)
    return [
        _symbol(symbol, known[symbol], what.settings.order_notional)
        for symbol in wanted
    ]


def _symbol(symbol: str, instrument: Instrument, order_notional: Decimal) -> Finding:
    found = (
        f"{symbol}: tick {plain(instrument.tick_size)}, "
        f"step {plain(instrument.step_size)}, "
        f"least notional {plain(instrument.min_notional)}"
    )
    if order_notional < instrument.min_notional:
        advice = f"raise order_notional, now {plain(order_notional)}"
        return Finding("symbols", Verdict.FAIL, found, advice)
    if order_notional < _STEPS_OF_MINIMUM * instrument.min_notional:
        advice = (
            f"order_notional, now {plain(order_notional)}, may fall below it once the "
            "quantity is cut to whole steps"
        )
        return Finding("symbols", Verdict.WARN, found, advice)
    return Finding("symbols", Verdict.OK, found)


def _exchange(what: Examination) -> Iterator[Finding]:
    endpoints, symbols = what.market.endpoints, what.market.symbols
    rest = asyncio.run(measure_rest(endpoints))
    yield _latency("REST", rest.durations_ns, "round trip")
    used = f"{rest.used_weight or 'unknown'} of {WEIGHT_LIMIT} request weight used"
    yield Finding("REST", Verdict.OK, used)
    limit_ms = what.settings.max_clock_skew_ms
    skew = f"exchange clock is {rest.skew_ms:+} ms from ours (limit {limit_ms} ms)"
    if abs(rest.skew_ms) > limit_ms:
        advice = "synchronise this machine's clock (chrony, systemd-timesyncd)"
        yield Finding("clock", Verdict.FAIL, skew, advice)
    else:
        yield Finding("clock", Verdict.OK, skew)
    probes = asyncio.run(
        measure_streams(endpoints, symbols, seconds=_WATCH_S, skew_ms=rest.skew_ms)
    )
    for route, probe in probes.items():
        if probe.missing:
            found = f"/{route}: nothing from {', '.join(probe.missing)}"
            advice = "a quiet symbol, or a stream that the exchange no longer serves"
            yield Finding("streams", Verdict.WARN, found, advice)
        elif probe.first_data_ns is not None:
            found = f"/{route}: first data after {in_ms(probe.first_data_ns)}"
            yield Finding("streams", Verdict.OK, found)
    ages = probes["public"].ages_ns
    if ages:
        yield _latency("streams", ages, "event to receipt")


def _latency(check: str, durations: list[int], what: str) -> Finding:
    p99 = quantile(durations, 990)
    found = f"{what}: median {in_ms(quantile(durations, 500))}, p99 {in_ms(p99)}"
    if p99 > _TARGET_NS:
        advice = f"above the target of {in_ms(_TARGET_NS)}: run nearer to the exchange"
        return Finding(check, Verdict.WARN, found, advice)
    return Finding(check, Verdict.OK, found)
