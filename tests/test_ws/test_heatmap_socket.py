"""The fan-out forgets a client before a close frame is sent, whoever closes."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.ws.heatmap_socket import HeatmapSocket


@pytest.mark.parametrize("broken", [False, True], ids=["closed by us", "closed by aiohttp on a bad frame"])
async def test_before_close_comes_before_the_close_frame(*, broken: bool) -> None:
    """aiohttp closes by itself when a peer breaks the protocol."""
    closed_at_the_calls: list[bool] = []
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = HeatmapSocket()
        ws.before_close = lambda socket: closed_at_the_calls.append(socket.closed)
        await ws.prepare(request)
        if broken:
            await ws.receive()
        else:
            await ws.close(code=4000)
        ended.set()
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    async with (
        TestClient(TestServer(app)) as client,
        client.ws_connect("/") as ws,
        asyncio.timeout(10),
    ):
        if broken:
            ws._response.connection.transport.write(b"\xff\xff\xff")  # type: ignore[union-attr]
        message = await ws.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == (1002 if broken else 4000)
        await ended.wait()
        # aiohttp closes once more when the handler returns; by then nothing is sent any more.
        assert not closed_at_the_calls[0]
