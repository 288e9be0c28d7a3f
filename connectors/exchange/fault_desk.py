"""Faults in force: what they do to frames, subscriptions, snapshots and requests.

Every choice is made by the orders and one seeded generator, so the same orders, seed
and traffic go wrong in the same way.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from connectors.exchange.fault import FRAME_KINDS, USER_STREAM, Fault, Kind
from flows.domain.units import NS_PER_MS


class Connection(Protocol):
    """What a fault may ask of a connection."""

    @property
    def serial(self) -> int:
        """Its number, counted from 1."""

    @property
    def route_name(self) -> str:
        """`public`, `market`, `private` or nothing."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A frame as a connection gets it, and how much later; later ones may overtake."""

    frame: bytes
    delay_ns: int = 0


@dataclass(slots=True)
class ActiveFault:
    """A fault in force."""

    order: Fault
    until_ns: int | None
    remaining: int | None
    is_met: bool = False
    """Whether the frame being published has met it."""
    held: dict[tuple[int, str], bytes] = field(default_factory=dict)
    """Frames kept back by a reorder, by connection and stream."""

    def is_over(self, now_ns: int) -> bool:
        """Whether nothing more will come of it."""
        is_spent = self.remaining is not None and self.remaining <= 0
        is_late = self.until_ns is not None and now_ns >= self.until_ns
        return (is_spent or is_late) and not self.held

    def can_meet(self, now_ns: int) -> bool:
        """Whether it still looks for occasions."""
        is_left = self.remaining is None or self.remaining > 0
        return is_left and (self.until_ns is None or now_ns < self.until_ns)


class FaultDesk:
    """Keeps the faults in force, and counts what they did by kind."""

    def __init__(self, seed: int = 0) -> None:
        self.active: list[ActiveFault] = []
        self.done: Counter[str] = Counter()
        self._random = Random(f"{seed}:faults")
        self._on_frames: list[ActiveFault] = []

    def put_in_force(self, fault: Fault, now_ns: int) -> None:
        """Begin a fault now."""
        duration_ms = fault.duration_ms
        until_ns = now_ns + duration_ms * NS_PER_MS if duration_ms else None
        self._sweep(now_ns)
        self.active.append(ActiveFault(fault, until_ns, fault.occasions))
        self._sort()

    def clear(self) -> None:
        """End every fault; frames held back are lost."""
        self.active.clear()
        self._sort()

    @property
    def meddles_with_frames(self) -> bool:
        """Whether frames have to be shown to `shape` at all."""
        return bool(self._on_frames)

    def shape(
        self, connection: Connection, name: str, frame: bytes, now_ns: int
    ) -> list[Shaped]:
        """What a connection gets instead of a frame."""
        frames = [Shaped(frame)]
        key = (connection.serial, "" if USER_STREAM in name else name)
        for fault in self._on_frames:
            if (held := fault.held.pop(key, None)) is not None:
                frames.append(Shaped(held))
            elif frames and self._meets(fault, connection, name, now_ns):
                fault.is_met = True
                frames = self._meddle(fault, key, frames)
        return frames

    def end_of_frame(self, now_ns: int) -> None:
        """Count one frame, sent to everybody, against the faults that it met."""
        for fault in self._on_frames:
            if fault.is_met:
                fault.is_met = False
                self._happened(fault)
        self._sweep(now_ns)

    def is_deaf(self, connection: Connection, name: str, now_ns: int) -> bool:
        """Whether a new subscription is acknowledged and then forgotten."""
        for fault in self._of(Kind.DEAF, now_ns):
            if self._meets(fault, connection, name, now_ns):
                self._happened(fault)
                return True
        return False

    def refuses_connection(self, route: str, now_ns: int) -> bool:
        """Whether a handshake fails."""
        for fault in self._of(Kind.REFUSED_CONNECTION, now_ns):
            if fault.order.route in {"", route}:
                self._happened(fault)
                return True
        return False

    def delay_ns(self, connection: Connection, now_ns: int) -> int:
        """How much later than now a connection gets what is sent to it."""
        total = 0
        for fault in self._of(Kind.LATENCY, now_ns):
            order = fault.order
            if order.meets_connection(connection.serial, connection.route_name):
                total += self._delay_ms(order)
        return total * NS_PER_MS

    def on_request(
        self, method: str, path: str, symbol: str, now_ns: int, *kinds: Kind
    ) -> Iterator[tuple[ActiveFault, int]]:
        """Faults of `kinds` that a request meets, each with the delay in ns it adds."""
        for fault in self._of_any(kinds, now_ns):
            order = fault.order
            if order.meets_request(method, path, symbol):
                if order.kind is not Kind.LATENCY:
                    self._happened(fault)
                yield fault, self._delay_ms(order) * NS_PER_MS

    def _delay_ms(self, order: Fault) -> int:
        jitter = self._random.randrange(order.jitter_ms + 1) if order.jitter_ms else 0
        return order.delay_ms + jitter

    def _meets(
        self, fault: ActiveFault, connection: Connection, name: str, now_ns: int
    ) -> bool:
        order = fault.order
        return (
            fault.can_meet(now_ns)
            and order.meets_connection(connection.serial, connection.route_name)
            and order.meets_stream(name)
        )

    def _meddle(
        self, fault: ActiveFault, key: tuple[int, str], frames: list[Shaped]
    ) -> list[Shaped]:
        frame = frames[0].frame
        match fault.order.kind:
            case Kind.DUPLICATE | Kind.USER_DUPLICATE:
                return [*frames, *frames]
            case Kind.REORDER | Kind.USER_REORDER:
                fault.held[key] = frame
                return []
            case Kind.USER_DELAY:
                delay_ns = self._delay_ms(fault.order) * NS_PER_MS
                return [Shaped(each.frame, delay_ns) for each in frames]
            case Kind.MALFORMED:
                text = fault.order.text.encode()
                return [Shaped(text or frame.replace(b":", b"", 1))]
            case Kind.TRUNCATED:
                return [Shaped(frame[: len(frame) // 2])]
        return []  # lost, or silent

    def _happened(self, fault: ActiveFault) -> None:
        self.done[fault.order.kind.value] += 1
        if fault.remaining is not None:
            fault.remaining -= 1

    def _of(self, kind: Kind, now_ns: int) -> Iterator[ActiveFault]:
        return self._of_any((kind,), now_ns)

    def _of_any(self, kinds: tuple[Kind, ...], now_ns: int) -> Iterator[ActiveFault]:
        for fault in self.active:
            if fault.order.kind in kinds and fault.can_meet(now_ns):
                yield fault

    def _sweep(self, now_ns: int) -> None:
        if any(fault.is_over(now_ns) for fault in self.active):
            self.active = [f for f in self.active if not f.is_over(now_ns)]
            self._sort()

    def _sort(self) -> None:
        self._on_frames = [f for f in self.active if f.order.kind in FRAME_KINDS]
