"""HTTP as served here: who connects and asks nothing is not waited for.

Uvicorn waits for ever for the end of a request; a thousand connections that say nothing
would leave none for who has something to say.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_WITHIN_S = 10.0
"""From connecting, or from a later request's first byte, to the request's last one."""

_UNFINISHED = (h11.IDLE, h11.SEND_BODY)


class ImpatientHttp(H11Protocol):
    """A connection that ends with a client that does not finish its request."""

    _overdue: asyncio.TimerHandle | None = None
    _is_upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """A client has come."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Part of a request, or all of it."""
        super().data_received(data)
        if self._is_upgraded:
            return
        if self.conn.their_state in _UNFINISHED:
            self._expect()
        else:
            self._forgive()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on it is no longer this protocol's."""
        self._forgive()
        self._is_upgraded = True
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._forgive()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._overdue is None:
            hang_up = self.transport.abort
            self._overdue = self.loop.call_later(REQUEST_WITHIN_S, hang_up)

    def _forgive(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
