"""A whole server over a market whose every figure is written down, and all it answers over HTTP."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.feeds.bar_replay import ReplayFeed
from liqstream.market import Candle, Liquidation, LiquidationTotal, MarketEvent, OpenInterest
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from tests.support.markets import MINUTE_MS, START_MS

BAR_MS = 15 * MINUTE_MS
BARS = 8 * 96
END_MS = START_MS + BARS * BAR_MS
SYMBOL = "BTCUSDT"

Client = TestClient[web.Request, web.Application]

_OF_THE_RUN = {hdrs.DATE, hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING}
"""Headers that depend on the moment or on the machine's zlib."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `headers` without what depends on the run."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def market() -> list[MarketEvent]:
    """Eight days of bars on whole dollars, in which every bar liquidates what its range deserves."""
    events: list[MarketEvent] = []
    close = _close_usd(-1)
    for row in range(BARS):
        open_ms, open_, close = START_MS + row * BAR_MS, close, _close_usd(row)
        high, low = max(open_, close) + 13.0 + row % 41, min(open_, close) - 11.0 - row % 37
        base = 80_000.0 + row
        events += [
            OpenInterest("binance", SYMBOL, open_ms + BAR_MS - 1, base, base),
            Candle("binance", SYMBOL, BAR_MS, open_ms, open_, high, low, close, volume_base=20.0 + row % 7),
            LiquidationTotal(
                "binance", SYMBOL, BAR_MS, open_ms, 1000.0 * (open_ - low), 1000.0 * (high - open_)
            ),
        ]
    return [*events, Liquidation("binance", SYMBOL, END_MS - MINUTE_MS, "long", 90_000.0, 0.5)]


def _close_usd(row: int) -> float:
    return float(round(90_000 + 900 * math.sin(row / 150) + 200 * math.sin(row / 9) + 40 * math.sin(row)))


@asynccontextmanager
async def running_server(folder: Path, **settings: Any) -> AsyncIterator[Client]:
    """A client of a server that has taken the market in as history; nothing more happens there.

    ETHUSDT is followed as well, and nothing is known of it.
    """
    chosen = {
        "db_path": folder / "market.duckdb",
        "symbols": f"{SYMBOL},ETHUSDT",
        "replay": "store",
        "interval": "15m",
        "stale_after_s": 86_400,
        "allowed_origins": "https://page.example",
    } | settings
    feed = ReplayFeed(market(), exchange="binance", symbol=SYMBOL, speed=1e-6, warmup_ms=BARS * BAR_MS)
    # What a feed says of itself, all of it.
    feed.status.last_message_s, feed.status.clock_skew_ms = 0.0, 5.0

    async def feeds(*_: object) -> list[ReplayFeed]:
        return [feed]

    app = make_app(await asyncio.to_thread(lambda: load_settings(**chosen)), feeds)
    async with TestClient(TestServer(app)) as client:
        yield client


async def ask(client: Client, path: str, method: str = "GET", **headers: str) -> Answer:
    """The answer to one request."""
    named = {"Accept-Encoding": "gzip"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, path, headers=named) as answer:
        told = {
            name: re.sub(r"127\.0\.0\.1:\d+", "HOST", value)
            for name, value in sorted(answer.headers.items())
            if name not in _OF_THE_RUN
        }
        if hdrs.ETAG in told:
            told[hdrs.ETAG] = re.sub("[0-9a-f]", "0", told[hdrs.ETAG])
        return Answer(answer.status, told, await answer.read())


def masked(value: Any, *names: str) -> Any:
    """`value` with the values of these keys, wherever they are, replaced by the names of their types."""
    if isinstance(value, dict):
        return {
            key: type(each).__name__ if key in names and each is not None else masked(each, *names)
            for key, each in value.items()
        }
    return [masked(each, *names) for each in value] if isinstance(value, list) else value
