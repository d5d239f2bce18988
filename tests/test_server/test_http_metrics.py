"""Every HTTP request is counted by its route's template and its status."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.metrics import Metrics
from liqstream.server.http_metrics import CLIENT_LEFT, UNMATCHED, http_metrics


async def test_requests_are_counted_by_template() -> None:
    """Never by the path a client sent; an error of ours is a 500, a socket has no duration."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    async def refuse(_request: web.Request) -> NoReturn:
        raise web.HTTPTooManyRequests

    async def fail(_request: web.Request) -> NoReturn:
        raise ValueError

    async def socket(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.close()
        return ws

    metrics = Metrics()
    app = web.Application(middlewares=[http_metrics(metrics)])
    for path, handler in (("/map/{symbol}", answer), ("/refuse", refuse), ("/fail", fail), ("/ws", socket)):
        app.router.add_get(path, handler)
    async with TestClient(TestServer(app)) as client:
        for path in ("/map/A", "/map/B", "/refuse", "/fail", "/none/of/ours"):
            async with client.get(path):
                pass
        async with client.ws_connect("/ws") as ws:
            await ws.receive()

    def count(route: str, status: int) -> float | None:
        labels = {"route": route, "status": str(status)}
        return metrics.registry.get_sample_value("liqstream_http_requests_total", labels)

    def timed(route: str) -> float | None:
        return metrics.registry.get_sample_value(
            "liqstream_http_request_duration_seconds_count", {"route": route}
        )

    assert count("/map/{symbol}", 200) == 2
    assert (count("/refuse", 429), count("/fail", 500), count(UNMATCHED, 404)) == (1, 1, 1)
    assert (timed("/map/{symbol}"), timed(UNMATCHED)) == (2, 1)
    assert (count("/ws", 101), timed("/ws")) == (1, None)


async def test_who_leaves_before_the_answer_is_no_error_of_ours() -> None:
    """A page that is closed while its answer is made; a connection of our own that breaks is a 500 still."""
    asked, done = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        asked.set()
        response = web.StreamResponse()
        try:
            await response.prepare(request)
            while True:  # until nobody is there to read it
                await response.write(b"more" * 1000)
        finally:
            done.set()

    async def broken(_request: web.Request) -> NoReturn:
        raise ConnectionRefusedError

    metrics = Metrics()
    app = web.Application(middlewares=[http_metrics(metrics)])
    app.router.add_get("/slow", slow)
    app.router.add_get("/broken", broken)
    async with TestClient(TestServer(app)) as client, asyncio.timeout(10):
        _, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
        await asked.wait()
        writer.close()
        await done.wait()
        async with client.get("/broken") as answer:
            assert answer.status == 500

    def count(route: str, status: int) -> float | None:
        labels = {"route": route, "status": str(status)}
        return metrics.registry.get_sample_value("liqstream_http_requests_total", labels)

    assert (count("/slow", CLIENT_LEFT), count("/slow", 500)) == (1, None)
    assert count("/broken", 500) == 1
