"""liqstream/client/forecast.py: the client reads what a running server serves, and refuses what is none."""

from __future__ import annotations

import asyncio
import json
import math
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
    for chance in hour.chances:
        told = hour.chance_to_reach(chance.price_usd)
        assert told is not None
        assert abs(told - chance.chance) < 0.01


def with_reach(distances: list[float], chances: list[float]) -> bytes:
    """A forecast of an hour from 100 USD with this table."""
    side = {"expected_usd": 1}
    hour = {
        "time_ms": 0,
        "until_ms": 1,
        "method": "cF",
        "price_usd": 100,
        "long": side,
        "short": side,
        "chances": [],
        "skill": {"windows": 0, "days": 0, "verdict": ""},
        "reach": {"log_distance": distances, "chance": chances},
    }
    body = {"symbol": "BTCUSDT", "time_ms": 0, "exchanges": [], "horizons": {"1h": hour}}
    return json.dumps(body).encode()


def test_the_chance_of_a_price_is_the_same_to_either_side() -> None:
    """Straight between what is listed, nothing beyond; what is no price is refused."""
    hour = decode_forecast(with_reach([0.0, 0.01, 0.02], [0.9, 0.3, 0.1])).horizons["1h"]
    for sign in (-1, 1):
        told = [hour.chance_to_reach(100 * math.exp(sign * x)) for x in (0.0, 0.005, 0.015, 0.021)]
        assert told == pytest.approx([0.9, 0.6, 0.2, 0.0])
    assert hour.chance_to_reach(100, from_price_usd=100 * math.exp(0.005)) == pytest.approx(0.6)
    for price in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="no price"):
            hour.chance_to_reach(price)
        with pytest.raises(ValueError, match="no price"):
            hour.chance_to_reach(100, from_price_usd=price)


@pytest.mark.parametrize(
    ("distances", "chances"), [([], []), ([0.0], []), ([0.0, 0.1], [0.9]), ([0.1, 0.0], [0.9, 0.1])]
)
def test_a_table_that_cannot_be_read_is_refused(distances: list[float], chances: list[float]) -> None:
    """A server that tells nonsense is named at once, not at the first use."""
    with pytest.raises(ClientError, match="a chance for each of its ascending distances"):
        decode_forecast(with_reach(distances, chances))


def test_what_is_no_forecast_is_refused_with_the_reason() -> None:
    """A body of another form is a ClientError, not a guess."""
    with pytest.raises(ClientError, match="cannot be read"):
        decode_forecast(b'{"symbol": 1}')
