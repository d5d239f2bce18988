"""The simulated OKX answers as its documentation says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from liqstream.market import MINUTE_MS
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


async def ask(session: aiohttp.ClientSession, path: str, **params: str | int) -> Any:
    async with session.get(f"/api/v5/{path}", params=params) as response:
        assert response.status == 200
        return await response.json()


async def test_bars_page_backwards(exchange: tuple[SimulatedExchange, aiohttp.ClientSession]) -> None:
    """Newest first, between two times that are both left out; at most a hundred of the history."""
    at, session = exchange
    now_ms = at.clock.start_ms // MINUTE_MS * MINUTE_MS
    for path in ("market/candles", "market/history-candles"):
        span = {"after": now_ms, "before": now_ms - 4 * MINUTE_MS}
        rows = (await ask(session, path, instId="BTC-USDT-SWAP", bar="1m", **span))["data"]
        assert [int(row[0]) for row in rows] == [now_ms - count * MINUTE_MS for count in (1, 2, 3)]
        assert {row[8] for row in rows} == {"1"}
        assert float(rows[0][5]) * 0.01 == pytest.approx(float(rows[0][6]))
    whole = await ask(session, "market/history-candles", instId="BTC-USDT-SWAP", bar="1m", limit=300)
    assert len(whole["data"]) == 100
    assert len((await ask(session, "market/candles", instId="BTC-USDT-SWAP", limit=900))["data"]) <= 300


async def test_amounts_are_in_contracts(exchange: tuple[SimulatedExchange, aiohttp.ClientSession]) -> None:
    """Open interest beside it in base coin; past liquidations on the bankruptcy price."""
    at, session = exchange
    sizes = {
        row["instId"]: float(row["ctVal"])
        for row in (await ask(session, "public/instruments", instType="SWAP"))["data"]
    }
    assert sizes == {"BTC-USDT-SWAP": 0.01, "ETH-USDT-SWAP": 0.1}
    rows = (
        await ask(
            session,
            "rubik/stat/contracts/open-interest-history",
            instId="ETH-USDT-SWAP",
            period="5m",
            begin=at.market.first_ms,
        )
    )["data"]
    times = [int(row[0]) for row in rows]
    assert times == sorted(times, reverse=True)
    for row in rows[:3]:
        held = at.market.open_interest("ETHUSDT", int(row[0]))
        assert float(row[1]) * 0.1 == pytest.approx(held)
        assert float(row[2]) == pytest.approx(held)
    (told,) = (
        await ask(session, "public/liquidation-orders", instType="SWAP", state="filled", uly="ETH-USDT")
    )["data"]
    truth = at.market.liquidations("ETHUSDT", start_ms=0, end_ms=at.clock.now_ms())
    bankrupt = {(fill.time_ms, fill.side): fill for fill in truth}
    assert told["details"]
    for row in told["details"]:
        fill = bankrupt[int(row["ts"]), row["posSide"]]
        assert float(row["bkPx"]) == pytest.approx(fill.bankruptcy)
        assert float(row["sz"]) * 0.1 == pytest.approx(fill.quantity)
        assert row["side"] == {"long": "sell", "short": "buy"}[fill.side]


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("market/candles", {"instId": "PEPE-USDT-SWAP"}, "51001"),
        ("market/candles", {"instId": "BTC-USDT-SWAP", "bar": "7m"}, "51000"),
        ("market/candles", {"instId": "BTC-USDT-SWAP", "after": "soon"}, "51000"),
        ("public/instruments", {"instType": "FUTURES"}, "51000"),
    ],
)
async def test_refusals(
    exchange: tuple[SimulatedExchange, aiohttp.ClientSession], path: str, params: dict[str, str], code: str
) -> None:
    """Come with HTTP 200 and a code."""
    assert (await ask(exchange[1], path, **params))["code"] == code


async def test_a_channel_on_the_wrong_socket(
    exchange: tuple[SimulatedExchange, aiohttp.ClientSession],
) -> None:
    """Is refused by itself; the others of the message are taken, and a ping is answered."""
    async with exchange[1].ws_connect("/ws/v5/public") as ws:
        await ws.send_str(
            '{"op":"subscribe","args":[{"channel":"candle1m","instId":"BTC-USDT-SWAP"},'
            '{"channel":"mark-price","instId":"BTC-USDT-SWAP"}]}'
        )
        refused, taken = await ws.receive_json(), await ws.receive_json()
        assert (refused["event"], refused["code"]) == ("error", "60018")
        assert taken["event"] == "subscribe"
        assert (await ws.receive_json())["data"][0]["markPx"]
        await ws.send_str("ping")
        texts = [await ws.receive_str() for _ in range(3)]
        assert "pong" in texts
