"""WebSockets as served here: short messages, small buffers, and no patience.

Uvicorn waits for ever for a client that reads nothing: it has no way to hang up while
something is left to send.
"""

import asyncio
import socket
from asyncio.transports import BaseTransport

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

STALLED_S = 10.0
"""Who has not read what waits for it for so long is hung up on."""

_KERNEL_BUFFER = 16_384


class ImpatientWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that ends with a client that does not read."""

    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """A client has come."""
        super().connection_made(transport)
        # what it has not read was not made for it: nothing may pile up
        self.transport.set_write_buffer_limits(high=0)
        peer: socket.socket = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)

    def pause_writing(self) -> None:
        """The client does not read what was sent."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        self._forgive()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._forgive()
        super().connection_lost(exc)

    def _forgive(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
