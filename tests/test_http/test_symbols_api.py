"""liqstream/http/symbols_api.py: the markets a server follows, and every name they go by."""

from __future__ import annotations

from itertools import product
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

NAMES = ("BTCUSDT", "btcusdt", "BTC/USDT:USDT", "BTC-USDT-SWAP", "BTC_USDT", "BTC/USDT")
PATHS = (
    "/api/heatmap/{}",
    "/api/heatmap/{}/history",
    "/api/liquidations/{}",
    "/api/context/{}",
    "/api/score/{}",
    "/api/forecast/{}",
    "/prices/klines?symbol={}",
    "/liquidations/heatmap-timeseries?symbol={}",
)


async def get(url: str) -> tuple[int, Any]:
    """Status and body, which is JSON."""
    headers = {"Accept": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(url, encoded=True), headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def test_each_market_is_described(demo_url: str) -> None:
    """In the server's order, with all that a program needs to ask for its data."""
    status, body = await get(f"{demo_url}/api/symbols")
    assert status == 200
    first, second = body["symbols"]
    assert (first["symbol"], first["ccxt"]) == ("BTCUSDT", "BTC/USDT:USDT")
    assert (second["symbol"], second["ccxt"]) == ("ETHUSDT", "ETH/USDT:USDT")
    assert first["exchanges"] == ["simulated"]
    assert (first["interval"], first["source"], first["stale"]) == ("5m", "simulated", False)
    assert {"24h", "1y"} <= set(first["windows"])


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_takes_every_usual_name(demo_url: str, path: str) -> None:
    """The answers are of the market, under its own name; what means no market lists those there are."""
    # Encoded, and as a person types it and a proxy that strips a path of its own passes it on.
    for name, safe in product(NAMES, ("", "/:")):
        status, body = await get(demo_url + path.format(quote(name, safe=safe)))
        # There may be no answer yet (a score, a forecast, a map): what says so has understood the name.
        assert status in (200, 404, 503), name
        assert body.get("symbol", "BTCUSDT") == "BTCUSDT", name
        error = body.get("error", "")
        assert "unknown symbol" not in error, name
        assert "at this path" not in error, name
    status, body = await get(demo_url + path.format("BTC-USDT-261225"))
    assert (status, body["error"]) == (400, "unknown symbol; one of BTCUSDT, ETHUSDT")
