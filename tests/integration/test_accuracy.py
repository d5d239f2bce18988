"""The running map's own score, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from liqstream.app import make_app
from liqstream.feeds.replay import ReplayFeed
from liqstream.market import Candle, LiquidationTotal, MarketEvent
from liqstream.settings import Settings, load_settings
from tests.markets import MINUTE_MS, walk

BARS = 8 * 288


def liquidated_market() -> list[MarketEvent]:
    """Eight days of bars, in which every bar liquidates what its range deserves."""
    events = walk(BARS)
    bars = [event for event in events if isinstance(event, Candle)]
    totals = [
        LiquidationTotal(
            bar.exchange,
            bar.symbol,
            bar.interval_ms,
            bar.open_time_ms,
            long_usd=1e8 * (bar.open - bar.low) / bar.open,
            short_usd=1e8 * (bar.high - bar.open) / bar.open,
        )
        for bar in bars
    ]
    return [*events, *totals]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One symbol, a store of its own."""
    return load_settings(db_path=tmp_path / "market.duckdb", symbols="BTCUSDT", replay="store")


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, settings: Settings) -> TestClient[Any, Any]:
    """A server over that market."""

    async def feeds(*_: object) -> list[ReplayFeed]:
        warmup_ms = BARS * 5 * MINUTE_MS
        events = liquidated_market()
        return [ReplayFeed(events, exchange="binance", symbol="BTCUSDT", speed=1e-6, warmup_ms=warmup_ms)]

    return await aiohttp_client(make_app(settings, feeds))


async def test_the_score_stands_beside_its_baselines(client: TestClient[Any, Any]) -> None:
    """Two who ask at once wait for one score; both sides, with intervals and baselines."""

    async def ask() -> Any:
        async with client.get("/api/score/BTCUSDT") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    first, second = await asyncio.gather(ask(), ask())
    assert first == second
    assert (first["symbol"], first["exchange"], first["kernel"]) == ("BTCUSDT", "binance", "tiered")
    for side in ("long", "short"):
        assert {"uniform", "uniform_range", "excursion", "extreme", "one_sided"} == set(
            first["sides"][side]["baselines"]
        )
        low, high = first["sides"][side]["model"]["spearman_ci"]
        assert low <= first["sides"][side]["model"]["spearman"] <= high
