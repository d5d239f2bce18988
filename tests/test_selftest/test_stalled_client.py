"""A client that subscribes and never reads."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestServer

from liqstream.client.urls import Addresses
from liqstream.selftest.stalled_client import stalled_client


async def test_it_subscribes_then_stops_the_server_from_writing() -> None:
    """Its request arrives whole; a megabyte sent to it does not leave the server."""
    asked: list[str] = []
    blocked = asyncio.Event()

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        asked.append((await socket.receive_str(), request.headers["X-Name"])[0])
        sending = asyncio.ensure_future(socket.send_bytes(bytes(16_000_000)))
        done, _ = await asyncio.wait((sending,), timeout=0.3)
        if not done:
            blocked.set()
        await asyncio.wait((sending,))
        return socket

    app = web.Application()
    app.router.add_get("/ws/heatmap", stream)
    async with TestServer(app) as server:
        addresses = Addresses.of(str(server.make_url("/")))
        async with stalled_client(addresses, ("BTCUSDT",), headers={"X-Name": "a"}), asyncio.timeout(5):
            await blocked.wait()
    assert '"symbols": ["BTCUSDT"]' in asked[0]
