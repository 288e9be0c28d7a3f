"""Scenarios: files of faults, and seeded random ones.

A file is TOML with `[[fault]]` tables and, if wanted, one `[random]` table (`faults`,
`over_ms`), or JSON lines with one fault each.
"""

import tomllib
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from connectors.exchange.fault import Fault, Kind, fault_of
from flows.domain.errors import ConfigurationError


class RandomFaults(msgspec.Struct, forbid_unknown_fields=True):
    """How many faults to draw, over how long."""

    faults: int
    over_ms: int


def read_scenario(path: Path, symbols: Sequence[str], seed: int) -> list[Fault]:
    """The faults of a file, in order of time.

    Raises ConfigurationError that names the file, and the line of JSON lines.
    """
    try:
        text = path.read_text(encoding="utf-8")
        is_lines = text.lstrip().startswith("{")
        faults = _of_lines(text) if is_lines else _of_toml(text, symbols, seed)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: not a scenario: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return sorted(faults, key=lambda fault: fault.at_ms)


def _of_lines(text: str) -> list[Fault]:
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            faults.append(fault_of(msgspec.json.decode(line)))
        except (msgspec.DecodeError, ConfigurationError) as error:
            raise ConfigurationError(f"line {number}: {error}") from error
    return faults


def _of_toml(text: str, symbols: Sequence[str], seed: int) -> list[Fault]:
    content: dict[str, Any] = tomllib.loads(text)
    if unknown := content.keys() - {"fault", "random"}:
        raise ConfigurationError(f"Unknown tables: {', '.join(sorted(unknown))}")
    faults = [fault_of(order) for order in content.get("fault", [])]
    if "random" in content:
        try:
            wanted = msgspec.convert(content["random"], RandomFaults)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"[random]: {error}") from error
        faults += random_faults(
            symbols, seed=seed, count=wanted.faults, over_ms=wanted.over_ms
        )
    return faults


def random_faults(
    symbols: Sequence[str],
    *,
    seed: int,
    count: int,
    over_ms: int,
    kinds: Sequence[Kind] = tuple(Kind),
) -> list[Fault]:
    """`count` faults of `kinds` at random moments; the same seed gives the same.

    Kinds take turns, so that as many faults as there are kinds hold each of them.
    """
    random = Random(f"{seed}:scenario")
    order = random.sample(kinds, len(kinds))
    faults = []
    for number in range(count):
        kind = order[number % len(order)]
        at_ms = random.randrange(over_ms)
        faults.append(_drawn(kind, at_ms, random.choice(symbols), random))
    return sorted(faults, key=lambda fault: fault.at_ms)


def _drawn(kind: Kind, at_ms: int, symbol: str, random: Random) -> Fault:
    draw = _DRAWS.get(kind)
    about_one_symbol = Fault(kind, at_ms=at_ms, symbol=symbol)
    return draw(about_one_symbol, random) if draw else about_one_symbol


def _several(fault: Fault, random: Random) -> Fault:
    return msgspec.structs.replace(fault, count=1 + random.randrange(5))


def _for_seconds(fault: Fault, random: Random) -> Fault:
    return msgspec.structs.replace(fault, for_ms=1_000 + random.randrange(14_000))


def _everywhere(fault: Fault, random: Random) -> Fault:
    return msgspec.structs.replace(_for_seconds(fault, random), symbol="")


def _one_route(fault: Fault, random: Random) -> Fault:
    route = random.choice(["", "public", "market"])
    return msgspec.structs.replace(fault, symbol="", route=route)


def _late(fault: Fault, random: Random) -> Fault:
    delay_ms = 50 + random.randrange(3_000)
    return msgspec.structs.replace(
        fault, count=1 + random.randrange(3), delay_ms=delay_ms, jitter_ms=500
    )


def _jittery(fault: Fault, random: Random) -> Fault:
    return msgspec.structs.replace(
        _everywhere(fault, random),
        delay_ms=random.randrange(400),
        jitter_ms=random.randrange(400),
    )


def _stream_of_any_kind(fault: Fault, random: Random) -> Fault:
    stream = random.choice(["*@depth*", "*@bookTicker", "*@aggTrade", "*@trade"])
    return msgspec.structs.replace(_for_seconds(fault, random), stream=stream)


def _aged(fault: Fault, random: Random) -> Fault:
    age_ms = 1_000 + random.randrange(20_000)
    return msgspec.structs.replace(fault, age_ms=age_ms, count=1 + random.randrange(3))


def _failing(fault: Fault, random: Random) -> Fault:
    status = random.choice([500, 502, 503, 504])
    return msgspec.structs.replace(_several(fault, random), status=status, symbol="")


def _banned(fault: Fault, random: Random) -> Fault:
    for_ms = 2_000 + random.randrange(20_000)
    return msgspec.structs.replace(fault, for_ms=for_ms, symbol="")


def _in_the_dark(fault: Fault, random: Random) -> Fault:
    is_executed = bool(random.getrandbits(1))
    delay_ms = random.randrange(2_000)
    return msgspec.structs.replace(fault, is_executed=is_executed, delay_ms=delay_ms)


def _anywhere(fault: Fault, random: Random) -> Fault:
    return msgspec.structs.replace(_several(fault, random), symbol="")


def _late_event(fault: Fault, random: Random) -> Fault:
    delay_ms = 50 + random.randrange(3_000)
    return msgspec.structs.replace(_anywhere(fault, random), delay_ms=delay_ms)


def _shared(fault: Fault, random: Random) -> Fault:
    tenths = 1 + random.randrange(10)
    return msgspec.structs.replace(fault, share=Decimal(tenths).scaleb(-1))


def _of_any_amount(fault: Fault, random: Random) -> Fault:
    cents = random.randrange(-10_000, 10_000)
    return msgspec.structs.replace(fault, amount=Decimal(cents).scaleb(-2))


_DRAWS: dict[Kind, Callable[[Fault, Random], Fault]] = {
    Kind.GAP: _several,
    Kind.DUPLICATE: _several,
    Kind.REORDER: _several,
    Kind.MALFORMED: _several,
    Kind.TRUNCATED: _several,
    Kind.SILENCE: _stream_of_any_kind,
    Kind.CUT: _one_route,
    Kind.DAY_CUT: _one_route,
    Kind.SERVER_SHUTDOWN: _one_route,
    Kind.REFUSED_CONNECTION: _everywhere,
    Kind.LATENCY: _jittery,
    Kind.SLOW_SNAPSHOT: _late,
    Kind.OLD_SNAPSHOT: _aged,
    Kind.RATE_LIMIT: _banned,
    Kind.BAN: _banned,
    Kind.SERVER_ERROR: _failing,
    Kind.LOST_ACK: _in_the_dark,
    Kind.TIMEOUT: _in_the_dark,
    Kind.UNKNOWN_OUTCOME: _in_the_dark,
    Kind.SERVICE_UNAVAILABLE: _several,
    Kind.OVERLOAD: _several,
    Kind.ORDER_LIMIT: _several,
    Kind.CLOCK_SKEW: _anywhere,
    Kind.MAINTENANCE: _banned,
    Kind.USER_LOSS: _anywhere,
    Kind.USER_DUPLICATE: _anywhere,
    Kind.USER_REORDER: _anywhere,
    Kind.USER_DELAY: _late_event,
    Kind.USER_SILENCE: _everywhere,
    Kind.ADL: _shared,
    Kind.TRANSFER: _of_any_amount,
}
"""What is random about a kind beside its moment and symbol."""
