"""A server without history passes requests for it on to one that has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from pytest_aiohttp import AiohttpClient
from yarl import URL

from liqstream.http import history_proxy
from liqstream.http.history_proxy import PATHS, add_forwarded_routes

PATH = "/api/heatmap/BTCUSDT/history"


def proxy(history_url: str) -> web.Application:
    """An application that passes requests on to that address."""
    app = web.Application()
    add_forwarded_routes(app, history_url)
    return app


Seen = list[tuple[str, dict[str, str]]]


@asynccontextmanager
async def producer(
    seen: Seen, *, description: dict[str, Any] | None = None, size: int = 4, status: int = 418
) -> AsyncIterator[str]:
    """A server that answers everything alike and notes what it was asked."""

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/openapi.json":
            return web.json_response(description) if description else web.Response(status=404)
        seen.append((request.path_qs, dict(request.headers)))
        headers = {"ETag": '"e"', "X-Own": "1", "WWW-Authenticate": "Bearer", "Location": "/elsewhere"}
        return web.Response(status=status, body=b"m" * size, headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_request_and_response_pass_through(aiohttp_client: AiohttpClient) -> None:
    """Path, query, token, status, body and the headers that matter; nothing else of the other server."""
    seen: Seen = []
    asked = {
        "If-None-Match": '"e"',
        "Authorization": "Bearer liq_x",
        "X-Forwarded-For": "203.0.113.9",
        "X": "1",
    }
    async with producer(seen) as url:
        client = await aiohttp_client(proxy(url))
        async with client.get(f"{PATH}?window=7d", headers=asked) as response:
            assert (response.status, await response.read()) == (418, b"mmmm")
            assert (response.headers["ETag"], response.headers["WWW-Authenticate"]) == ('"e"', "Bearer")
            assert "X-Own" not in response.headers
    ((path, headers),) = seen
    assert path == f"{PATH}?window=7d"
    assert headers["If-None-Match"] == '"e"'
    assert headers["Authorization"] == "Bearer liq_x"
    assert headers["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"
    assert "X" not in headers


async def test_only_what_the_other_server_names_is_passed_on(aiohttp_client: AiohttpClient) -> None:
    """One of another version does not refuse what it does not know."""
    seen: Seen = []
    named = {"paths": {PATHS[0]: {"get": {"parameters": [{"name": "window", "in": "query"}]}}}}
    async with producer(seen, description=named) as url:
        client = await aiohttp_client(proxy(url))
        for _ in range(2):
            await client.get(f"{PATH}?window=7d&price_bin_size=5&_=1")
    assert [path for path, _ in seen] == [f"{PATH}?window=7d"] * 2


@pytest.mark.parametrize(("size", "status"), [(1001, 200), (4, 302)])
async def test_what_is_no_answer_of_ours_is_not_passed_on(
    size: int, status: int, aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body larger than any, and a redirect, which could lead a token anywhere."""
    monkeypatch.setattr(history_proxy, "MAX_BODY_BYTES", 1000)
    seen: Seen = []
    async with producer(seen, size=size, status=status) as url:
        client = await aiohttp_client(proxy(url))
        async with client.get(PATH) as response:
            assert response.status == 503
            assert "no usable answer" in (await response.json())["error"]
    assert len(seen) == 1


@pytest.mark.parametrize(("port", "sentence"), [(None, "set LIQSTREAM_HISTORY_URL"), (0, "does not answer")])
async def test_without_a_server_to_ask_it_is_a_503(
    aiohttp_client: AiohttpClient, port: int | None, sentence: str
) -> None:
    """None is set, or nobody answers there."""
    url = "" if port is None else f"http://127.0.0.1:{await asyncio.to_thread(unused_port)}"
    client = await aiohttp_client(proxy(url))
    async with client.get(PATH) as response:
        body: dict[str, Any] = await response.json()
        assert response.status == 503
        assert sentence in body["error"]
        assert "Retry-After" in response.headers


async def test_a_name_in_another_form_is_passed_on_as_the_symbol(aiohttp_client: AiohttpClient) -> None:
    """In the path, where its slashes would make another path of it, and in the query."""
    seen: Seen = []
    async with producer(seen) as url:
        client = await aiohttp_client(proxy(url))
        await client.get(URL("/api/heatmap/BTC%2FUSDT:USDT/history?window=7d", encoded=True))
        await client.get(URL("/api/heatmap/btc/usdt%3Ausdt/history?window=7d", encoded=True))
        await client.get(URL("/prices/klines?symbol=kPEPE&limit=3", encoded=True))
    of_btc = f"{PATH}?window=7d"
    assert [path for path, _ in seen] == [of_btc, of_btc, "/prices/klines?symbol=PEPEUSDT&limit=3"]
