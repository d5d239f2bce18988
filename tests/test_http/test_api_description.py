"""The descriptions as they are served, and the parameters that are checked by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.http.api_description import (
    OPEN_API_PATH,
    add_description_routes,
    known_parameters,
    query_names,
    read_descriptions,
)
from liqstream.http.app_keys import SYMBOLS
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.settings.server_role import ServerRole

KLINES_SENTENCE = (
    "limt is no parameter of /prices/klines; it has end_time, exchange, interval, limit, start_time, symbol"
)

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A server of the described routes, each of which answers 200."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[known_parameters])
    add_description_routes(app)
    for path in ("/prices/klines", "/api/heatmap/{symbol}", "/ws/stats", "/ready", "/", "/api/unheard-of"):
        app.router.add_get(path, answer)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    ["/prices/klines?symbol=BTCUSDT&limit=1&_=17", "/api/heatmap/BTCUSDT?columns=1", "/ws/stats?_=1",
     "/ready?check=1", "/?utm_source=x", "/nowhere?a=b"],
)  # fmt: skip
async def test_known_parameters_pass(client: Client, path: str) -> None:
    """So does what scripts add to get round caches, and anything on pages and supervisors' routes."""
    async with client.get(path) as answer:
        assert answer.status == (404 if "nowhere" in path else 200)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "/prices/klines?symbol=BTCUSDT&limt=1",
            KLINES_SENTENCE,
        ),
        (
            "/api/heatmap/X?Columns=1",
            "Columns is no parameter of /api/heatmap/{symbol}; it has columns, exchange",
        ),
        ("/ws/stats?a=1", "a is no parameter of /ws/stats; it has none"),
        ("/ws/stats?%3Cscript%3E=1", "one of the names is no parameter of /ws/stats; it has none"),
        ("/api/unheard-of?a=1", "a is no parameter of /api/unheard-of; it has none"),
        ("/prices/klines?symbol=A&symbol=B", "symbol is given more than once"),
    ],
)
async def test_others_are_named(client: Client, path: str, sentence: str) -> None:
    """With those there are."""
    async with client.get(path) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": sentence})


async def test_both_files_are_served(client: Client) -> None:
    """As they are in docs/, but for the address, which is wherever they were asked."""
    files = await asyncio.to_thread(read_descriptions)
    for path in (OPEN_API_PATH, "/asyncapi.json"):
        async with client.get(path) as answer:
            assert await answer.json() == files[path]
            etag = answer.headers["ETag"]
        async with client.get(path, headers={"If-None-Match": etag}) as again:
            assert again.status == 304
    assert files[OPEN_API_PATH]["servers"] == [{"url": "."}]


async def test_the_symbols_followed_are_listed() -> None:
    """Only of them can be asked."""
    app = web.Application()
    app[SYMBOLS] = ("BTCUSDT", "ETHUSDT")
    add_description_routes(app)
    async with TestClient(TestServer(app)) as client, client.get(OPEN_API_PATH) as answer:
        schema = (await answer.json())["components"]["schemas"]["symbol"]
    assert schema["enum"] == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize("role", [ServerRole.ALL, ServerRole.FANOUT])
def test_every_route_for_programs_is_described(role: ServerRole) -> None:
    """Else all its parameters would be refused; files of the page have none."""
    files = ("/static", "/docs", "/push-worker.js", "/manifest.webmanifest")
    app = make_app(load_settings(symbols="BTCUSDT", role=role, redis_enabled=True, replay="store"))
    described = read_descriptions()[OPEN_API_PATH]
    for route in app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        assert path.startswith(files) or path in described["paths"]
    assert query_names(described, "/prices/klines") > {"symbol", "limit"}
    assert query_names(described, "/nowhere") == frozenset()
