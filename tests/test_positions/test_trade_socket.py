"""The socket of trades, on a real server that cuts, is silent or talks nonsense."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp import web

from liqstream.positions.trade_socket import PING_EVERY_S, SILENT_AFTER_S, TradeSocket
from tests.support.exchange_rig import serving
from tests.support.virtual_clock import run_virtually


class Exchange:
    """Accepts sockets; says `texts` to each, cuts it if `cuts`, and keeps what it is sent."""

    def __init__(self, texts: list[str], *, cuts: bool) -> None:
        self.sockets = 0
        self.received: list[dict[str, Any]] = []
        self._texts, self._cuts = texts, cuts

    async def accept(self, request: web.Request) -> web.WebSocketResponse:
        """One socket."""
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.sockets += 1
        for text in self._texts:
            await ws.send_str(text)
        if self._cuts and request.transport is not None:
            request.transport.abort()
        async for message in ws:
            self.received.append(message.json())
        return ws


def run_with(exchange: Exchange, seconds: float) -> tuple[list[tuple[str, Any]], int]:
    """What is handed on in so many seconds, and how many breaks."""
    found: list[tuple[str, Any]] = []
    breaks: list[str] = []

    async def job() -> None:
        app = web.Application()
        app.router.add_get("/ws", exchange.accept)
        async with serving(app) as port, aiohttp.ClientSession() as session:
            socket = TradeSocket(
                f"ws://127.0.0.1:{port}",
                ("BTC", "ETH"),
                session,
                lambda channel, data: found.append((channel, data)),
                breaks.append,
            )
            task = asyncio.create_task(socket.run())
            await asyncio.sleep(seconds)
            task.cancel()
            await asyncio.wait({task})
            assert not socket.is_connected

    run_virtually(job())
    return found, len(breaks)


def test_messages_are_handed_on_and_nonsense_is_not() -> None:
    """With their channel; an acknowledgement names its subscription."""
    acknowledged = '{"channel":"subscriptionResponse","data":{"subscription":{"type":"trades","coin":"BTC"}}}'
    texts = ["not json", "[]", "null", '{"channel":5}', '{"channel":"trades","data":[1]}', acknowledged]
    found, _ = run_with(Exchange(texts, cuts=False), 5)
    assert found == [("trades", [1]), ("subscribed", {"type": "trades", "coin": "BTC"})]


def test_it_asks_for_contexts_and_each_coins_trades() -> None:
    """And sends a ping before the exchange takes it for silent."""
    exchange = Exchange([], cuts=False)
    run_with(exchange, PING_EVERY_S + 5)
    wanted = [each["subscription"] for each in exchange.received if each["method"] == "subscribe"]
    assert wanted == [
        {"type": "allDexsAssetCtxs"},
        {"type": "trades", "coin": "BTC"},
        {"type": "trades", "coin": "ETH"},
    ]
    assert exchange.received[-1] == {"method": "ping"}


def test_a_cut_or_silent_socket_is_replaced() -> None:
    """Each time those who count on it are notified."""
    cutting = Exchange([], cuts=True)
    _, breaks = run_with(cutting, 30)
    assert cutting.sockets >= 2
    assert breaks >= cutting.sockets - 1
    silent = Exchange([], cuts=False)
    run_with(silent, SILENT_AFTER_S + 70)
    assert silent.sockets >= 2


def test_a_server_that_accepts_and_cuts_is_not_asked_all_the_time() -> None:
    """What it says before makes no success of it: 30 new sockets a minute are allowed."""
    cutting = Exchange(['{"channel":"pong"}'], cuts=True)
    run_with(cutting, 300)
    assert 5 <= cutting.sockets <= 60
