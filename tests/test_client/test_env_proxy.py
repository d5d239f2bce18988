"""The environment's proxy, for all that is asked of servers elsewhere."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from liqstream.client import HeatmapClient
from liqstream.client.env_proxy import env_proxy
from tests.support.forward_proxy import forward_proxy, without_proxies


def test_each_scheme_has_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets have that of their HTTP scheme; NO_PROXY and this machine have none."""
    without_proxies(monkeypatch)
    assert env_proxy("https://liq.example/x") is None
    monkeypatch.setenv("https_proxy", "http://me:secret@there:3128")
    monkeypatch.setenv("no_proxy", ".inside.example,10.1.2.3")
    for url in ("https://liq.example/x", "wss://liq.example/ws"):
        assert env_proxy(url) == "http://me:secret@there:3128"
    assert env_proxy("ws://liq.example") is None
    monkeypatch.setenv("ALL_PROXY", "http://rest:1")
    assert env_proxy("ws://liq.example") == "http://rest:1"
    for host in ("a.inside.example", "10.1.2.3", "localhost", "a.localhost", "127.0.0.5", "[::1]"):
        assert env_proxy(f"wss://{host}/ws") is None


@pytest.mark.parametrize(("scheme", "variable"), [("ws", "http_proxy"), ("http", "HTTP_PROXY")])
async def test_a_client_reaches_its_server_through_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str, variable: str
) -> None:
    """Stream and REST: a name that only the proxy knows."""
    without_proxies(monkeypatch)

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        return socket

    app = web.Application()
    app.router.add_get("/ws/heatmap", stream)
    async with TestServer(app) as server, forward_proxy(server.port or 0) as (proxy, asked):
        monkeypatch.setenv(variable, proxy)
        async with HeatmapClient(f"{scheme}://liq.invalid:80") as client:
            with pytest.raises(Exception, match="404"):
                await client.forecast("BTCUSDT")
    assert [line.split()[1].partition("://")[2] for line in asked] == [
        "liq.invalid/ws/heatmap",
        "liq.invalid/api/forecast/BTCUSDT",
    ]
