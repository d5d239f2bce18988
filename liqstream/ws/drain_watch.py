"""Learn when a transport is full and when it has drained, by the callbacks asyncio gives its protocol.

aiohttp keeps these callbacks to itself, so we stand between the transport and aiohttp's protocol and pass
everything on. With a high-water mark of 0 "paused" means exactly "not all of it is in the kernel yet":
nothing needs to be polled, and a client without pending bytes costs no task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class DrainWatch(asyncio.Protocol):
    """A protocol that tells `on_pause`, `on_resume` and `on_lost` and passes every call to `inner`."""

    __slots__ = ("_inner", "_on_lost", "_on_pause", "_on_resume")

    def __init__(
        self,
        inner: asyncio.Protocol,
        *,
        on_pause: Callable[[], None],
        on_resume: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._inner = inner
        self._on_pause = on_pause
        self._on_resume = on_resume
        self._on_lost = on_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        self._on_pause()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
        self._on_resume()


def watch_drain(
    transport: asyncio.Transport,
    *,
    on_pause: Callable[[], None],
    on_resume: Callable[[], None],
    on_lost: Callable[[], None],
) -> None:
    """Call back whenever the transport begins to hold bytes back, has none left, or is lost."""
    inner = transport.get_protocol()
    if not isinstance(inner, asyncio.Protocol):
        raise TypeError(f"cannot watch a transport whose protocol is {type(inner).__name__}")
    transport.set_protocol(DrainWatch(inner, on_pause=on_pause, on_resume=on_resume, on_lost=on_lost))
    transport.set_write_buffer_limits(high=0)
