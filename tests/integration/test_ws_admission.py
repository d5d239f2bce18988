"""Clients that come in and then keep the server waiting: idle ones, and pages that owe a token."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from liqstream.admission.tokens import new_token, token_line
from liqstream.settings.table import Settings
from liqstream.ws.endpoint import WsConfig
from tests.support.ws_server import say, ws_server


async def test_who_follows_nothing_is_let_go() -> None:
    """4003 after the idle time; pings do not count as following."""
    async with (
        ws_server(WsConfig(idle_s=0.2)) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url) as ws,
    ):
        await say(ws, action="ping")
        await ws.receive_json()
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 4003


async def test_who_follows_something_stays() -> None:
    """However long it says nothing; and after its unsubscribe the idle time begins."""
    async with ws_server(WsConfig(idle_s=0.2)) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(server.url) as ws:
            await say(ws, action="subscribe", symbols=["BTCUSDT"])
            with pytest.raises(TimeoutError):
                await ws.receive(timeout=0.6)
        async with session.ws_connect(server.url) as ws:
            await say(ws, action="subscribe", symbols=["BTCUSDT"])
            await say(ws, action="unsubscribe", symbols=["BTCUSDT"])
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
            assert ws.close_code == 4003


async def test_who_came_long_ago_must_come_anew() -> None:
    """4004 at the end of its life, whatever it follows; never more than a tenth sooner."""
    async with (
        ws_server(WsConfig(max_lifetime_s=0.4)) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url) as ws,
    ):
        began_s = asyncio.get_running_loop().time()
        await say(ws, action="subscribe", symbols=["BTCUSDT"])
        await say(ws, action="ping")
        assert (await ws.receive_json())["type"] == "pong"
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 4004
        assert asyncio.get_running_loop().time() - began_s > 0.3


async def test_a_page_that_shows_no_token_is_let_go(tmp_path: Path) -> None:
    """4500 when its time is over; until then it holds no more than its place."""
    path = tmp_path / "tokens"
    path.write_text(token_line("a", new_token()))
    async with ws_server(WsConfig(token_s=0.1), settings=Settings(tokens_file=str(path))) as server:
        origin = {"Origin": server.http}
        async with aiohttp.ClientSession(headers=origin) as session, session.ws_connect(server.url) as ws:
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
            assert ws.close_code == 4500
