"""The endpoint's own part: pings, its counts, and a handler that ends with its client.

tests/integration/test_ws_endpoint.py and test_ws_admission.py have the rest.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from liqstream.ws.endpoint import WsConfig
from tests.support.snapshots import first_snapshot
from tests.support.ws_server import PATIENCE_S, WsServer, receive, say, until, ws_server


async def test_a_ping_frame_is_answered_with_its_payload(
    session: aiohttp.ClientSession, server: WsServer
) -> None:
    """By the endpoint, as aiohttp's own answer would not wait for a client that does not read."""
    async with session.ws_connect(server.url, autoping=False) as ws, asyncio.timeout(PATIENCE_S):
        await ws.ping(b"abc")
        message = await ws.receive()
    assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"abc")


async def test_stats_are_served_as_json(session: aiohttp.ClientSession, server: WsServer) -> None:
    """What get_stats() counts."""
    async with session.ws_connect(server.url) as ws:
        await say(ws, action="subscribe", symbols=["BTCUSDT"])
        await until(lambda: bool(server.manager.active_symbols()))
        await server.manager.broadcast(first_snapshot())
        assert (await receive(ws))["type"] == "snapshot"
        async with session.get(f"{server.http}/ws/stats") as answer:
            stats: dict[str, Any] = await answer.json()
    assert (stats["active_connections"], stats["messages_sent_total"]) == (1, 1)
    assert stats["subscriptions_by_symbol"] == {"BTCUSDT": 1}


async def test_a_client_that_is_gone_is_forgotten(session: aiohttp.ClientSession, server: WsServer) -> None:
    """Its subscriptions end with its socket."""
    async with session.ws_connect(server.url) as ws:
        await say(ws, action="subscribe", symbols=["BTCUSDT"])
        await until(lambda: server.manager.active_symbols() == {"BTCUSDT"})
    await until(lambda: server.manager.get_stats().active_connections == 0)
    assert server.manager.active_symbols() == frozenset()


async def test_a_client_that_follows_nothing_is_closed_when_its_time_is_over(
    session: aiohttp.ClientSession,
) -> None:
    """4003, whatever it says meanwhile."""
    async with ws_server(WsConfig(idle_s=0.05)) as server, session.ws_connect(server.url) as ws:
        async with asyncio.timeout(PATIENCE_S):
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 4003


async def test_a_client_of_the_table_of_markets_is_not_idle(session: aiohttp.ClientSession) -> None:
    """It is a subscription; without it the time runs again."""
    async with ws_server(WsConfig(idle_s=0.3)) as server, session.ws_connect(server.url) as ws:
        await say(ws, action="subscribe", stream="markets", proto=2)
        assert (await receive(ws))["stream"] == "markets"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await ws.receive()
        await say(ws, action="unsubscribe", stream="markets")
        assert (await receive(ws))["type"] == "unsubscribed"
        async with asyncio.timeout(PATIENCE_S):
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 4003
