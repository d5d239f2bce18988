"""liqstream/client/forecast.py: the client reads what a running server serves, and refuses what is none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from liqstream.client import ClientError, Forecast, HeatmapClient
from liqstream.client.forecast import decode_forecast
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from tests.integration.test_api import paused_replay


async def first_forecast(client: HeatmapClient) -> Forecast:
    """The forecast, once the server has issued one; before that it says so."""
    while True:
        try:
            return await client.forecast("BTCUSDT")
        except ClientError as error:
            if "has been issued yet" not in str(error):
                raise
            await asyncio.sleep(0.05)


async def test_the_client_reads_a_servers_forecast(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """Per horizon both sides, quantiles, chances and a verdict, once the first was issued."""
    chosen = {"db_path": tmp_path / "market.duckdb", "symbols": "BTCUSDT", "replay": "store"}
    settings = await asyncio.to_thread(lambda: load_settings(**chosen))
    server = await aiohttp_client(make_app(settings, paused_replay))
    async with HeatmapClient(str(server.make_url("/")), patient=True) as client, asyncio.timeout(40):
        forecast = await first_forecast(client)
    hour = forecast.horizons["1h"]
    assert forecast.symbol == "BTCUSDT"
    assert hour.until_ms - hour.time_ms == 3_600_000
    assert hour.long.expected_usd >= 0
    assert hour.long.quantiles_usd is not None
    assert {chance.side for chance in hour.chances} == {"long", "short"}
    assert "of 14 days" in hour.skill.verdict


def test_what_is_no_forecast_is_refused_with_the_reason() -> None:
    """A body of another form is a ClientError, not a guess."""
    with pytest.raises(ClientError, match="cannot be read"):
        decode_forecast(b'{"symbol": 1}')
