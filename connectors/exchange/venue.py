"""The exchange without sockets or clock: a market, connections, requests, faults.

Time moves only by `advance`, and everything else happens at the time reached. The same
tape, faults, seed and calls give the same bytes, whatever the steps of `advance`; so a
client's own protocol code can be run against a Venue over a transport in memory.

    venue = Venue(SyntheticTape(["BTCUSDT"], start_ns=0), start_ns=0)
    session = venue.connect("/public/ws/btcusdt@depth@100ms")
    venue.advance(1_000_000_000)
    session.receive(venue.now_ns)
    venue.request("GET", "/fapi/v1/depth", {"symbol": "BTCUSDT"})
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec

from connectors.exchange.api_session import ApiSession
from connectors.exchange.fault import (
    ACCOUNT_KINDS,
    INSTANT_KINDS,
    USER_STREAM,
    Fault,
    Kind,
)
from connectors.exchange.fault_desk import FaultDesk
from connectors.exchange.periodic import PeriodicStreams
from connectors.exchange.rest import RestApi
from connectors.exchange.rest_reply import LOOPBACK, Call, Params, Refusal, Reply
from connectors.exchange.session import POLICY_VIOLATION, Session
from connectors.exchange.stream_name import Route
from connectors.exchange.strike import (
    DAY_IS_OVER,
    GOING_AWAY,
    strike_account,
    strike_connection,
)
from connectors.exchange.symbol_market import SymbolMarket
from connectors.exchange.tape import Tape, TapeEvent
from connectors.exchange.target import Target, target_of
from connectors.exchange.trading.trading import Trading, TradingSettings
from connectors.exchange.true_book import Image
from flows.domain.units import NS_PER_MS, NS_PER_S

PING_NS = 180 * NS_PER_S
PONG_WITHIN_NS = 600 * NS_PER_S
LONGEST_CONNECTION_NS = 86_400 * NS_PER_S

Action = Callable[[], None]


class Venue:
    """A Binance USD-M futures exchange that lives in virtual time."""

    def __init__(
        self,
        tape: Tape,
        *,
        start_ns: int,
        faults: Iterable[Fault] = (),
        seed: int = 0,
        settings: TradingSettings | None = None,
    ) -> None:
        self.start_ns = start_ns
        self.now_ns = start_ns
        self.desk = FaultDesk(seed)
        self.sessions: dict[int, Session] = {}
        self.connections = 0
        self.published = 0
        self._subscribers: dict[str, dict[int, Session]] = {}
        self._agenda: list[tuple[int, int, Action]] = []
        self._planned = 0
        self.symbols: Mapping[str, SymbolMarket] = {
            symbol: SymbolMarket(opening, index, self)
            for index, (symbol, opening) in enumerate(tape.openings.items())
        }
        self._events: Iterator[TapeEvent] = iter(tape)
        self._next: TapeEvent | None = next(self._events, None)
        self.trading = Trading(
            self, settings or TradingSettings(), seed=seed, send=self._tell
        )
        self._rest = RestApi(self, self.desk, self.trading)
        self._periodic = PeriodicStreams(self.symbols, self)
        self.plan(start_ns + NS_PER_S, self._beat)
        for fault in faults:
            self.order(fault)

    # -- time ---------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether the tape has ended; the last books stay."""
        return self._next is None

    @property
    def due_ns(self) -> int:
        """When something happens next; never later than a second from now."""
        planned = self._agenda[0][0]
        return planned if self._next is None else min(planned, self._next.received_ns)

    def advance(self, to_ns: int) -> None:
        """Let everything happen that is due by `to_ns`, in order of its time."""
        while True:
            event, planned_ns = self._next, self._agenda[0][0]
            if event is not None and event.received_ns <= min(to_ns, planned_ns):
                self.now_ns = max(self.now_ns, event.received_ns)
                self._next = next(self._events, None)
                self.play(event)
            elif planned_ns <= to_ns:
                self.now_ns = max(self.now_ns, planned_ns)
                heapq.heappop(self._agenda)[2]()
            else:
                self.now_ns = max(self.now_ns, to_ns)
                return

    def play(self, event: TapeEvent) -> None:
        """Let one thing happen in the market now, and to the account by it."""
        self.symbols[event.symbol].play(event)
        self.trading.on_event(event)

    def plan(self, due_ns: int, action: Action) -> None:
        """Do `action` when time reaches `due_ns`."""
        self._planned += 1
        heapq.heappush(self._agenda, (due_ns, self._planned, action))

    # -- connections --------------------------------------------------------------

    def connect(self, path: str, ip: str = LOOPBACK) -> Session | Reply:
        """Open a connection by its path and query, or say why the handshake fails."""
        target = target_of(path)
        if target is None:
            return Refusal(404, -5000, f"Path {path} is invalid").reply()
        if self.desk.refuses_connection(target.route.value, self.now_ns):
            return Reply(503, b"Service Unavailable")
        self.connections += 1
        session = self._session(target, ip)
        self.sessions[session.serial] = session
        self.plan(self.now_ns + PING_NS, partial(self._ping, session))
        age_out = partial(session.close, GOING_AWAY, DAY_IS_OVER)
        self.plan(self.now_ns + LONGEST_CONNECTION_NS, age_out)
        if not session.subscribe(target.names):
            session.close(POLICY_VIOLATION, "Too many subscriptions")
        return session

    def _session(self, target: Target, ip: str) -> Session:
        if target.route is Route.API:
            return ApiSession(
                self,
                self.connections,
                self._rest,
                ip=ip,
                tells_limits=target.tells_limits,
            )
        is_combined = target.is_combined
        session = Session(self, self.connections, target.route, is_combined=is_combined)
        session.wanted_events = target.events
        return session

    def join(self, session: Session, name: str) -> None:
        """Deliver a stream to a session from now on."""
        self._subscribers.setdefault(name, {})[session.serial] = session

    def leave(self, session: Session, name: str) -> None:
        """Deliver a stream to a session no more."""
        joined = self._subscribers.get(name, {})
        joined.pop(session.serial, None)
        if not joined:
            self._subscribers.pop(name, None)

    def is_deaf(self, session: Session, name: str) -> bool:
        """Whether a fault makes a new subscription stay silent."""
        return self.desk.is_deaf(session, name, self.now_ns)

    def delay_ns(self, session: Session) -> int:
        """How much later a message sent now arrives."""
        return self.desk.delay_ns(session, self.now_ns) if self.desk.active else 0

    def closed(self, session: Session) -> None:
        """Forget a session that has ended."""
        self.sessions.pop(session.serial, None)

    def is_wanted(self, stream: str) -> bool:
        """Whether anybody is subscribed."""
        return stream in self._subscribers

    def publish(self, stream: str, body: bytes) -> None:
        """Send to everybody who is subscribed, as far as faults let it through."""
        self._deliver(stream, body, self._subscribers.get(stream, {}).values(), stream)

    def _tell(self, listen_key: str, event: dict[str, Any]) -> None:
        """Send an event of the user data stream to who asked for it."""
        kind = event["e"]
        subscribed = self._subscribers.get(listen_key, {}).values()
        wanting = [each for each in subscribed if each.wants(listen_key, kind)]
        symbol = event.get("s", event.get("o", {}).get("s", "")).lower()
        name = f"{symbol}{USER_STREAM}{kind}"
        self._deliver(listen_key, msgspec.json.encode(event), wanting, name)

    def _deliver(
        self, stream: str, body: bytes, sessions: Iterable[Session], name: str
    ) -> None:
        """Send a frame to sessions; `name` is what faults know it by."""
        desk, now_ns = self.desk, self.now_ns
        for session in list(sessions):
            frame = session.frame(stream, body)
            self.published += 1
            if not desk.meddles_with_frames:
                session.text(frame)
                continue
            for shaped in desk.shape(session, name, frame, now_ns):
                if shaped.delay_ns:
                    send = partial(session.text, shaped.frame)
                    self.plan(now_ns + shaped.delay_ns, send)
                else:
                    session.text(shaped.frame)
        if desk.meddles_with_frames:
            desk.end_of_frame(now_ns)

    def _ping(self, session: Session) -> None:
        if not session.is_open:
            return
        asked_ns = session.unanswered_ping_ns
        if asked_ns is not None and self.now_ns - asked_ns >= PONG_WITHIN_NS:
            session.close(POLICY_VIOLATION, "Pong timeout")
            return
        session.probe()
        self.plan(self.now_ns + PING_NS, partial(self._ping, session))

    def _beat(self) -> None:
        self.plan(self.now_ns + NS_PER_S, self._beat)
        self._periodic.beat()
        self.trading.stream.expire(self.now_ns)

    # -- requests -----------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        ip: str = LOOPBACK,
        *,
        api_key: str = "",
        signed: bytes | None = None,
    ) -> Reply:
        """The reply to a REST request made now.

        `signed` are the bytes that `signature` is of; unless given, the other
        parameters in their order, as a query writes them.
        """
        values = dict(params)
        if signed is None:
            others = {name: values[name] for name in values if name != "signature"}
            signed = urlencode(others).encode()
        call = Call(method, path, Params(values), ip, api_key, (signed,))
        return self._rest.request(call)

    def depth_image(self, market: SymbolMarket, limit: int) -> Image:
        """The book as a snapshot shows it, faults included."""
        symbol, now_ns = market.listed.symbol, self.now_ns
        kinds = (Kind.OLD_SNAPSHOT, Kind.BETWEEN_SNAPSHOT)
        for fault, _ in self.desk.on_request(
            "GET", "/fapi/v1/depth", symbol, now_ns, *kinds
        ):
            if fault.order.kind is Kind.OLD_SNAPSHOT:
                before_ns = now_ns - fault.order.age_ms * NS_PER_MS
                return market.true.image_before(before_ns, limit)
            market.flush()  # every speed has sent what this snapshot holds
            image = market.true.image(limit)
            return Image(image.update_id + 1, image.bids, image.asks)
        return market.true.image(limit)

    @property
    def requests(self) -> int:
        """REST requests answered so far."""
        return self._rest.requests

    @property
    def used_weight(self) -> dict[str, int]:
        """Weight used in the present minute, by address."""
        return {ip: weight.used for ip, weight in self._rest.weights.items()}

    # -- faults -------------------------------------------------------------------

    def order(self, fault: Fault) -> None:
        """Let something go wrong at its time, or now where that is past."""
        due_ns = max(self.start_ns + fault.at_ms * NS_PER_MS, self.now_ns)
        self.plan(due_ns, partial(self._begin, fault))

    def _begin(self, fault: Fault) -> None:
        if fault.kind in ACCOUNT_KINDS:
            struck = [strike_account(fault, self.trading)]
        elif fault.kind in INSTANT_KINDS:
            struck = [
                strike_connection(fault, session, self)
                for session in list(self.sessions.values())
                if fault.meets_connection(session.serial, session.route_name)
            ]
        else:
            self.desk.put_in_force(fault, self.now_ns)
            return
        if any(struck):
            self.desk.done[fault.kind.value] += sum(struck)
