"""liqstream/assistant/server_reader.py: what a server answers, and one sentence where it refuses."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from liqstream.assistant.server_reader import ServerReader
from liqstream.client import ClientError


async def test_it_reads_with_its_token_and_passes_refusals_on() -> None:
    """A market in another form is asked for by the server's name; a body that is no JSON is a sentence."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.headers.get("Authorization") != "Bearer liq_x":
            return web.json_response({"error": "a token is asked for"}, status=401)
        return web.Response(text='{"n": 3}' if request.path == "/api/score/BTCUSDT" else "<html>")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        reader = ServerReader(url, "liq_x")
        for name in ("BTCUSDT", "btc/usdt:usdt", "BTC-USDT", "BTC-USDT-SWAP"):
            assert await reader.score(name) == {"n": 3}
        for name in ("kPEPE", "BTC-PERP"):
            with pytest.raises(ClientError, match="cannot be read"):
                await reader.score(name)
        with pytest.raises(ClientError, match="cannot be read"):
            await reader.symbols()
        with pytest.raises(ClientError, match="a token is asked for"):
            await ServerReader(url).score("BTCUSDT")
        count = len(asked)
        for name in ("", "/..", "A" * 61):
            with pytest.raises(ClientError, match="is no symbol"):
                await reader.latest(name)
        assert len(asked) == count
    scores = ("BTCUSDT", "PEPEUSDT", "BTC-PERP")
    assert set(asked) == {"/api/symbols", *(f"/api/score/{each}" for each in scores)}


def test_what_is_no_address_is_refused() -> None:
    """Before anything is asked."""
    with pytest.raises(ClientError, match="no address"):
        ServerReader("ftp://x")
