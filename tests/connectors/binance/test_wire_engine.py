"""The engine's own streams as events, and numbers checked before they are kept."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.binance.wire import check_levels, decode
from flows.domain.errors import MalformedFrame
from flows.domain.event import (
    AccountOpening,
    DepthAlarm,
    Event,
    InstrumentsTold,
    Levels,
    OtherFrame,
)
from flows.domain.frame import RawFrame
from flows.domain.instrument import Instrument
from flows.domain.opening import HeldPosition, LostOrder, Opening
from flows.domain.order import Purpose
from flows.domain.side import Side
from flows.domain.units import MAX_DIGITS, decimals_of, scaled
from tests.domain.scene import entry_order, repeatable

OPENING = Opening(
    cash=Decimal("-1.50"),
    fees=Decimal("0.25"),
    positions=(
        HeldPosition(
            "AAAUSDT",
            Side.SELL,
            7,
            Decimal("0.5"),
            Decimal(1),
            Decimal(100),
            Decimal(50),
            Decimal("0.05"),
            Decimal("100.1"),
            Purpose.KILL,
        ),
    ),
    closed_ns={"BBBUSDT": 5},
    pnl=Decimal(-2),
    peak_pnl=Decimal(3),
    max_drawdown=Decimal(5),
    day_start_pnl=Decimal(1),
    day_fees=Decimal("0.5"),
    day_funding=Decimal("-0.25"),
    day_end_ns=9,
    sent_ns=(3, 4),
    killed_ns=6,
    kill_reason="drawdown",
    kill_detail="5 at limit",
    is_paused=True,
    is_remote=True,
    order_prefix="abc",
    capital=Decimal(77),
    reconciled_ns=8,
    trade_ids={"AAAUSDT": (3, 4)},
    funding=Decimal("-0.5"),
    booking_ids=("FUNDING_FEE 1",),
    lost_orders=(LostOrder(entry_order(), Decimal("0.1"), ("7",)),),
)
"""No field is at its default."""

INSTRUMENTS = {
    "AAAUSDT": Instrument(Decimal("0.10"), Decimal("0.001"), Decimal(5)),
    "BBBUSDT": Instrument(Decimal(1), Decimal(1), Decimal(0), is_trading=False),
}


def decoded(stream: str, payload: object) -> Event:
    return decode(RawFrame(42, stream, msgspec.json.encode(payload)))


def test_decode_account_gives_the_opening_with_every_field() -> None:
    untold = [
        name
        for name, default in msgspec.structs.asdict(Opening()).items()
        if getattr(OPENING, name) == default
    ]
    assert untold == []
    assert decoded("@account", OPENING) == AccountOpening(42, OPENING)
    assert decoded("@account", {}) == AccountOpening(42, Opening())


def test_decode_instruments_gives_their_filters() -> None:
    assert decoded("@instruments", INSTRUMENTS) == InstrumentsTold(42, INSTRUMENTS)
    assert decoded("@instruments", {}) == InstrumentsTold(42, {})


def test_decode_alarm_gives_its_symbols() -> None:
    alarm = {"symbols": ["AAAUSDT", "BBBUSDT"]}
    assert decoded("@alarm", alarm) == DepthAlarm(42, ("AAAUSDT", "BBBUSDT"))
    assert decoded("@alarm", {"symbols": [], "must_bridge": True}) == DepthAlarm(
        42, (), must_bridge=True
    )


def test_decode_frame_kept_as_malformed_is_known_and_unread() -> None:
    event = decode(RawFrame(42, "btcusdt@malformed", b"\xff{"))
    assert event == OtherFrame("BTCUSDT", 42, "malformed", is_known=True)


@pytest.mark.parametrize(
    ("stream", "payload"),
    [
        ("@account", "[]"),
        ("@account", '{"cash": "a lot"}'),
        ("@account", '{"positions": [{"symbol": "AAAUSDT"}]}'),
        ("@account", '{"closed_ns": {"AAAUSDT": "noon"}}'),
        ("@account", '{"sent_ns": [1.5]}'),
        ("@alarm", "{}"),
        ("@alarm", '{"symbols": "AAAUSDT"}'),
        ("@alarm", '{"symbols": [1]}'),
        ("@instruments", "[]"),
        ("@instruments", '{"AAAUSDT": {"tick_size": "1", "step_size": "1"}}'),
    ],
)
def test_decode_engine_payload_not_as_promised_is_malformed(
    stream: str, payload: str
) -> None:
    with pytest.raises(MalformedFrame, match=f"malformed {stream} frame"):
        decode(RawFrame(42, stream, payload.encode()))


@pytest.mark.parametrize("field", ["tick_size", "step_size"])
@pytest.mark.parametrize("value", ["0", "-0.1", "NaN", "-NaN", "sNaN", "Infinity"])
def test_decode_instrument_with_an_unusable_step_is_malformed(
    field: str, value: str
) -> None:
    filters = {"tick_size": "1", "step_size": "1", "min_notional": "5", field: value}
    payload = json.dumps({"AAAUSDT": filters}).encode()
    with pytest.raises(MalformedFrame, match="positive tick and step of AAAUSDT"):
        decode(RawFrame(42, "@instruments", payload))


# Levels ------------------------------------------------------------------------------

plain_numbers = st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,6})?", fullmatch=True)
any_texts = st.one_of(
    plain_numbers, plain_numbers, st.text(alphabet="01. -e٣\n", max_size=5)
)


@repeatable
@given(st.lists(st.tuples(any_texts, any_texts), max_size=4))
def test_check_levels_any_texts_agree_with_the_scale(levels: Levels) -> None:
    texts = [text for level in levels for text in level]
    if all(_is_number(text) for text in texts):
        check_levels(levels)
    else:
        with pytest.raises(ValueError, match="Expected an unsigned decimal"):
            check_levels(levels)


def _is_number(text: str) -> bool:
    try:
        scaled(text, decimals_of(text))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("levels", [[("1 2", "3")], [("1", "2 3"), ("4", "5")]])
def test_check_levels_two_numbers_in_one_text_are_refused(levels: Levels) -> None:
    with pytest.raises(ValueError, match="Expected an unsigned decimal"):
        check_levels(levels)


def test_check_levels_long_numbers_are_limited_one_by_one() -> None:
    half = "1" * (MAX_DIGITS // 2)
    check_levels([(half, half), (half, "1")])
    with pytest.raises(ValueError, match="Expected an unsigned decimal"):
        check_levels([("1", "1" * (MAX_DIGITS + 1))])
