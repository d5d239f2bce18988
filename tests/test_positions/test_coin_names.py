"""Coins that the exchange counts by the thousand, by name and from a real server that lists kPEPE."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from liqstream.positions.coin_names import CoinNames
from liqstream.positions.collector import PositionsCollector, PositionsSetup
from liqstream.positions.measured import MeasuredLevels, measured_cells
from liqstream.store.market_store import MarketStore
from liqstream.store.positions import CELL_WIDTH
from liqstream.supervision.clock import Clock
from tests.support.account_bodies import Held, address, body
from tests.support.exchange_rig import serving
from tests.support.market_start import START_MS
from tests.support.virtual_clock import run_virtually

SYMBOL, MARK = "PEPEUSDT", 0.01
HELD = {
    address(1): Held("kPEPE", 4e6, 0.0101, MARK, -30_000.0),
    address(2): Held("kPEPE", -1e6, 0.0099, MARK, 12_000.0),
}
OPEN_INTEREST = 8e6


def test_what_is_listed_decides() -> None:
    """By the thousand only what is listed so, and is not listed by the coin too."""
    names = CoinNames(["BTCUSDT", "PEPEUSDT", "BONKUSDT"])
    assert [names.coin(symbol) for symbol in names.symbols] == ["BTC", "PEPE", "BONK"]
    names.learn({"BTC", "kPEPE", "BONK", "kBONK", "kBTC"})
    assert names.contracts == {"BTC": ("BTCUSDT", 1), "kPEPE": ("PEPEUSDT", 1000), "BONK": ("BONKUSDT", 1)}


class Exchange:
    """It lists kPEPE, whose two accounts are met in one trade; `wanted` is what was subscribed to."""

    def __init__(self, clock: Clock) -> None:
        self.wanted: list[str] = []
        self._clock = clock
        self.app = web.Application()
        self.app.add_routes([web.post("/info", self._info), web.get("/ws", self._ws)])

    async def _info(self, request: web.Request) -> web.Response:
        question = await request.json()
        if question["type"] == "meta":
            universe = [{"name": "kPEPE", "maxLeverage": 10, "marginTableId": 10}]
            return web.json_response({"universe": universe, "marginTables": []})
        if question["type"] != "clearinghouseState":
            return web.Response(status=422)
        held = [HELD[question["user"]]] if question["user"] in HELD else []
        return web.json_response(body(held, time_ms=self._clock.now_ms()))

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            asked = message.json()
            wanted = asked.get("subscription", {})
            self.wanted.append(str(wanted.get("coin")))
            await ws.send_json({"channel": "subscriptionResponse", "data": asked})
            answer: dict[str, Any] = {"channel": "pong"}
            if wanted.get("type") == "trades":
                answer = {"channel": "trades", "data": [_trade(self._clock.now_ms() - 1000)]}
            elif wanted.get("type") == "allDexsAssetCtxs":
                context = {"markPx": str(MARK), "openInterest": str(OPEN_INTEREST)}
                answer = {"channel": "allDexsAssetCtxs", "data": {"ctxs": [["", [context]]]}}
            await ws.send_json(answer)
        return ws


def _trade(time_ms: int) -> dict[str, Any]:
    users = [address(1), address(2)]
    return {"coin": "kPEPE", "side": "B", "px": "0.01", "sz": "5", "time": time_ms, "tid": 1, "users": users}


def test_a_coin_by_the_thousand_is_measured_in_single_coins(tmp_path: Path) -> None:
    """Its trades are asked for by its name; prices and sizes are of one coin, USD and coverage as they are;
    the store has the same, and a restart shows it before the exchange is asked."""

    async def job() -> None:
        loop = asyncio.get_running_loop()
        clock = Clock(now_ms=lambda: START_MS + round(loop.time() * 1000))
        exchange = Exchange(clock)
        store = await MarketStore.open(tmp_path / "a.duckdb")
        async with serving(exchange.app) as port:
            setup = PositionsSetup(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}")
            collector = PositionsCollector(setup, (SYMBOL,), store, clock=clock)
            task = asyncio.create_task(collector.run())
            await asyncio.sleep(30)
            assert "kPEPE" in exchange.wanted
            assert "PEPE" not in exchange.wanted
            usd = _check(collector, collector.levels(SYMBOL))
            now_ms = clock.now_ms()
            await collector.keeper.store_now(now_ms)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.sleep(1)
        anew = PositionsCollector(setup, (SYMBOL,), store, clock=clock)
        await anew.keeper.restore(clock.now_ms())
        again = _check(anew, anew.levels(SYMBOL, MARK / 1000))
        np.testing.assert_allclose(again, usd)
        cells = await store.measured_cells(SYMBOL, start_ms=now_ms, end_ms=now_ms + 1)
        assert float(cells.long_usd.sum() + cells.short_usd.sum()) == pytest.approx(usd.sum())
        prices = np.exp(cells.cell * CELL_WIDTH)
        assert ((prices > 0.3e-5) & (prices < 3e-5)).all()
        await store.close()

    run_virtually(job())


def _check(collector: PositionsCollector, levels: MeasuredLevels | None) -> Any:
    """Levels and coverage are those of what the accounts hold; their USD, the long's first."""
    assert levels is not None
    assert levels.mark == pytest.approx(MARK / 1000)
    assert levels.size.tolist() == pytest.approx([4e9, -1e9])
    assert levels.entry.tolist() == pytest.approx([1.01e-5, 0.99e-5])
    coverage = collector.coverage(SYMBOL, levels)
    assert coverage is not None
    assert (coverage.long, coverage.short) == pytest.approx((0.5, 0.125))
    assert levels.has_level.all()
    assert ((levels.level > 0.3e-5) & (levels.level < 3e-5)).all()
    longs, shorts = measured_cells(levels, 3e-6, 1e-8, 3000)
    assert longs.sum() == pytest.approx(levels.usd[0])
    assert shorts.sum() == pytest.approx(levels.usd[1])
    return levels.usd
