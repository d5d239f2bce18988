"""liqstream/http/markets_api.py: the table the stream sends, as objects."""

from __future__ import annotations

from aiohttp import web
from pytest_aiohttp import AiohttpClient

from liqstream.fanout.market_stream import MarketStream
from liqstream.http.app_keys import MARKETS
from liqstream.http.markets_api import add_markets_route
from liqstream.metrics import Metrics
from tests.support.hand_clock import HandClock
from tests.support.market_tables import EPOCH, table


async def test_the_newest_table_is_given_by_market(aiohttp_client: AiohttpClient) -> None:
    """503 with a sentence before the first; a 304 to who has it."""
    app = web.Application()
    add_markets_route(app, MarketStream(HandClock(), Metrics()))
    client = await aiohttp_client(app)
    async with client.get("/api/markets") as none_yet:
        assert (none_yet.status, none_yet.headers["Retry-After"]) == (503, "2")
    app[MARKETS].offer(table(1))
    app[MARKETS].offer(table(2, price=[98_000, 3000.5]))
    async with client.get("/api/markets") as answer:
        body = await answer.json()
        assert (body["epoch"], body["seq"], body["timestamp"]) == (EPOCH, 2, "2025-12-28T14:30:02Z")
        assert [(row["symbol"], row["price"]) for row in body["markets"]] == [
            ("BTCUSDT", 98_000),
            ("ETHUSDT", 3000.5),
        ]
    async with client.get("/api/markets", headers={"If-None-Match": answer.headers["ETag"]}) as again:
        assert again.status == 304
