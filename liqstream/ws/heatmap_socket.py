"""The socket of one client: as aiohttp's, but nothing follows its close frame."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import WSCloseCode, web


class HeatmapSocket(web.WebSocketResponse):
    """Calls `let_go` with itself before any close frame is sent.

    aiohttp closes by itself on a protocol error and then waits for the peer; a snapshot written meanwhile
    would come after the close frame, which RFC 6455 forbids.
    """

    let_go: Callable[[web.WebSocketResponse], None] | None = None

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Close as aiohttp does, once the fan-out has let go."""
        if self.let_go is not None:
            self.let_go(self)
        return await super().close(code=code, message=message, drain=drain)
