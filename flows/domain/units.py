"""Exact units: decimal text to scaled integers and back, without a float.

A symbol's prices are counted in *ticks* of 10^-price_decimals and its quantities in
*lots* of 10^-quantity_decimals, where the decimals are the most seen so far. They say
how numbers are written, not what the exchange accepts (that is `Instrument`).
"""

import decimal
from decimal import Decimal

EXACT = decimal.Context(
    prec=100_000,
    Emax=decimal.MAX_EMAX,
    Emin=decimal.MIN_EMIN,
    traps=[
        decimal.InvalidOperation,
        decimal.DivisionByZero,
        decimal.Overflow,
        decimal.Inexact,
        decimal.FloatOperation,
    ],
)
"""Money arithmetic under this context is exact or raises; it never rounds."""

BPS = 10_000
"""Basis points in one."""

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S

MAX_DIGITS = 20_000
"""Longest number accepted; products of four still fit `EXACT`."""

_INT_TEXT_LIMIT = 4_000  # int() refuses text of more than 4,300 digits


def decimals_of(text: str) -> int:
    """Digits after the point of a plain decimal such as `61800.10` (here 2)."""
    return len(text.partition(".")[2])


def scaled(text: str, decimals: int) -> int:
    """`text` x 10^decimals as an integer, exactly.

    `text` is a plain unsigned decimal with at most `decimals` digits after the point.
    Raises ValueError for anything else (sign, exponent, blank, too many digits).
    """
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    padding = decimals - len(fraction)
    if (
        padding < 0
        or not whole
        or (point and not fraction)
        or not (digits.isascii() and digits.isdecimal())
        or len(digits) > MAX_DIGITS
    ):
        msg = f"Expected an unsigned decimal of at most {decimals} decimals: "
        raise ValueError(msg + repr(text[:80]))
    if padding:
        digits += "0" * padding
    if len(digits) > _INT_TEXT_LIMIT:
        return int(Decimal(digits))
    return int(digits)


def unscaled(value: int, decimals: int) -> Decimal:
    """`value` / 10^decimals with exactly `decimals` digits after the point."""
    return Decimal(value).scaleb(-decimals, EXACT)


def plain(value: Decimal) -> str:
    """The number without an exponent, as the exchange and our files write it."""
    return format(value, "f")


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` not above `value` (value >= 0, step > 0)."""
    return EXACT.multiply(EXACT.divide_int(value, step), step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` not below `value` (value >= 0, step > 0)."""
    floor = floor_to(value, step)
    return floor if floor == value else EXACT.add(floor, step)


class MoreDecimals(Exception):  # noqa: N818 - a signal to raise the scale, no error
    """A number has more decimals than its scale; `decimals` says how many."""

    def __init__(self, decimals: int) -> None:
        super().__init__(decimals)
        self.decimals = decimals


class Counter(dict[str, int]):
    """Decimal text to integer at a fixed number of decimals, memoised.

    An exchange repeats its numbers: seven of ten look-ups are answered from the memo.
    Of a full memo, what is not met again is forgotten by the time the next one is full.
    `counter[text]` raises MoreDecimals or ValueError as `scaled` does.
    """

    def __init__(self, decimals: int, *, memo_limit: int = 4_096) -> None:
        super().__init__()
        self.decimals = decimals
        self._memo_limit = memo_limit
        self._before: dict[str, int] = {}

    def __missing__(self, text: str) -> int:
        """Count `text` and remember it."""
        value = self._before.get(text)
        if value is None:
            value = self._count(text)
        if len(self) >= self._memo_limit:
            self._before = dict(self)
            self.clear()
        self[text] = value
        return value

    def _count(self, text: str) -> int:
        try:
            return scaled(text, self.decimals)
        except ValueError:
            decimals = decimals_of(text)
            scaled(text, decimals)  # raises where the text is no number at all
            raise MoreDecimals(decimals) from None
