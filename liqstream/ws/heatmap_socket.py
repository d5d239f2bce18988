"""The socket of one client: aiohttp's, where it does otherwise than the RFCs or our fan-out need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import WSCloseCode, hdrs, web
from aiohttp.http_websocket import WebSocketWriter
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from liqstream.client.frame_check import FrameCheck
from liqstream.wire.deflate_offer import accept_deflate
from liqstream.ws.handshake import check_handshake

_NO_REQUESTS: deque[Any] = deque(maxlen=0)
_NO_CLOSE_CODE = 1006
_END_OF_CLOSE_CODES = 5000


class HeatmapSocket(web.WebSocketResponse):
    """A WebSocket that closes on unmasked frames, speaks version 13 alone and answers every deflate offer.

    Calls `before_close` with itself before any close frame is sent: aiohttp closes by itself on a protocol
    error and then waits for the peer; a snapshot written meanwhile would come after the close frame, which
    RFC 6455 forbids.
    """

    # Beside more than 30 names Python keeps a table of its own for an object, of 1.6 kB where 0.3 are enough:
    # ours, and those of aiohttp's that it sets when it makes one, have their places outside.
    __slots__ = (
        "_autoclose",
        "_autoping",
        "_decode_text",
        "_heartbeat",
        "_max_msg_size",
        "_may_compress",
        "_pong_heartbeat",
        "_protocols",
        "_receive_timeout",
        "_timeout",
        "_writer_limit",
        "before_close",
    )

    def __init__(self, *, compress: bool = True, **options: Any) -> None:
        self.before_close: Callable[[web.WebSocketResponse], None] | None = None
        # aiohttp would accept an offer without the parameters it has to repeat (RFC 7692 7.1.2.1).
        super().__init__(compress=False, **options)
        self._may_compress = compress

    def _handshake(self, request: BaseRequest) -> tuple[CIMultiDict[str], str | None, int, bool]:
        check_handshake(request)
        headers, protocol, _, _ = super()._handshake(request)
        offers = ", ".join(request.headers.getall(hdrs.SEC_WEBSOCKET_EXTENSIONS, ()))
        accepted = accept_deflate(offers) if self._may_compress else None
        if accepted is None:
            return headers, protocol, 0, False
        headers[hdrs.SEC_WEBSOCKET_EXTENSIONS] = accepted.answer
        return headers, protocol, accepted.window_bits, accepted.no_context_takeover

    def _post_start(self, request: BaseRequest, protocol: str | None, writer: WebSocketWriter) -> None:
        # What came with the request must pass the check too, so aiohttp's reader is not given it yet.
        connection = request.protocol
        early, connection._message_tail = connection._message_tail, b""
        super()._post_start(request, protocol, writer)
        assert self._parser is not None
        assert self._reader is not None
        check = FrameCheck(self._parser, masked=True, fail=self._reader.set_exception)
        connection._payload_parser = check
        # No request comes on this connection any more: of no use are HTTP's parser, with the headers as they
        # came, and the queue of requests, together 2 kB.
        connection._parser = None
        connection._messages = _NO_REQUESTS
        if early:
            check.feed_data(early)

    def break_rings(self) -> None:
        """Let go of what leads back to this socket; at the end of its handler.

        It keeps what ended it, whose traceback holds the frames of its own methods, and its connection calls
        it: rings of some fifty objects, with all buffers, which only a collection of everything would find.
        """
        if self._req is not None:
            self._req.protocol._data_received_cb = None
        error = self.exception()
        while error is not None:
            error.__traceback__, context = None, error.__context__
            error.__context__ = error.__cause__ = None
            error = context

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Close as aiohttp does, after `before_close`; True if this call closed it."""
        if self.before_close is not None:
            self.before_close(self)
        # A close of the peer's with a code that no frame may hold (RFC 6455 7.4) is a protocol error itself.
        peers_code = self._close_code if self._closing else None
        if peers_code is not None and (peers_code == _NO_CLOSE_CODE or peers_code >= _END_OF_CLOSE_CODES):
            code = WSCloseCode.PROTOCOL_ERROR
        return await super().close(code=code, message=message, drain=drain)
