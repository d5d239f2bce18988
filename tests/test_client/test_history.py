"""The compact history says what the server's JSON says, cell by cell and bar by bar."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import numpy as np
from pytest_aiohttp import AiohttpClient

from liqstream.client import HeatmapClient, History
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from tests.integration.test_api import paused_replay


async def test_compact_and_json_agree(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """Same columns, levels, USD and closes; the decoded prices are those of the grid."""
    chosen = {"db_path": tmp_path / "market.duckdb", "symbols": "BTCUSDT", "replay": "store"}
    settings = await asyncio.to_thread(lambda: load_settings(**chosen))
    server = await aiohttp_client(make_app(settings, paused_replay))
    url = str(server.make_url("/"))
    async with HeatmapClient(url, patient=True) as client:
        history = await client.history("BTCUSDT", "24h", interval="15m")
        part = await client.history(
            "BTCUSDT", "4h", interval="5m", prices=(99_000.0, 101_000.0), price_step=50.0
        )
    assert (part.prices[0], part.prices[1]) == (99_000.0, 99_050.0)
    async with aiohttp.ClientSession(url) as session:
        query = {"window": "24h", "interval": "15m"}
        headers = {"Accept": "application/json"}
        async with session.get("/api/heatmap/BTCUSDT/history", params=query, headers=headers) as answer:
            columns = (await answer.json())["data"]
        bars = {"symbol": "BTCUSDT", "interval": "15m", "limit": "90"}
        async with session.get("/prices/klines", params=bars) as answer:
            closes = [row["close"] for row in (await answer.json())["data"]]
    assert len(columns) == len(history.open_time_ms) == 96
    for column, told in enumerate(columns):
        assert _levels(history, column) == {
            level["price"]: (level["long_density"], level["short_density"]) for level in told["levels"]
        }
    np.testing.assert_allclose(history.close[-len(closes) + 1 : -1], closes[1:-1], rtol=1e-6)
    assert not history.gap.any()
    assert np.all(history.high >= np.maximum(history.open, history.close))
    assert (history.symbol, history.interval_ms, history.source) == ("BTCUSDT", 900_000, "replay")


def _levels(history: History, column: int) -> dict[float, tuple[float, float]]:
    long, short = history.long_usd[column], history.short_usd[column]
    rows = np.flatnonzero((long > 0) | (short > 0))
    return {float(history.prices[row]): (float(long[row]), float(short[row])) for row in rows}
