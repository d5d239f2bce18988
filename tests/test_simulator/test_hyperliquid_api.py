"""The simulated Hyperliquid answers as its documentation says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from liqstream.market import HOUR_MS, MINUTE_MS
from liqstream.simulator.exchange_server import SimulatedExchange
from tests.support.exchange_rig import simulated_exchange

pytestmark = pytest.mark.simulated


@pytest.fixture(name="exchange")
async def _exchange() -> AsyncIterator[tuple[SimulatedExchange, aiohttp.ClientSession]]:
    async with (
        simulated_exchange() as (exchange, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as at,
    ):
        yield exchange, at


async def ask(session: aiohttp.ClientSession, question: object, status: int = 200) -> Any:
    async with session.post("/info", json=question) as response:
        assert response.status == status
        return await response.json() if status == 200 else await response.text()


async def test_bars(exchange: tuple[SimulatedExchange, aiohttp.ClientSession]) -> None:
    """Oldest first, both ends included, by the coin's name."""
    at, session = exchange
    first_ms = at.market.first_ms
    wanted = {"coin": "BTC", "interval": "1m", "startTime": first_ms, "endTime": first_ms + 2 * MINUTE_MS}
    rows = await ask(session, {"type": "candleSnapshot", "req": wanted})
    assert [row["t"] - first_ms for row in rows] == [0, MINUTE_MS, 2 * MINUTE_MS]
    assert {row["s"] for row in rows} == {"BTC"}


async def test_funding_is_hourly(exchange: tuple[SimulatedExchange, aiohttp.ClientSession]) -> None:
    """An eighth of the rate for eight hours."""
    at, session = exchange
    question = {"type": "fundingHistory", "coin": "ETH", "startTime": at.market.first_ms}
    rows = await ask(session, question)
    assert {row["time"] % HOUR_MS for row in rows} == {0}
    assert len(rows) == 2
    rate = at.market.funding_rate("ETHUSDT", rows[0]["time"])
    assert float(rows[0]["fundingRate"]) == pytest.approx(rate / 8, abs=1e-9)


@pytest.mark.parametrize(
    "question",
    [
        {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "6h", "startTime": 0}},
        {"type": "candleSnapshot", "req": {"coin": "btc", "interval": "1m", "startTime": 0}},
        {"type": "l2Book", "coin": "NONE"},
        {"type": "somethingNew"},
        [],
    ],
)
async def test_refusals(exchange: tuple[SimulatedExchange, aiohttp.ClientSession], question: object) -> None:
    """Six-hour bars, a name in other letters, what there is not."""
    assert "Failed to deserialize" in await ask(exchange[1], question, status=422)


async def test_the_socket(exchange: tuple[SimulatedExchange, aiohttp.ClientSession]) -> None:
    """One subscription a message, acknowledged with what was asked; a ping is answered."""
    async with exchange[1].ws_connect("/ws") as ws:
        for coin in ("NONE", "BTC"):
            await ws.send_json(
                {"method": "subscribe", "subscription": {"type": "activeAssetCtx", "coin": coin}}
            )
        refused, taken, pushed = [await ws.receive_json() for _ in range(3)]
        assert refused["channel"] == "error"
        assert taken["channel"] == "subscriptionResponse"
        assert taken["data"]["subscription"] == {"type": "activeAssetCtx", "coin": "BTC"}
        assert (pushed["channel"], pushed["data"]["coin"]) == ("activeAssetCtx", "BTC")
        await ws.send_json({"method": "ping"})
        assert "pong" in [(await ws.receive_json())["channel"] for _ in range(3)]
