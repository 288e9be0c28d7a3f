"""The raw frame: what every source emits and every recording holds."""

import msgspec


class RawFrame(msgspec.Struct, frozen=True, gc=False):
    """One message exactly as received, with the moment and stream of its arrival.

    `origin` and `line` say where a recorded frame stands, for error messages only;
    a live frame has neither.
    """

    received_ns: int
    """Receive time in nanoseconds since the epoch; strictly the engine's clock."""
    stream: str
    """Lowercase stream name such as `btcusdt@depth@100ms` or `@clock`."""
    payload: bytes
    """The payload's bytes, unchanged."""
    origin: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """`file:line` of a recorded frame, or its stream and time."""
        if self.origin:
            return f"{self.origin}:{self.line}"
        return f"{self.stream} at {self.received_ns}"
