"""What a WebSocket connection asks for by its path and query."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.exchange.stream_name import Route

_ROUTES = {route.value for route in Route if route.value}


@dataclass(frozen=True, slots=True)
class Target:
    """Route, whether payloads are wrapped, and the names of streams."""

    route: Route
    is_combined: bool = False
    names: list[str] = field(default_factory=list)
    events: dict[str, frozenset[str]] = field(default_factory=dict)
    """Events of a listen key, where not all are wanted."""
    tells_limits: bool = True
    """Whether replies of the WebSocket API tell the rate limits."""


def target_of(path: str) -> Target | None:
    """What a path asks for; None where it leads nowhere."""
    parts = urlsplit(path)
    query = parse_qsl(parts.query, keep_blank_values=True)
    steps = [unquote(step) for step in parts.path.split("/") if step]
    if steps == [Route.API.value, "v1"]:
        tells = dict(query).get("returnRateLimits", "true") != "false"
        return Target(Route.API, tells_limits=tells)
    route = Route.UNROUTED
    if steps and steps[0] in _ROUTES:
        route = Route(steps.pop(0))
    if route is Route.API or not steps or steps[0] not in {"ws", "stream"}:
        return None
    form, *names = steps
    is_combined = form == "stream"
    if is_combined:
        streams = dict(query).get("streams", "")
        names = [name for name in streams.split("/") if name]
    events = _events(query) if route is Route.PRIVATE else {}
    names += [name for name in events if name not in names]
    wanted = {name: chosen for name, chosen in events.items() if chosen}
    return Target(route, is_combined, names, wanted)


def _events(query: list[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Listen keys in a query, each with the events named after it."""
    events: dict[str, frozenset[str]] = {}
    key = ""
    for name, value in query:
        if name == "listenKey":
            key = value
            events[key] = frozenset()
        elif name == "events" and key:
            events[key] = frozenset(each for each in value.split("/") if each)
    return events
