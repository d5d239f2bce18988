"""A small server that answers as the documentation of OKX and Hyperliquid says, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from liqstream.feeds.venue import Venue
from liqstream.market import HOUR_MS, MINUTE_MS, Candle, MarketEvent
from tests.support.exchange_rig import connector, eventually, nothing_known, serving

STEP_MS = 5 * MINUTE_MS
NOW_MS = 1_790_000_100_000
FIRST_MS = NOW_MS - 250 * STEP_MS
"""The venue is 250 bars old: three pages of OKX's hundred."""


LIQUIDATED_MS = tuple(range(FIRST_MS, NOW_MS - HOUR_MS, 5 * MINUTE_MS))
"""More liquidations than one page of OKX's holds."""


def price(open_ms: int) -> str:
    return str(100_000 + (open_ms // STEP_MS) % 50)


@dataclass(slots=True)
class Documented:
    """Pushes `pushed` to every socket once it has subscribed; `asked` is what was asked, in order."""

    pushed: list[Any]
    asked: list[str] = field(default_factory=list)
    subscribed: list[Any] = field(default_factory=list)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            if message.data == "ping":
                await ws.send_str("pong")
                continue
            self.subscribed.append(orjson.loads(message.data))
            for text in self.pushed:
                await ws.send_bytes(b"") if text is None else await ws.send_str(orjson.dumps(text).decode())
        return ws

    async def okx(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        query = request.query
        # OKX pages newest first, between two times that are both left out.
        after, before = int(query.get("after", NOW_MS)), int(query.get("before", 0))
        match request.path.rpartition("/")[2]:
            case "time":
                data: Any = [{"ts": str(NOW_MS)}]
            case "instruments":
                data = [okx_contract("BTC-USDT-SWAP", "0.01"), okx_contract("SOL-USDT-SWAP", "1")]
            case "candles" | "history-candles":
                opens = range(max(FIRST_MS, before + 1), min(after, NOW_MS + 1))
                times = [at for at in range(FIRST_MS, NOW_MS + 1, STEP_MS) if at in opens]
                data = [okx_bar(at) for at in reversed(times)][: int(query["limit"])]
            case "open-interest-history":
                begin, end = int(query["begin"]), int(query["end"])
                times = [at for at in range(FIRST_MS, NOW_MS, STEP_MS) if begin <= at <= end]
                data = [[str(at), "5000", "50", "5000000"] for at in reversed(times)]
            case "funding-rate-history":
                data = [{"instId": query["instId"], "fundingRate": "0.0001", "fundingTime": str(FIRST_MS)}]
                data = data if before < FIRST_MS < after else []
            case "liquidation-orders":
                details = [okx_fill(at) for at in reversed(LIQUIDATED_MS) if at < after]
                details = details[: int(query["limit"])]
                data = [{"instId": f"{query['instFamily']}-SWAP", "details": details}]
            case _:
                raise web.HTTPNotFound
        return web.json_response({"code": "0", "msg": "", "data": data})

    async def hyperliquid(self, request: web.Request) -> web.Response:
        question = await request.json()
        self.asked.append(question["type"])
        answer: Any
        match question["type"]:
            case "meta":
                answer = {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}]}
            case "l2Book":
                answer = {"coin": "BTC", "time": NOW_MS + STEP_MS - 1, "levels": [[], []]}
            case "candleSnapshot":
                wanted = question["req"]
                assert wanted["interval"] == "5m"
                times = range(max(FIRST_MS, wanted["startTime"]), wanted["endTime"] + 1)
                opens = [at for at in range(FIRST_MS, NOW_MS + 1, STEP_MS) if at in times]
                answer = [hyperliquid_bar(at) for at in opens]
            case "fundingHistory":
                answer = [{"coin": "BTC", "fundingRate": "0.00001", "time": FIRST_MS + HOUR_MS}]
            case _:
                raise web.HTTPBadRequest
        return web.json_response(answer)


def okx_contract(name: str, size: str) -> dict[str, str]:
    return {
        "instId": name,
        "ctVal": size,
        "ctMult": "1",
        "ctType": "linear",
        "settleCcy": "USDT",
        "state": "live",
    }


def okx_fill(at_ms: int) -> dict[str, str]:
    return {"bkPx": "100000", "posSide": "long", "side": "sell", "sz": "1", "ts": str(at_ms)}


def okx_bar(open_ms: int) -> list[str]:
    at = price(open_ms)
    closed = "1" if open_ms + STEP_MS <= NOW_MS else "0"
    return [str(open_ms), at, at, at, at, "300", "3", "300000", closed]


def hyperliquid_bar(open_ms: int) -> dict[str, Any]:
    at = price(open_ms)
    bar = {"t": open_ms, "T": open_ms + STEP_MS - 1, "s": "BTC", "i": "5m", "v": "3", "n": 1}
    return {**bar, "o": at, "h": at, "l": at, "c": at}


@asynccontextmanager
async def documented(pushed: list[Any]) -> AsyncIterator[tuple[Documented, int]]:
    server = Documented(pushed)
    app = web.Application()
    for path in ("/ws/v5/public", "/ws/v5/business", "/ws"):
        app.router.add_get(path, server.socket)
    app.router.add_get("/api/v5/{tail:.*}", server.okx)
    app.router.add_post("/info", server.hyperliquid)
    async with serving(app) as port:
        yield server, port


async def received(
    venue: Venue, port: int, symbols: tuple[str, ...], server: Documented, *, questions: int, count: int
) -> list[MarketEvent]:
    """The history, then live records until there are `count` and every subscription has been asked for."""
    feed = connector(port, venue, symbols, stale_after_s=10.0, interval_ms=STEP_MS)
    events = [event async for batch in feed.backfill(nothing_known(feed)) for event in batch]
    assert feed.status.last_error == ""
    live: list[MarketEvent] = []
    generator = feed.events()
    async with asyncio.timeout(20):
        async for batch in generator:
            live += batch
            if len(live) >= count:
                break
        await eventually(lambda: len(server.subscribed) >= questions)
    await generator.aclose()
    assert feed.status.bad_messages == feed.status.unknown_messages == 0
    return [*events, *live]


def check_history(events: list[MarketEvent], symbol: str) -> None:
    """Every bar there was, once, in order, at its price."""
    bars = [e for e in events if isinstance(e, Candle) and e.closed and e.symbol == symbol]
    assert [bar.open_time_ms for bar in bars] == list(range(FIRST_MS, NOW_MS - STEP_MS + 1, STEP_MS))
    assert all(bar.close == float(price(bar.open_time_ms)) for bar in bars)
