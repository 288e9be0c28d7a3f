"""The reference book: exact, obvious, and the one the property tests trust."""

from collections.abc import Iterator, Sequence

from sortedcontainers import SortedList

from flows.domain.event import DepthDelta, DepthSnapshot, Levels
from flows.domain.units import Counter, MoreDecimals
from flows.domain.view import BookView, TickLevel

_FEWEST_LISTED = 1_000
"""A side this short is never cleaned up."""

_NEAR_HORIZON = 250
"""A cut-off side that lists fewer prices within its horizon needs a new snapshot."""

FULL_SNAPSHOT_SIDE = 1_000
"""A snapshot side of this many levels was cut off there; deeper levels are unknown."""


class BookSide:
    """One side: quantity in lots by price in ticks, and the prices in order.

    A removed level stays listed with 0 lots until the top of the book or a clean-up
    meets it: prices come and go so often that most are back before then, and a change
    of the order costs many times a change of a quantity.
    """

    __slots__ = ("_clean_above", "_is_bid", "edge", "lots", "prices")

    def __init__(self, *, is_bid: bool) -> None:
        self._is_bid = is_bid
        self.lots: dict[int, int] = {}
        """Quantity of each listed price; 0 where the level is gone."""
        self.prices: SortedList[int] = SortedList()
        """The keys of `lots`, ascending."""
        self._clean_above = _FEWEST_LISTED
        self.edge: int | None = None
        """Deepest price of a cut-off snapshot; beyond it the side is a lower bound."""

    def load(self, lots: dict[int, int]) -> None:
        """Replace everything by a snapshot's side."""
        self._list(lots)
        is_cut_off = len(lots) >= FULL_SNAPSHOT_SIDE
        self.edge = (min(lots) if self._is_bid else max(lots)) if is_cut_off else None

    def apply(self, levels: Levels, ticks: Counter, lots: Counter) -> None:
        """Set each level's quantity; 0 removes a level, known or not.

        The hot loop of the whole bot, written without a call per level. Raises
        MoreDecimals or ValueError at the first number that cannot be counted.
        """
        held, add = self.lots, self.prices.add
        for price_text, quantity_text in levels:
            price, quantity = ticks[price_text], lots[quantity_text]
            if price in held:
                held[price] = quantity
            elif quantity:
                add(price)
                held[price] = quantity
        if len(held) > self._clean_above:
            self._list(dict(self.levels()))

    def top(self, depth: int) -> tuple[TickLevel, ...]:
        """The best `depth` levels, best first."""
        held, top, gone = self.lots, [], []
        for price in reversed(self.prices) if self._is_bid else self.prices:
            lots = held[price]
            if not lots:
                gone.append(price)
                continue
            top.append((price, lots))
            if len(top) == depth:
                break
        for price in gone:
            del held[price]
            self.prices.remove(price)
        return tuple(top)

    def best(self) -> int | None:
        """The best price in ticks, or None on an empty side."""
        held, prices, end = self.lots, self.prices, -1 if self._is_bid else 0
        while prices:
            price = prices[end]
            if held[price]:
                return price
            del held[price], prices[end]
        return None

    def from_best(self) -> Iterator[TickLevel]:
        """Every level, best first."""
        held = self.lots
        prices = reversed(self.prices) if self._is_bid else iter(self.prices)
        return ((price, held[price]) for price in prices if held[price])

    def levels(self) -> Iterator[TickLevel]:
        """Every level, ascending by price."""
        held = self.lots
        return ((price, held[price]) for price in self.prices if held[price])

    def _list(self, lots: dict[int, int]) -> None:
        """Hold these levels and no other price."""
        self.lots = lots
        self.prices = SortedList(lots)
        self._clean_above = 2 * len(lots) + _FEWEST_LISTED

    def is_known(self, price: int) -> bool:
        """Whether a price lies within the depth horizon."""
        if self.edge is None:
            return True
        return price >= self.edge if self._is_bid else price <= self.edge

    def is_beyond_horizon(self, top: Sequence[TickLevel], depth: int) -> bool:
        """Whether `top`, the best `depth` levels, may lack some beyond the horizon.

        A level past the edge may have better ones before it, and where there are fewer
        than `depth`, those that are missing lie past it.
        """
        if self.edge is None:
            return False
        return len(top) < depth or not self.is_known(top[-1][0])

    def is_near_horizon(self) -> bool:
        """Whether few of the known levels are left before the edge."""
        if self.edge is None:
            return False
        before = self.prices.bisect_left(self.edge)
        listed = len(self.prices) - before if self._is_bid else before
        return listed < _NEAR_HORIZON

    def rescale(self, price_factor: int, lots_factor: int) -> None:
        """Count in finer ticks and lots."""
        self._list(
            {price * price_factor: lots * lots_factor for price, lots in self.levels()}
        )
        if self.edge is not None:
            self.edge *= price_factor

    def extend(self, other: "BookSide") -> None:
        """Take over what `other` knows beyond this side's own horizon."""
        if self.edge is None or (other.edge is not None and self.is_known(other.edge)):
            return
        own = {
            price: lots
            for price, lots in self.levels()
            if self.is_known(price) or not other.is_known(price)
        }
        beyond = {p: lots for p, lots in other.levels() if not self.is_known(p)}
        self._list(own | beyond)
        self.edge = other.edge

    def known_levels(self, other: "BookSide") -> Iterator[TickLevel]:
        """Levels that lie within both horizons."""
        for price, lots in self.levels():
            if self.is_known(price) and other.is_known(price):
                yield price, lots


class Book:
    """Both sides of one symbol, counted at a scale that grows exactly when needed."""

    def __init__(self) -> None:
        self.bids = BookSide(is_bid=True)
        self.asks = BookSide(is_bid=False)
        self.ticks = Counter(0)
        self.lots = Counter(0)

    @property
    def price_decimals(self) -> int:
        """Decimals of one tick."""
        return self.ticks.decimals

    @property
    def quantity_decimals(self) -> int:
        """Decimals of one lot."""
        return self.lots.decimals

    def load(self, snapshot: DepthSnapshot) -> None:
        """Replace the book by a snapshot. Raises ValueError on a malformed number."""
        self.observe(snapshot.bids)
        self.observe(snapshot.asks)
        self.bids.load(self._counted(snapshot.bids))
        self.asks.load(self._counted(snapshot.asks))

    def apply(self, delta: DepthDelta) -> None:
        """Set each level of `delta`. Raises ValueError on a malformed number."""
        try:
            self._apply(delta)
        except MoreDecimals:
            self.observe(delta.bids)
            self.observe(delta.asks)
            self._apply(delta)  # quantities are absolute: applying again is the same

    def _apply(self, delta: DepthDelta) -> None:
        ticks, lots = self.ticks, self.lots
        self.bids.apply(delta.bids, ticks, lots)
        self.asks.apply(delta.asks, ticks, lots)

    def _counted(self, levels: Levels) -> dict[int, int]:
        ticks, lots = self.ticks, self.lots
        counted = {ticks[price]: lots[quantity] for price, quantity in levels}
        return {price: quantity for price, quantity in counted.items() if quantity}

    def observe(self, levels: Levels) -> None:
        """Raise the scale to what `levels` need. Raises ValueError as `apply` does."""
        for price, quantity in levels:
            try:
                self.ticks[price]
            except MoreDecimals as more:
                self.raise_scale(more.decimals, self.quantity_decimals)
            try:
                self.lots[quantity]
            except MoreDecimals as more:
                self.raise_scale(self.price_decimals, more.decimals)

    def raise_scale(self, price_decimals: int, quantity_decimals: int) -> None:
        """Count with at least these decimals from now on; values stay the same."""
        price_decimals = max(price_decimals, self.price_decimals)
        quantity_decimals = max(quantity_decimals, self.quantity_decimals)
        price_factor = 10 ** (price_decimals - self.price_decimals)
        lots_factor = 10 ** (quantity_decimals - self.quantity_decimals)
        if price_factor == lots_factor == 1:
            return
        self.bids.rescale(price_factor, lots_factor)
        self.asks.rescale(price_factor, lots_factor)
        self.ticks = Counter(price_decimals)
        self.lots = Counter(quantity_decimals)

    def is_crossed(self) -> bool:
        """Whether the best bid reaches the best ask: the book cannot be true."""
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid >= ask

    def view(self, delta: DepthDelta, received_ns: int, depth: int) -> BookView:
        """The top `depth` levels after `delta`, as of `received_ns`."""
        bids, asks = self.bids.top(depth), self.asks.top(depth)
        return BookView(
            delta.symbol,
            received_ns,
            delta.last_id,
            bids,
            asks,
            sum([lots for _, lots in bids]),
            sum([lots for _, lots in asks]),
            self.ticks.decimals,
            self.lots.decimals,
            self.bids.is_beyond_horizon(bids, depth)
            or self.asks.is_beyond_horizon(asks, depth),
            delta.market.is_traded,
        )

    def is_near_horizon(self) -> bool:
        """Whether a side is about to leave what its snapshot knew."""
        return self.bids.is_near_horizon() or self.asks.is_near_horizon()

    def matches(self, other: "Book") -> bool:
        """Whether both books agree wherever both are complete."""
        self.raise_scale(other.price_decimals, other.quantity_decimals)
        other.raise_scale(self.price_decimals, self.quantity_decimals)
        return all(
            list(mine.known_levels(theirs)) == list(theirs.known_levels(mine))
            for mine, theirs in ((self.bids, other.bids), (self.asks, other.asks))
        )

    def extend(self, other: "Book") -> None:
        """Take over what `other`, a matching book, knows beyond this one's horizon."""
        self.bids.extend(other.bids)
        self.asks.extend(other.asks)
