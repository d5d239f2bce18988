"""A server that breaks what it promises, for tests of those who look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

SNAPSHOT: dict[str, Any] = {
    "type": "snapshot",
    "symbol": "BTCUSDT",
    "timestamp": "2026-01-01T00:00:00Z",
    "epoch": 1000,
    "checksum": 0,
    "skipped": 0,
    "data": {"p0": 1, "step": 1, "long": [0], "short": [0], "current_price": 1},
}


@asynccontextmanager
async def lying_server(seqs: list[int], *, answers: list[web.Response] | None = None) -> AsyncIterator[str]:
    """A server that sends snapshots of these seqs with wrong checksums, then hangs up on bad input.

    `/prices/klines` gives `answers` one after the other, the last one again and again; 404 without any.
    """

    async def ready(_request: web.Request) -> web.Response:
        return web.json_response({"symbols": {"BTCUSDT": {"stale": False}}})

    async def klines(_request: web.Request) -> web.Response:
        if not answers:
            raise web.HTTPNotFound(text='{"error":"nothing here"}')
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.Response(status=answer.status, body=answer.body)

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if "subscribe" in (await socket.receive()).data:
            for seq in seqs:
                await socket.send_json(SNAPSHOT | {"seq": seq})
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/ready", ready)
    app.router.add_get("/prices/klines", klines)
    app.router.add_get("/ws/heatmap", stream)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))
