"""Finding realised liquidations on a simulated Hyperliquid whose liquidations are known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.market import MINUTE_MS, Liquidation
from liqstream.positions.account_state import read_account_state
from liqstream.positions.accounts import AccountSource
from liqstream.positions.liquidation_collector import LiquidationCollector
from liqstream.positions.margin_tables import read_margin_tables
from liqstream.positions.messages import read_trades
from liqstream.positions.tracker import Tracker
from liqstream.simulator import hyperliquid_account_wire as wire
from liqstream.simulator.accounts import Print, liquidator_vaults
from liqstream.simulator.fault_table import Fault, FaultKind
from liqstream.simulator.hyperliquid_wire import fills_of
from liqstream.simulator.market import SimulatedMarket
from liqstream.supervision.clock import Clock
from tests.support.market_start import START_MS
from tests.support.position_rig import PositionRig, fullest, position_rig
from tests.support.virtual_clock import run_virtually

pytestmark = pytest.mark.simulated
SYMBOLS = ("SOLUSDT", "XRPUSDT")
COINS = {"SOL": ("SOLUSDT", 1), "XRP": ("XRPUSDT", 1)}


class Day:
    """A simulated market, minute by minute, told to a collector in the exchange's own words."""

    def __init__(self) -> None:
        self.market = SimulatedMarket(SYMBOLS, now_ms=START_MS, history_days=0)
        self.now_ms = START_MS
        clock = Clock(now_ms=lambda: self.now_ms)
        self.tracker = Tracker(COINS)
        self.tracker.coins.set_tables(read_margin_tables(wire.universe(SYMBOLS)))
        self.collector = LiquidationCollector(
            self.tracker,
            COINS,
            "hyperliquid",
            ledger=WeightLedger(800.0),
            clock=clock,
            on_too_many=lambda: None,
        )
        self.collector.queue.vaults = frozenset(liquidator_vaults())
        self.collector.capture.vaults = frozenset(liquidator_vaults())
        self.found: list[Liquidation] = []
        self.collector.on_found = self.found.extend
        self.true: list[Print] = []
        self.asked = 0

    def pass_minute(self) -> None:
        """Trades, then fills of the makers who are listened to, then at most five answers."""
        before_ms, self.now_ms = self.now_ms, self.now_ms + MINUTE_MS
        self.market.advance(self.now_ms)
        prints = [
            each for symbol in SYMBOLS for each in self.market.accounts.prints(symbol, before_ms, self.now_ms)
        ]
        self.true += [each for each in prints if each.level is not None]
        trades, bad = read_trades([wire.trade(each) for each in prints])
        assert not bad
        self.collector.take_trades(trades)
        self.tracker.apply_trades(trades)
        for user in self.collector.covered & {each.maker for each in prints}:
            rows = [wire.fill(each, user) for each in prints if each.maker == user]
            self.collector.on_data("userFills", {"user": user, "fills": rows})
        for _ in range(5):
            asked = self.collector.queue.due(self.now_ms)
            if asked is not None:
                self.asked += 1
                rows = fills_of(self.market, asked[0], asked[1], self.now_ms)
                self.collector.take_answer(asked[0], asked[1], rows)

    def read(self, every: int) -> None:
        """Know one account of so many."""
        for symbol in SYMBOLS:
            for truth in self.market.accounts.holdings(symbol, self.now_ms):
                if int(truth.address[2:8], 16) % every:
                    continue
                row = self.tracker.accounts.row(truth.address, AccountSource.FILE, self.now_ms)
                assert row is not None
                price = self.market.price(symbol, self.now_ms)
                state = wire.account_state((symbol, truth), price, self.now_ms)
                self.tracker.apply_state(row, read_account_state(state), self.now_ms)

    def rank(self) -> None:
        """Listen to whom the ranking says."""
        wanted = self.collector.makers_wanted(tuple(self.collector.covered))
        for user in self.collector.covered - set(wanted):
            self.collector.on_data("unsubscribed", {"type": "userFills", "user": user})
        for user in wanted:
            self.collector.on_data("subscribed", {"type": "userFills", "user": user})

    def check(self) -> None:
        """Captured at most what there was, of each symbol about the share that is told."""
        true = {(each.symbol, each.time_ms, round(each.size, 8)) for each in self.true}
        captured = {(each.symbol, each.time_ms, round(each.quantity_base, 8)) for each in self.found}
        assert captured <= true
        assert len(self.found) <= len(self.true)
        for coin, (symbol, _) in COINS.items():
            total = sum(each.price * each.size for each in self.true if each.symbol == symbol)
            usd = sum(each.notional_usd for each in self.found if each.symbol == symbol)
            told = self.collector.capture.of(coin, self.now_ms)
            assert told is not None
            assert 0.2 < told.share < 0.99
            assert usd / total == pytest.approx(told.share, abs=0.1)


@pytest.mark.attack
@pytest.mark.timeout(120)
@pytest.mark.parametrize("every", [10**9, 3], ids=["makers alone", "a third of the accounts known"])
def test_over_a_day_the_found_share_is_the_stated_one(every: int) -> None:
    """Within .1, of two markets whose makers are ranked together; sides and prices are the true ones."""
    day = Day()
    for minute in range(1440):
        day.pass_minute()
        if minute % 5 == 0:
            day.rank()
        if minute % 60 == 0 and every < 10**9:
            day.read(every)
    day.check()
    assert (day.asked > 5) == (every < 10**9)


def virtually(folder: Path, job: Callable[[PositionRig], Coroutine[Any, Any, None]]) -> None:
    """Run a job with a rig in virtual time."""

    async def run() -> None:
        async with position_rig(folder) as rig:
            await job(rig)

    run_virtually(run())


def test_makers_are_listened_to_and_accounts_asked(tmp_path: Path) -> None:
    """Ten of the sixteen, as the exchange confirms them; an account's fills, within the budget; its vaults.

    A refusal for good ends the questions, and nothing else.
    """

    async def job(rig: PositionRig) -> None:
        found = rig.collector.liquidations
        task = asyncio.create_task(rig.collector.run())
        await asyncio.sleep(75)
        assert len(found.covered) == 10
        assert found.capture.vaults == frozenset(liquidator_vaults())
        found.queue.again(sorted(found.covered)[0], rig.now_ms(), rig.now_ms() - 60_000)
        await asyncio.sleep(15)
        assert len(found.queue) == 0
        assert not found.refused
        capture = rig.collector.capture("XRPUSDT")
        assert capture is not None
        assert 0.2 < capture.maker_share < 0.8
        rig.exchange.table.add(Fault("hyperliquid", "userFillsByTime", FaultKind.FORBIDDEN))
        found.queue.again(sorted(found.covered)[0], rig.now_ms(), rig.now_ms() - 60_000)
        await asyncio.sleep(20)
        assert "403" in found.ended
        assert rig.collector.state == "reading"
        assert fullest(rig.asked) <= 800 + 20
        found.covered.add("0xgone")  # as one would be that is not told again after the break
        rig.exchange.drop_sockets()
        async with asyncio.timeout(60):
            while "0xgone" in found.covered:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(15)
        assert len(found.covered) == 10
        task.cancel()
        await asyncio.wait({task})

    virtually(tmp_path, job)
