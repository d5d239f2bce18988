"""The simulated Bitget answers as its documentation says."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from liqstream.market import HOUR_MS
from tests.support.exchange_rig import simulated_exchange

pytestmark = pytest.mark.simulated


async def test_pages_and_refusals() -> None:
    """Bars newest first, past liquidations by a cursor; refusals in its own codes."""
    async with (
        simulated_exchange() as (at, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):

        async def ask(path: str, status: int = 200, **params: str | int) -> Any:
            asked = {"category": "USDT-FUTURES", "symbol": "BTCUSDT", **params}
            async with session.get(f"/api/v3/market/{path}", params=asked) as response:
                assert response.status == status
                return await response.json()

        end_ms = at.clock.start_ms // 60_000 * 60_000
        span = {"startTime": end_ms - 5 * 60_000, "endTime": end_ms - 1}
        rows = (await ask("candles", interval="1m", **span))["data"]
        assert [int(row[0]) for row in rows] == [end_ms - count * 60_000 for count in range(1, 6)]
        assert len((await ask("history-candles", interval="1m", limit=1000))["data"]) == 100
        now_ms = at.clock.now_ms()
        fills = at.publisher.fills("BTCUSDT", now_ms - 24 * HOUR_MS, now_ms)
        first = (await ask("liquidations", limit=1))["data"]
        second = (await ask("liquidations", limit=1, cursor=first["cursor"]))["data"]
        assert int(first["list"][0]["ts"]) >= int(second["list"][0]["ts"])
        assert {int(page["list"][0]["ts"]) for page in (first, second)} <= {fill.time_ms for fill in fills}
        assert (await ask("tickers", 400, symbol="XUSDT"))["code"] == "40102"
        assert (await ask("candles", 400, interval="1h"))["code"] == "40034"
