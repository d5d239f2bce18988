"""A listener's socket, from handshake to end, whatever words it speaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import aiohttp
from aiohttp import web

from liqstream.simulator.publisher import Listener, Words
from liqstream.simulator.venue_state import VENUE

Answer = Callable[[Listener, str], Awaitable[None]]


async def listen(
    request: web.Request, words: Words, wanted: Iterable[str], answer: Answer
) -> web.WebSocketResponse:
    """Let a listener in and answer what it says until it leaves."""
    venue = request.app[VENUE]
    if venue.wrong.refuse_connects:
        raise web.HTTPServiceUnavailable
    ws = web.WebSocketResponse(heartbeat=None, max_msg_size=64 * 1024)
    await ws.prepare(request)
    transport = request.transport
    listener = Listener(ws, transport, words, dict.fromkeys(wanted))
    venue.publisher.listeners.add(listener)
    try:
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                await answer(listener, message.data)
    finally:
        venue.publisher.listeners.discard(listener)
    return ws
