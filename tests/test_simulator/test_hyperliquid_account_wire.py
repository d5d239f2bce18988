"""States, trades and fills in Hyperliquid's format, read by who must understand the real ones."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from liqstream.market import MINUTE_MS
from liqstream.positions.account_state import is_opaque, read_account_state
from liqstream.positions.margin_tables import read_margin_tables
from liqstream.simulator import hyperliquid_account_wire as wire
from liqstream.simulator.accounts import AccountTruth
from liqstream.simulator.market import SimulatedMarket
from tests.support.exchange_rig import simulated_exchange
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated
SYMBOLS = ("SOLUSDT", "XRPUSDT")
TABLES = read_margin_tables(wire.universe(("BTCUSDT", *SYMBOLS)))


@pytest.mark.parametrize(
    ("coin", "truth"),
    [
        ("BTC", AccountTruth("0x1", 2.5, 60_000.0, 55_000.0, 10.0)),
        ("BTC", AccountTruth("0x1", -5000.0, 60_000.0, 66_000.0, 10.0)),
        ("XRP", AccountTruth("0x1", -5000.0, 2.0, 2.5, 4.0)),
        ("BTC", AccountTruth("0x1", -2.5, 60_000.0, None, 1.0)),
        ("BTC", AccountTruth("0x1", 2.5, 60_000.0, None, 1.0)),
    ],
)
def test_the_level_follows_from_the_state_by_the_rules(coin: str, truth: AccountTruth) -> None:
    """In every tier, of either side; makers have none."""
    state = read_account_state(wire.account_state((f"{coin}USDT", truth), truth.entry, 7))
    assert state.positions[0].size == truth.size
    assert state.positions[0].level == truth.level
    assert not is_opaque(state, TABLES)


def test_both_sides_of_a_forced_trade_name_who_was_liquidated() -> None:
    """A long that ends sells, its maker buys."""
    market = SimulatedMarket(SYMBOLS, now_ms=START_MS, history_days=0)
    forced: list[Any] = []
    now_ms = START_MS
    while not forced:  # nobody may be liquidated in the first hours of a quiet Sunday
        since_ms, now_ms = now_ms, now_ms + 120 * MINUTE_MS
        market.advance(now_ms)
        forced = [
            each
            for symbol in SYMBOLS
            for each in market.accounts.prints(symbol, since_ms, now_ms)
            if each.level is not None and not each.trader_buys
        ]
    each = forced[0]
    own, other = wire.fill(each, each.trader), wire.fill(each, each.maker)
    assert (own["side"], other["side"]) == ("A", "B")
    assert own["liquidation"] == other["liquidation"]
    assert own["liquidation"]["liquidatedUser"] == each.trader
    assert own["tid"] == other["tid"] == wire.trade(each)["tid"]
    assert wire.trade(each)["users"] == [each.maker, each.trader]
    assert (own["crossed"], other["crossed"]) == (True, False)


async def test_the_channels_and_questions_of_accounts() -> None:
    """Trades name accounts whose state can be asked for; more than ten users are refused."""
    async with (
        simulated_exchange() as (exchange, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        session.ws_connect("/ws") as ws,
    ):
        for wanted in ({"type": "trades", "coin": "BTC"}, {"type": "allDexsAssetCtxs"}):
            await ws.send_json({"method": "subscribe", "subscription": wanted})
        found: dict[str, object] = {}
        async with asyncio.timeout(20):
            while "trades" not in found or "allDexsAssetCtxs" not in found:
                message = orjson.loads(await ws.receive_str())
                found[message["channel"]] = message["data"]
        trades = found["trades"]
        assert isinstance(trades, list)
        for user in trades[0]["users"]:
            async with session.post("/info", json={"type": "clearinghouseState", "user": user}) as answer:
                read_account_state(await answer.json())
        board = await (await session.get("/Mainnet/leaderboard")).json()
        assert len(board["leaderboardRows"]) > 100
        refused: list[str] = []
        for number in range(11):
            wanted = {"type": "userFills", "user": f"0x{number:040x}"}
            await ws.send_json({"method": "subscribe", "subscription": wanted})
        async with asyncio.timeout(20):
            while not refused:
                message = orjson.loads(await ws.receive_str())
                refused += [message["data"]] if message["channel"] == "error" else []
        assert refused == ["Cannot track more than 10 total users."]
        assert exchange.publisher.messages > 0


async def test_the_truth_names_every_account() -> None:
    """From outside: they hold the open interest on either side, the makers among them, and their states
    have the same size and level."""
    async with (
        simulated_exchange() as (_, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        truth = await (await session.get("/_simulator/truth/BTCUSDT")).json()
        accounts = truth["accounts"]
        longs = sum(each["size"] for each in accounts if each["size"] > 0)
        shorts = -sum(each["size"] for each in accounts if each["size"] < 0)
        assert longs == pytest.approx(truth["open_interest"])
        assert shorts == pytest.approx(truth["open_interest"])
        assert sum(each["level"] is not None for each in accounts) == len(truth["standing"])
        asked = {each["address"]: each for each in accounts[::100]}
        assert len(asked) > 5
        alike = 0
        for address, each in asked.items():
            async with session.post("/info", json={"type": "clearinghouseState", "user": address}) as answer:
                for position in read_account_state(await answer.json()).positions:
                    expected = (each["size"], each["level"] or 0.0)
                    alike += (position.size, position.level or 0.0) == pytest.approx(expected)
        # A few have traded since, for a minute takes a second.
        assert alike >= 0.8 * len(asked)
