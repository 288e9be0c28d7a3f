"""The exception tree. Callers catch a branch; leaves say what broke.

TradingError
├── ConfigurationError      a setting, an option or an output directory is unusable
├── MarketDataError         input from the market is damaged or contradicts itself
│   ├── MalformedFrame      a payload is not what its stream promises
│   └── DataStale           data is too old to act on
├── RecordingError          a recording cannot be read or written
├── StoreError              a journal or database failed or contradicts itself
│   ├── StoreUnreachable    a database does not answer; it may again
│   └── JournalConflict     a journal holds other content under the same sequence
├── OrderError              an order broke its own life cycle
│   └── OrderRejected       the venue refused an order
├── RiskLimitBreached       a limit that stops trading was reached
├── NoEngine                no engine answers where one was expected
│   └── EngineSilent        it is there, and confirms nothing
├── EngineCrashed           an engine met an error of its own, and may begin anew
├── CommandRefused          an engine refused what an operator asked
└── Interrupted             a signal asked the program to stop

Expected outcomes (a gap, a refusal, an expired order) are values, not exceptions.
"""


class TradingError(Exception):
    """Root of every error this project raises."""


class ConfigurationError(TradingError):
    """A setting, an option or an output directory is unusable."""


class MarketDataError(TradingError):
    """Input from the market is damaged or contradicts itself."""


class MalformedFrame(MarketDataError):
    """A payload is not what its stream promises."""


class DataStale(MarketDataError):
    """Data is too old to act on."""


class RecordingError(TradingError):
    """A recording cannot be read or written."""


class StoreError(TradingError):
    """A journal or database failed or contradicts itself."""


class StoreUnreachable(StoreError):
    """A database does not answer; it may again."""


class JournalConflict(StoreError):
    """A journal holds other content under the same run and sequence."""


class OrderError(TradingError):
    """An order broke its own life cycle."""


class OrderRejected(OrderError):
    """The venue refused an order."""


class RiskLimitBreached(TradingError):
    """A limit that stops trading was reached."""


class NoEngine(TradingError):
    """No engine answers where one was expected."""


class EngineSilent(NoEngine):
    """An engine is there, and confirms nothing."""


class EngineCrashed(TradingError):
    """An engine met an error of its own outside account and execution."""


class CommandRefused(TradingError):
    """An engine refused what an operator asked."""


class Interrupted(TradingError):
    """A signal asked the program to stop; its number is `signal`."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal
