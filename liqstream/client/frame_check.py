"""Frames nobody may send: a client masks each and a server none (RFC 6455 5.1), nobody compresses a control
frame (RFC 7692 6.1).

aiohttp's reader takes them, these do not. The server checks with it what comes from clients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from aiohttp import ClientWebSocketResponse, WebSocketError, WSCloseCode
from aiohttp.http_websocket import WebSocketReader

_MASKED = 0x80
_COMPRESSED_CONTROL = 0x48  # RSV1, and the bit of an opcode that is of a control frame
_EXTENDED_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4


class FrameCheck:
    """Stands before a reader and passes on what the peer sends, up to its first frame that may not be.

    Then the connection fails with 1002 once what came before is read. Only headers are looked at. `masked`
    says whether the peer is a client.
    """

    __slots__ = ("_fail", "_failed", "_header", "_mask_bit", "_mask_bytes", "_reader", "_rest")

    def __init__(
        self, reader: WebSocketReader, *, masked: bool, fail: Callable[[WebSocketError], None]
    ) -> None:
        self._reader = reader  # aiohttp's; gets the bytes as they came
        self._mask_bit, self._mask_bytes = (_MASKED, _MASK_BYTES) if masked else (0, 0)  # of each frame
        self._fail = fail  # called once: whoever reads messages gets this error after the last of them
        self._header = bytearray()  # of the frame that begins, as far as it has come
        self._rest = 0  # bytes of the current frame's mask and payload that are still to come
        self._failed = False

    def feed_data(self, data: bytes | bytearray | memoryview) -> tuple[bool, bytes]:
        """Take in bytes; (True, rest) once nothing more is read, as aiohttp's reader returns it."""
        if self._failed:
            return True, b""
        forbidden_at = self._forbidden_at(data)
        if forbidden_at is None:
            return self._reader.feed_data(data)
        self._failed = True
        if not self._reader.feed_data(data[:forbidden_at])[0]:
            self._fail(
                WebSocketError(
                    WSCloseCode.PROTOCOL_ERROR,
                    f"a frame {'without' if self._mask_bit else 'with'} mask, or a compressed control frame",
                )
            )
        return True, b""

    def feed_eof(self) -> None:
        """No more bytes will come."""
        self._reader.feed_eof()

    def _forbidden_at(self, data: bytes | bytearray | memoryview) -> int | None:
        """Where in `data` the first such frame shows; None if it holds none."""
        at, size, header = 0, len(data), self._header
        while at < size:
            if self._rest:
                passed = min(self._rest, size - at)
                self._rest -= passed
                at += passed
                continue
            header.append(data[at])
            if len(header) == 2 and self._is_forbidden(*header):
                return at
            at += 1
            if len(header) > 1:
                length = header[1] & 0x7F
                extended = _EXTENDED_BYTES.get(length, 0)
                if len(header) == 2 + extended:
                    if extended:
                        length = int.from_bytes(header[2:], "big")
                    self._rest = self._mask_bytes + length
                    header.clear()
        return None

    def _is_forbidden(self, first: int, second: int) -> bool:
        """Of a frame's first two bytes."""
        return second & _MASKED != self._mask_bit or first & _COMPRESSED_CONTROL == _COMPRESSED_CONTROL


class CheckedSocket(ClientWebSocketResponse[Literal[True]]):
    """aiohttp's client socket, which fails on what no server may send."""

    def __setattr__(self, name: str, value: Any) -> None:
        # aiohttp gives its connection the reader that it finds here, with what came with the handshake.
        if name == "_parser" and value is not None:
            value = FrameCheck(value, masked=False, fail=self._reader.set_exception)
        super().__setattr__(name, value)
