"""The session of a feed: through a proxy, marked as simulated, never redirected."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from liqstream.feeds.http_session import RedirectError, host_of, make_session, proxy_of, refused_body
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue import Venue
from tests.support.exchange_rig import connector, eventually, serving


async def test_no_redirect_of_a_handshake_is_followed() -> None:
    """Nor of a request; the target's host is named."""

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("wss://elsewhere.example/ws")

    app = web.Application()
    app.router.add_get("/{tail:.*}", moved)
    async with serving(app) as port, make_session() as session:
        with pytest.raises(RedirectError, match=r"HTTP 302: redirects to elsewhere\.example, which is not"):
            await session.ws_connect(f"ws://127.0.0.1:{port}/ws")
        with pytest.raises(RedirectError, match=r"elsewhere\.example"):
            await session.get(f"http://127.0.0.1:{port}/x")


async def test_what_came_instead_of_a_socket_can_be_read() -> None:
    """A page that names a country says what no status does."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(status=403, text="blocked from your country")

    app = web.Application()
    app.router.add_get("/ws", page)
    async with serving(app) as port, make_session() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"ws://127.0.0.1:{port}/ws")
        assert refused_body.get() == "blocked from your country"


async def test_a_simulated_exchange_is_noticed() -> None:
    """By REST and by the handshake."""

    async def socket(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        ws.headers["X-Liqstream-Simulated"] = "1"
        await ws.prepare(request)
        return ws

    async def rest(request: web.Request) -> web.Response:
        return web.Response(headers={"X-Liqstream-Simulated": "1"} if "marked" in request.query else {})

    app = web.Application()
    app.router.add_get("/ws", socket)
    app.router.add_get("/rest", rest)
    noticed: list[bool] = []
    async with serving(app) as port, make_session(on_simulated=lambda _: noticed.append(True)) as session:
        await session.get(f"http://127.0.0.1:{port}/rest")
        assert noticed == []
        await session.get(f"http://127.0.0.1:{port}/rest?marked=1")
        assert len(noticed) == 1
        async with session.ws_connect(f"ws://127.0.0.1:{port}/ws"):
            assert len(noticed) == 2


def test_the_proxy_of_the_setting_or_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY is for wss:// too; NO_PROXY keeps out of it, the setting does not."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert proxy_of("https://fapi.binance.com", "") is None
    monkeypatch.setenv("https_proxy", "http://me:secret@there:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for url in ("https://fapi.binance.com/x", "wss://fstream.binance.com/ws"):
        assert proxy_of(url, "") == "http://me:secret@there:3128"
        assert proxy_of(url, "http://other:1") == "http://other:1"
    assert proxy_of("http://fapi.binance.com", "") is None
    assert proxy_of("https://127.0.0.1/x", "") is None
    assert host_of(proxy_of("https://fapi.binance.com", "")) == "there:3128"
    assert host_of(None) == ""


@pytest.mark.parametrize("venue", VENUES.values(), ids=list(VENUES))
async def test_no_exchange_is_followed_anywhere(venue: type[Venue]) -> None:
    """Every request and handshake of a whole feed is redirected: nobody comes to where that leads."""
    came: list[str] = []

    async def arrive(request: web.Request) -> web.Response:
        came.append(request.path)
        return web.json_response({})

    elsewhere = web.Application()
    elsewhere.router.add_route("*", "/{tail:.*}", arrive)
    async with serving(elsewhere) as target:
        asked: set[bool] = set()

        async def moved(request: web.Request) -> web.Response:
            asked.add("Upgrade" in request.headers)
            raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{target}{request.path}")

        exchange = web.Application()
        exchange.router.add_route("*", "/{tail:.*}", moved)
        async with serving(exchange) as port:
            feed = connector(port, venue())
            first = asyncio.ensure_future(anext(feed.events()))
            await eventually(lambda: asked == {False, True})
            await eventually(lambda: "redirects to 127.0.0.1" in feed.status.last_error)
            first.cancel()
            await asyncio.wait([first])
            await feed.close()
    assert came == []
