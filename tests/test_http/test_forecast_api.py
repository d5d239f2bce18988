"""liqstream/http/forecast_api.py: the newest forecast of a running server, as it was stored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from liqstream.feeds.bar_replay import ReplayFeed
from liqstream.http.app_keys import STORE
from liqstream.market import Candle, LiquidationTotal, MarketEvent
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from tests.support.markets import MINUTE_MS, walk

BARS = 3 * 288
INTERVAL_MS = 5 * MINUTE_MS


def market() -> list[MarketEvent]:
    """Three days of bars, in each of which something is liquidated."""
    events = walk(BARS)
    bars = [event for event in events if isinstance(event, Candle)]
    totals = [
        LiquidationTotal(bar.exchange, bar.symbol, INTERVAL_MS, bar.open_time_ms, 1e5, 2e5) for bar in bars
    ]
    return [*events, *totals]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One symbol, a store of its own."""
    return load_settings(db_path=tmp_path / "market.duckdb", symbols="BTCUSDT", replay="store")


async def client_of(
    aiohttp_client: AiohttpClient, settings: Settings, *, speed: float
) -> TestClient[Any, Any]:
    """A server whose last five bars are played, so many times faster than they came."""

    async def feeds(*_: object) -> list[ReplayFeed]:
        warmup_ms = (BARS - 5) * INTERVAL_MS
        return [ReplayFeed(market(), exchange="binance", symbol="BTCUSDT", speed=speed, warmup_ms=warmup_ms)]

    return await aiohttp_client(make_app(settings, feeds))


async def test_what_is_served_is_what_was_stored(aiohttp_client: AiohttpClient, settings: Settings) -> None:
    """Expected USD, quantiles, chances and grades per horizon; labelled as not checked yet."""
    client = await client_of(aiohttp_client, settings, speed=3000.0)
    async with asyncio.timeout(40):
        while (answer := await client.get("/api/forecast/BTCUSDT")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    body = await answer.json()
    assert body["symbol"] == "BTCUSDT"
    assert body["exchanges"] == ["binance"]
    assert {"30m", "1h"} <= set(body["horizons"])
    for horizon in body["horizons"].values():
        assert horizon["long"]["expected_usd"] > 0
        assert set(horizon["short"]["quantiles_usd"]) == {"0.1", "0.5", "0.9"}
        assert all(0 <= chance["chance"] <= 1 for chance in horizon["chances"])
        assert horizon["skill"]["verdict"] in {
            "not checked on this market yet (0 of 14 days)",
            "not checked on this market yet (1 of 14 days)",
            "no skill shown",
        }
    store = client.app[STORE]
    stored = await store.forecasts("BTCUSDT", start_ms=0, end_ms=2**60)
    hour = body["horizons"]["1h"]
    same = [each for each in stored if (each.horizon, each.time_ms) == ("1h", hour["time_ms"])]
    assert len(same) == 1
    assert json.loads(same[0].content)["long"] == hour["long"]


async def test_nothing_beyond_what_was_played_is_known(
    aiohttp_client: AiohttpClient, settings: Settings
) -> None:
    """The store of a replay holds its future; no forecast is issued there."""
    client = await client_of(aiohttp_client, settings, speed=3000.0)
    store = client.app[STORE]
    async with asyncio.timeout(40):
        while not (stored := await store.forecasts("BTCUSDT", start_ms=0, end_ms=2**60)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    bars = [event for event in market() if isinstance(event, Candle)]
    first_played_ms = bars[-5].open_time_ms
    assert first_played_ms <= stored[0].time_ms <= bars[-1].open_time_ms + INTERVAL_MS


async def test_a_symbol_that_is_not_followed_is_refused(
    aiohttp_client: AiohttpClient, settings: Settings
) -> None:
    """As everywhere, and before its first forecast a followed one says when that comes."""
    client = await client_of(aiohttp_client, settings, speed=1e-6)
    async with client.get("/api/forecast/DOGEUSDT") as answer:
        assert answer.status == 400
    async with client.get("/api/forecast/BTCUSDT") as answer:
        assert answer.status == 200 or "has been issued yet" in await answer.text()
