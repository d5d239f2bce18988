"""liqstream/http/forecast_api.py: the newest forecast of a running server, as it was stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from liqstream.feeds.bar_replay import ReplayFeed
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.http.app_keys import STORE
from liqstream.http.forecast_api import IssuedGrades
from liqstream.ingest.forecast_loop import ForecastLoop
from liqstream.market import (
    HOUR_MS,
    Candle,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
    Side,
)
from liqstream.model.kernel import tiered
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from liqstream.store.forecasts import StoredForecast
from liqstream.store.market_store import MarketStore
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


T0 = 1_779_724_800_000
HOURS = 60


def issued(hour: int, exchanges: str, source: str = "live") -> StoredForecast:
    """An hour's forecast that was served from levels alone."""
    side = {"expected_usd": 1, "quantiles_usd": {"0.1": 1, "0.5": 2, "0.9": 3}}
    content = {"method": "cF", "y_hat": {"cF": [12.0, 13.0]}, "long": side, "short": side}
    content["source"] = source
    return StoredForecast("BTCUSDT", "1h", T0 + hour * HOUR_MS, exchanges, "cF", json.dumps(content))


def liquidated(exchange: str, hour: int) -> Liquidation:
    """100,000 USD of a long, in the middle of an hour."""
    side: Side = "long"
    return Liquidation(exchange, "BTCUSDT", T0 + hour * HOUR_MS + HOUR_MS // 2, side, 1e5, 1.0)


def listened(exchange: str, first: int, end: int) -> LiquidationSpan:
    return LiquidationSpan(exchange, "BTCUSDT", T0 + first * HOUR_MS, T0 + end * HOUR_MS)


async def grades_of(
    tmp_path: Path, records: Sequence[MarketEvent], forecasts: Sequence[StoredForecast]
) -> dict[str, Any]:
    """The hour's grades of forecasts, over a store with some records."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    await store.append(records)
    await store.append_forecasts(forecasts)
    model = MapModel(tiered(), interval_ms=INTERVAL_MS, history_days=14)
    maps = LiveMaps(store, model, stale_after_s=60, epoch=1, clock_s=lambda: 0.0)
    for name in ("binance", "okx", "gate"):
        maps.market(MarketKey(name, "BTCUSDT"))
    loop = ForecastLoop(store, maps, ["BTCUSDT"], priors={}, clock_s=lambda: 0.0)
    graded = IssuedGrades(store, loop)
    found = await graded.of("BTCUSDT", T0 + HOURS * HOUR_MS)
    await graded.close()
    maps.close()
    await store.close()
    hour: dict[str, Any] = found["1h"]
    return hour


async def test_an_hour_that_was_not_listened_to_is_not_graded(tmp_path: Path) -> None:
    """Nothing liquidated there says nothing; a quiet hour that was listened to is a true zero."""
    # Two events, 48 hours apart: all between them but an outage of ten hours is known to be calm.
    records: list[MarketEvent] = [liquidated("binance", 2), liquidated("binance", 50)]
    records += [listened("binance", 0, 20), listened("binance", 30, 57)]
    grades = await grades_of(tmp_path, records, [issued(hour, "binance") for hour in range(HOURS)])
    assert grades["windows"] == 20 + 27


async def test_an_exchange_that_broke_off_leaves_its_hours_ungraded_for_a_day(tmp_path: Path) -> None:
    """The rest of a sum is no sum; one that is gone for longer, or never was there, is not waited for."""
    records: list[MarketEvent] = [
        liquidated(name, hour) for name in ("binance", "okx") for hour in range(HOURS)
    ]
    records += [listened("binance", 0, HOURS), listened("okx", 0, 10), listened("okx", 12, 30)]
    # Six were issued without it: they are of the others alone.
    every, some = "binance,gate,hyperliquid,okx", "binance,gate"
    forecasts = [issued(hour, some if 40 <= hour < 46 else every) for hour in range(HOURS)]
    assert (await grades_of(tmp_path, records, forecasts))["windows"] == HOURS - 2 - 24 + 6


async def test_what_a_demo_or_a_replay_issued_into_the_same_store_is_not_graded(tmp_path: Path) -> None:
    """Of the same symbol, but of another market, or of one that was over when it was issued."""
    records: list[MarketEvent] = [liquidated(name, 5) for name in ("binance", "simulated")]
    records += [listened(name, 0, HOURS) for name in ("binance", "simulated")]
    forecasts = [issued(hour, "simulated", "simulated") for hour in range(10)]
    forecasts += [issued(hour, "binance", "replay") for hour in range(10, 20)]
    forecasts += [issued(hour, "binance") for hour in range(20, 25)]
    assert (await grades_of(tmp_path, records, forecasts))["windows"] == 5
