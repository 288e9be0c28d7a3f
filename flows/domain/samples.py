"""Numbers kept for their quantiles."""

from array import array
from decimal import Decimal

from flows.domain.units import unscaled


class Samples:
    """Numbers of so many decimals, eight bytes each, for their quantiles."""

    def __init__(self, decimals: int = 5) -> None:
        self._decimals = decimals
        self._scaled = array("q")

    def add(self, value: Decimal) -> None:
        """Take one; further decimals are cut off."""
        self._scaled.append(int(value.scaleb(self._decimals) // 1))

    def quantile(self, per_mille: int) -> Decimal | None:
        """The least of them that `per_mille` of them do not exceed."""
        if not self._scaled:
            return None
        rank = max(-(-len(self._scaled) * per_mille // 1_000), 1)
        return unscaled(sorted(self._scaled)[rank - 1], self._decimals)

    def median(self) -> Decimal | None:
        """The least of them that half of them do not exceed."""
        return self.quantile(500)

    def root_mean_square(self) -> Decimal | None:
        """Their typical size."""
        if not self._scaled:
            return None
        squares = sum(value * value for value in self._scaled)
        mean = Decimal(squares) / len(self._scaled)
        return unscaled(int(mean.sqrt()), self._decimals)
