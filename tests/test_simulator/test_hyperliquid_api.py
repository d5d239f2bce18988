"""The simulated Hyperliquid answers as its documentation says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from liqstream.market import HOUR_MS, MINUTE_MS
from liqstream.simulator.exchange_server import SimulatedExchange
from tests.support.exchange_rig import simulated_exchange
from tests.support.market_start import START_MS
from tests.support.position_rig import PositionRig, position_rig
from tests.support.virtual_clock import run_virtually

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
    times = [row["time"] for row in rows]
    hours = (START_MS - at.market.first_ms) // HOUR_MS
    assert len(times) - hours in (0, 1)  # one more when the market's clock passes the hour meanwhile
    assert times == list(range(times[0], times[-1] + 1, HOUR_MS))
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


async def _subscribe(ws: aiohttp.ClientWebSocketResponse, *users: int) -> None:
    for number in users:
        wanted = {"type": "userFills", "user": f"0x{number:040x}"}
        await ws.send_json({"method": "subscribe", "subscription": wanted})


async def _sockets(rig: PositionRig) -> None:
    async with (
        aiohttp.ClientSession(rig.url) as session,
        session.ws_connect("/ws") as quiet,
        session.ws_connect("/ws") as pinging,
    ):
        await _subscribe(quiet, *range(6))
        await _subscribe(pinging, *range(3, 11))
        await asyncio.sleep(50)
        await pinging.send_json({"method": "ping"})
        found = [await pinging.receive_json() for _ in range(16)]
        errors = [each["data"] for each in found if each["channel"] == "error"]
        assert errors == ["Cannot track more than 10 total users."]
        await asyncio.sleep(15)
        while not (message := await quiet.receive()).type.name.startswith("CLOS"):
            assert message.type is aiohttp.WSMsgType.TEXT
        assert not pinging.closed


async def _faults(rig: PositionRig) -> None:
    faults, board = rig.exchange.faults, "/Mainnet/leaderboard"
    async with aiohttp.ClientSession(rig.url) as session:
        user = next(each.address for each in rig.exchange.market.accounts.holdings("XRPUSDT", rig.now_ms()))
        question = {"type": "clearinghouseState", "user": user}
        assert (await ask(session, question))["assetPositions"]
        faults.set({"null_states": True, "leaderboard_gone": True})
        assert await ask(session, question) is None
        assert (await session.get(board)).status == 404
        faults.set({"leaderboard_gone": False, "leaderboard_cut_off": True})
        with pytest.raises(aiohttp.ClientPayloadError):
            await (await session.get(board)).read()
        faults.set({"null_states": False, "leaderboard_cut_off": False, "hole_in_trades": True})
        assert (await (await session.get(board)).json())["leaderboardRows"]
        async with session.ws_connect("/ws") as ws:
            await ws.send_json({"method": "subscribe", "subscription": {"type": "trades", "coin": "XRP"}})
            assert (await ws.receive_json())["channel"] == "subscriptionResponse"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(55):
                    await ws.receive()


def test_what_the_exchange_does_to_a_client(tmp_path: Path) -> None:
    """Ten users to an address, over all its sockets; one that is sent nothing for a minute is closed.

    And its faults: null states, a leaderboard that is gone or cut off, a hole in the trades.
    """

    async def run() -> None:
        async with position_rig(tmp_path) as rig:
            await _sockets(rig)
            await _faults(rig)

    run_virtually(run())
