"""The base of every journalled fact."""

import re

import msgspec


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Fact(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag=_snake
):
    """Something that happened, never changed afterwards.

    Its JSON form carries `kind`, the class name in snake case; decimals are strings.
    """

    received_ns: int
    """Engine time of the frame that caused it, nanoseconds since the epoch."""
    symbol: str
    """The instrument, or an empty string where it concerns the whole account."""
