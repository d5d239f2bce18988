"""The simulated Gate answers as its documentation says, in each reading of what it leaves open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from liqstream.market import HOUR_MS, MINUTE_MS
from liqstream.simulator.exchange_server import SimulatedExchange
from liqstream.simulator.gate_wire import size_of
from tests.support.exchange_rig import simulated_exchange

pytestmark = pytest.mark.simulated
FUTURES = "/api/v4/futures/usdt"


@pytest.fixture(name="exchange")
async def _exchange() -> AsyncIterator[tuple[SimulatedExchange, aiohttp.ClientSession]]:
    async with (
        simulated_exchange() as (exchange, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as at,
    ):
        yield exchange, at


async def ask(session: aiohttp.ClientSession, path: str, status: int = 200, **params: str | int) -> Any:
    async with session.get(f"{FUTURES}/{path}", params=params) as response:
        assert response.status == status
        return await response.json()


async def test_sums_are_those_of_the_liquidations(
    exchange: tuple[SimulatedExchange, aiohttp.ClientSession],
) -> None:
    """contract_stats tells longs and shorts as they were, whatever sign liq_orders gives them."""
    at, session = exchange
    now_ms = at.clock.now_ms()
    fills = at.publisher.fills("BTCUSDT", now_ms - 3 * HOUR_MS, now_ms)
    fill = fills[-1]
    start_ms = fill.time_ms // (5 * MINUTE_MS) * 5 * MINUTE_MS
    (row, *_) = await ask(
        session, "contract_stats", contract="BTC_USDT", interval="5m", **{"from": start_ms // 1000}
    )
    inside = [each for each in fills if start_ms <= each.time_ms < start_ms + 5 * MINUTE_MS]
    for side in ("long", "short"):
        amount = sum(each.quantity for each in inside if each.side == side)
        assert row[f"{side}_liq_size"] * size_of("BTCUSDT") == pytest.approx(amount)
    span = {"from": start_ms // 1000, "to": start_ms // 1000 + 299}
    orders = await ask(session, "liq_orders", contract="BTC_USDT", **span)
    assert [each["time"] for each in orders] == [each.time_ms // 1000 for each in reversed(inside)]
    assert all(each["size"] == -each["order_size"] for each in orders)
    at.publisher.readings["gate past"] = "order"
    turned = await ask(session, "liq_orders", contract="BTC_USDT", **span)
    assert [each["size"] for each in turned] == [-each["size"] for each in orders]


async def test_bars_and_refusals(exchange: tuple[SimulatedExchange, aiohttp.ClientSession]) -> None:
    """Both ends belong to a span; one of more than 2000 bars, or of an unknown contract, is refused."""
    at, session = exchange
    end_s = at.clock.start_ms // 60_000 * 60
    span = {"from": end_s - 180, "to": end_s - 60}
    rows = await ask(session, "candlesticks", contract="BTC_USDT", interval="1m", **span)
    assert [row["t"] for row in rows] == [end_s - 180, end_s - 120, end_s - 60]
    wide = {"from": end_s - 200_000, "to": end_s}
    refused = await ask(session, "candlesticks", 400, contract="BTC_USDT", interval="1m", **wide)
    assert refused["label"] == "INVALID_PARAM_VALUE"
    assert (await ask(session, "tickers", 400, contract="X_USDT"))["label"] == "CONTRACT_NOT_FOUND"
    assert (await ask(session, "contracts"))[0]["name"] == "BTC_USDT"
