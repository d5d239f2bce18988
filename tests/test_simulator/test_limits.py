"""What an address has used of an exchange's limits, and how each exchange counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from liqstream.simulator.clock import MarketClock
from liqstream.simulator.exchange_server import SIMULATED_HEADER, SimulatedExchange
from liqstream.simulator.limits import Limit, Usage
from tests.support.exchange_rig import serving
from tests.support.market_start import START_MS


def test_windows() -> None:
    """What is too much is refused until the window ends, and counted."""
    now = [59.0]
    usage = Usage({"weight": Limit(10, 60.0)}, lambda: now[0])
    assert usage.charge({"weight": 10}) is None
    assert usage.charge({"weight": 1}) == pytest.approx(1.0)
    now[0] = 60.0
    assert usage.charge({"weight": 4}) is None
    assert (usage.used("weight"), usage.peaks["weight"], usage.refusals) == (4, 11, 1)


HYPERLIQUID = {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1m", "startTime": 0}}
OKX = {"instId": "BTC-USDT-SWAP", "period": "5m"}


async def test_as_a_real_exchange_counts() -> None:
    """Without the header of a simulated one: weights, statuses, pauses and headers of the exchange."""
    now = [1000.0]
    clock = MarketClock(1.0, START_MS, lambda: now[0])
    exchange = await SimulatedExchange.open(("BTCUSDT",), clock=clock, history_days=0)
    exchange.marked = False
    async with serving(exchange.app) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def ask(path: str, params: Mapping[str, str | int]) -> aiohttp.ClientResponse:
            async with session.get(path, params=params) as response:
                await response.read()
                return response

        async def until_refused(
            path: str, params: Mapping[str, str | int]
        ) -> tuple[int, aiohttp.ClientResponse]:
            for count in range(1000):
                response = await ask(path, params)
                if response.status != 200:
                    return count, response
            raise AssertionError("never refused")

        first = await ask("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 1500})
        assert SIMULATED_HEADER not in first.headers
        assert first.headers["X-MBX-USED-WEIGHT-1M"] == "10"
        count, response = await until_refused(
            "/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 1000}
        )
        assert (count, response.status, response.headers["Retry-After"]) == ((2400 - 10) // 5, 429, "20")
        count, response = await until_refused("/v5/market/time", {})
        assert (count, response.status) == (600, 403)
        count, response = await until_refused("/api/v5/rubik/stat/contracts/open-interest-history", OKX)
        assert (count, response.status) == (10, 429)
        assert await hyperliquid_until_refused(session) == 1200 // (20 + 180 // 60)
    assert exchange.usage["binance"].refusals == 1


async def hyperliquid_until_refused(session: aiohttp.ClientSession) -> int:
    """Three hours of bars a question: a weight of 23."""
    question: Any = HYPERLIQUID
    for count in range(200):
        async with session.post("/info", json=question) as response:
            if response.status == 429:
                return count
    raise AssertionError("never refused")
