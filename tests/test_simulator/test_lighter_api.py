"""The simulated Lighter answers as its documentation says, below a path of its own."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson
import pytest

from tests.support.exchange_rig import simulated_exchange

pytestmark = pytest.mark.simulated


async def test_rest_and_socket() -> None:
    """Bars by the number of a market; errors of the socket in its own codes."""
    async with (
        simulated_exchange() as (at, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):

        async def ask(path: str, status: int = 200, **params: str | int) -> Any:
            async with session.get(f"/lighter{path}", params=params) as response:
                assert response.status == status
                return await response.json()

        assert abs(int((await ask("/"))["timestamp"]) - at.clock.now_ms() // 1000) < 60
        rows = (await ask("/api/v1/orderBookDetails"))["order_book_details"]
        assert {row["symbol"]: row["market_id"] for row in rows} == {"BTC": 1, "ETH": 0}
        end_ms = at.clock.start_ms // 60_000 * 60_000
        span = {"start_timestamp": end_ms - 180_000, "end_timestamp": end_ms - 1, "count_back": 2}
        bars = (await ask("/api/v1/candles", market_id=1, resolution="1m", **span))["c"]
        assert [bar["t"] for bar in bars] == [end_ms - 120_000, end_ms - 60_000]
        assert (await ask("/api/v1/candles", 400, market_id=9, resolution="1m", **span))["code"] == 20001
        async with session.ws_connect("/lighter/stream") as ws:
            assert [orjson.loads(await ws.receive_str())["type"] for _ in range(2)] == ["connected", "ping"]
            codes = []
            for channel in ("trade/9", "trade/0", "trade/0"):
                await ws.send_str(f'{{"type":"subscribe","channel":"{channel}"}}')
                while (answer := orjson.loads(await ws.receive_str())).get("type") == "update/trade":
                    pass
                codes.append(answer.get("error", {}).get("code", answer.get("type")))
            assert codes == [30005, "subscribed/trade", 30003]
