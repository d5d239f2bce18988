"""The collector on a simulated Hyperliquid whose accounts are known: budget, coverage, levels, failures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from liqstream.positions.collector import PositionsCollector
from liqstream.positions.measured import measured_cells
from liqstream.simulator.fault_table import Fault, FaultKind
from tests.support.position_rig import SYMBOL, PositionRig, fullest, position_rig
from tests.support.virtual_clock import run_virtually

pytestmark = pytest.mark.simulated


@asynccontextmanager
async def running(collector: PositionsCollector) -> AsyncIterator[asyncio.Task[None]]:
    """The collector at work."""
    task = asyncio.create_task(collector.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def virtually(folder: Path, job: Callable[[PositionRig], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a job with a rig in virtual time."""

    async def run() -> None:
        async with position_rig(folder, **options) as rig:
            await job(rig)

    run_virtually(run())


def true_share(rig: PositionRig, symbol: str = SYMBOL) -> tuple[float, float]:
    """The part of each side's open interest that the read accounts really hold."""
    accounts, now_ms = rig.collector.tracker.accounts, rig.now_ms()
    held = [0.0, 0.0]
    for truth in rig.exchange.market.accounts.holdings(symbol, now_ms):
        row = accounts.row_of.get(truth.address)
        if row is not None and accounts.read_ms[row]:
            held[truth.size < 0] += abs(truth.size)
    total = rig.exchange.market.open_interest(symbol, now_ms)
    return held[0] / total, held[1] / total


def test_reads_stay_within_the_budget_and_coverage_is_true(tmp_path: Path) -> None:
    """At most 800 weight in any minute by the exchange's own log, coverage within .01 of the truth at every
    look, and no size that trades had not foretold."""

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector):
            seen = []
            for _ in range(6):
                await asyncio.sleep(15)
                _, coverage = rig.measured()
                expected = true_share(rig)
                assert (coverage.long, coverage.short) == pytest.approx(expected, abs=0.01)
                seen.append(coverage)
            assert seen[-1].long > seen[0].long > 0
            assert seen[-1].long <= 1.005
        assert fullest(rig.asked) <= 800 + 20
        assert rig.collector.tracker.counts.size_mismatches == 0
        assert rig.collector.reads["first"] > 300
        assert not rig.collector.refused.total()

    virtually(tmp_path, job)


@pytest.mark.attack
@pytest.mark.parametrize("leaderboard", [True, False])
def test_a_quarter_of_an_hour(tmp_path: Path, leaderboard: bool) -> None:
    """2,500 accounts: nine tenths of both sides known, levels near the price as they are, ages within what
    is due; without the leaderboard, what traded since the start."""

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector):
            for _ in range(15):
                await asyncio.sleep(60)
                _, coverage = rig.measured()
                assert (coverage.long, coverage.short) == pytest.approx(true_share(rig), abs=0.01)
            _, coverage = rig.measured()
            if leaderboard:
                assert min(coverage.long, coverage.short) >= 0.9
                _compare_near(rig)
                near_ms = coverage.near_age_ms
                assert near_ms is not None
                assert near_ms <= 120_000 * rig.collector.schedule.factor
                assert coverage.proves_one_side
                assert rig.collector.keeper.one_sided is not None
            else:
                assert (coverage.long, coverage.short) == pytest.approx(_traded_share(rig), abs=0.01)
        assert fullest(rig.asked) <= 800 + 20
        assert rig.collector.tracker.counts.size_mismatches == 0

    virtually(tmp_path, job, leaderboard=leaderboard)


def _traded_share(rig: PositionRig) -> tuple[float, float]:
    """The part of each side's open interest that those hold who have traded since trades were listened to."""
    coins, now_ms, accounts = rig.collector.tracker.coins, rig.now_ms(), rig.exchange.market.accounts
    since_ms = int(coins.unbroken_ms[coins.number("XRP")])
    met = {who for each in accounts.prints(SYMBOL, since_ms, now_ms) for who in (each.trader, each.maker)}
    held = [0.0, 0.0]
    for truth in accounts.holdings(SYMBOL, now_ms):
        held[truth.size < 0] += abs(truth.size) * (truth.address in met)
    total = rig.exchange.market.open_interest(SYMBOL, now_ms)
    return held[0] / total, held[1] / total


@pytest.mark.attack
def test_where_everybody_is_known_the_map_is_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coverage is 1, not 2; cells within 5 % of the price have the true ranks and USD, at ages within what
    is due."""
    monkeypatch.setattr("liqstream.simulator.accounts.LEADERBOARD_SHARE", 1.0)

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector):
            await asyncio.sleep(480)
            _, coverage = rig.measured()
            assert 0.97 < min(coverage.long, coverage.short) <= max(coverage.long, coverage.short) < 1.005
            _compare_near(rig, everybody_known=True)
            assert coverage.near_age_ms is not None
            assert coverage.near_age_ms <= 120_000 * rig.collector.schedule.factor

    virtually(tmp_path, job)


def _compare_near(rig: PositionRig, *, everybody_known: bool = False) -> None:
    """Cells within 5 % of the price beside those of the read accounts as they are: ranks alike, and within
    5 % of the USD; beside everybody's, whom coverage says are not all known, the ranks still agree."""
    levels, _ = rig.measured()
    accounts = rig.collector.tracker.accounts
    step = levels.mark / 1000
    longs, shorts = measured_cells(levels, levels.mark - 50 * step, step, 101)
    found = longs.sum(axis=0) + shorts.sum(axis=0)
    known, everybody = np.zeros(101), np.zeros(101)
    for truth in rig.exchange.market.accounts.holdings(SYMBOL, rig.now_ms()):
        stands = truth.level is not None and (truth.level < levels.mark) == (truth.size > 0)
        if truth.level is None or not stands:
            continue
        cell = round((truth.level - levels.mark) / step) + 50
        if 0 <= cell <= 100:
            usd = abs(truth.size) * truth.level
            everybody[cell] += usd
            row = accounts.row_of.get(truth.address)
            known[cell] += usd * (row is not None and accounts.read_ms[row] > 0)
    assert spearmanr(found, known).statistic >= 0.95
    assert found.sum() == pytest.approx(known.sum(), rel=0.05)
    assert spearmanr(found, everybody).statistic >= (0.95 if everybody_known else 0.85)
    assert found.sum() == pytest.approx(everybody.sum(), rel=0.05) or not everybody_known


def test_levels_are_the_true_ones(tmp_path: Path) -> None:
    """Of every account that was read and has not traded since, to 1 bp."""

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector):
            await asyncio.sleep(60)
            tracker = rig.collector.tracker
            compared = 0
            for truth in rig.exchange.market.accounts.holdings(SYMBOL, rig.now_ms()):
                row = tracker.accounts.row_of.get(truth.address)
                if row is None or not tracker.accounts.read_ms[row] or tracker.accounts.is_dirty[row]:
                    continue
                assert not tracker.accounts.is_opaque[row]
                (slot,) = tracker.positions.slots(row)
                expected = np.nan if truth.level is None else truth.level
                assert tracker.positions.level[slot] == pytest.approx(expected, rel=1e-4, nan_ok=True)
                compared += 1
            assert compared > 250

    virtually(tmp_path, job)


def test_a_level_that_moves_without_a_trade_is_found_in_time(tmp_path: Path) -> None:
    """Margin that an account adds or removes shows in no trade: at every look a wrong level is one that is
    not due yet; near the price none is for more than two minutes."""

    async def job(rig: PositionRig) -> None:
        rig.exchange.market.change_margins(300.0)
        tracker, schedule, healed = rig.collector.tracker, rig.collector.schedule, 0
        async with running(rig.collector):
            wrong: set[int] = set()
            for _ in range(24):
                await asyncio.sleep(10)
                now_ms = rig.now_ms()
                before, right, wrong = wrong, set[int](), set()
                for row, slot, truth in _settled(rig, now_ms):
                    is_right = tracker.positions.level[slot] == pytest.approx(truth, rel=1e-4)
                    (right if is_right else wrong).add(row)
                levels, _ = rig.measured()
                near = set(levels.slot[levels.near(0.04) & (levels.usd > 11_000)].tolist())
                for row in wrong:
                    assert schedule.age_factor(row, now_ms) <= 1.1
                    age_s = (now_ms - int(tracker.accounts.read_ms[row])) / 1000
                    is_near = near & set(tracker.positions.slots(row))
                    assert age_s <= 130 * schedule.factor or not is_near
                healed += len(before & right)
            assert tracker.counts.size_mismatches == 0
        assert healed >= 5

    virtually(tmp_path, job)


def _settled(rig: PositionRig, now_ms: int) -> list[tuple[int, int, float]]:
    """Row, slot and true level of each account that was read and has not traded since."""
    tracker, found = rig.collector.tracker, []
    for truth in rig.exchange.market.accounts.holdings(SYMBOL, now_ms):
        row = tracker.accounts.row_of.get(truth.address)
        if row is None or truth.level is None:
            continue
        if tracker.accounts.read_ms[row] and not tracker.accounts.is_dirty[row]:
            found += [(row, int(slot), truth.level) for slot in tracker.positions.slots(row)]
    return found


@pytest.mark.parametrize("is_long", [True, False])
def test_a_touched_level_is_read_at_once_and_listed_again(tmp_path: Path, is_long: bool) -> None:
    """The price is beyond the level as it is known: it is not drawn, read within 30 s x the factor, and drawn
    where it really is, for its account has survived."""

    async def job(rig: PositionRig) -> None:
        tracker = rig.collector.tracker
        async with running(rig.collector):
            await asyncio.sleep(60)
            levels, _ = rig.measured()
            truths = {slot: (row, level) for row, slot, level in _settled(rig, rig.now_ms())}
            far = levels.has_level & ((levels.size > 0) == is_long) & ~levels.near(0.2) & (levels.usd > 5e4)
            chosen = next(row for row in np.flatnonzero(far) if int(levels.slot[row]) in truths)
            slot = int(levels.slot[chosen])
            row, truth = truths[slot]
            tracker.positions.level[slot] = levels.mark * (1.003 if is_long else 0.997)
            began_ms = rig.now_ms()
            assert not _is_drawn(rig, slot)
            async with asyncio.timeout(60):
                while tracker.accounts.read_ms[row] < began_ms:
                    assert not _is_drawn(rig, slot)
                    await asyncio.sleep(0.5)
            waited_s = (tracker.accounts.read_ms[row] - began_ms) / 1000
            assert waited_s <= 30 * rig.collector.schedule.factor
            assert tracker.positions.level[slot] == pytest.approx(truth, rel=1e-4)
            assert _is_drawn(rig, slot)

    virtually(tmp_path, job)


def _is_drawn(rig: PositionRig, slot: int) -> bool:
    """Whether a position is on the map and among the largest."""
    levels, _ = rig.measured()
    (row,) = np.flatnonzero(levels.slot == slot)
    return bool(levels.has_level[row])


@pytest.mark.attack
def test_after_a_hole_in_the_trades_sizes_are_healed_by_reads(tmp_path: Path) -> None:
    """They age meanwhile; the mismatches are counted, and what is read is right again."""

    async def job(rig: PositionRig) -> None:
        collector = rig.collector
        async with running(collector):
            await asyncio.sleep(90)
            heard = [collector.hears_trades]
            rig.exchange.faults.refuse_connects = True
            rig.exchange.drop_sockets()
            await asyncio.sleep(30)
            heard.append(collector.hears_trades)
            _, coverage = rig.measured()
            assert coverage.median_age_ms is not None
            assert coverage.median_age_ms > 25_000
            rig.exchange.faults.refuse_connects = False
            await asyncio.sleep(150)
            assert [*heard, collector.hears_trades] == [True, False, True]
            assert collector.tracker.counts.size_mismatches > 0
            assert not collector.ended
            _compare_sizes(rig)

    virtually(tmp_path, job)


def _compare_sizes(rig: PositionRig) -> None:
    """Of every account that was read since the trades came back: the true one."""
    tracker, now_ms = rig.collector.tracker, rig.now_ms()
    since_ms, healed = int(tracker.coins.unbroken_ms[tracker.coins.number("XRP")]), 0
    true = {each.address: each.size for each in rig.exchange.market.accounts.holdings(SYMBOL, now_ms)}
    for address, row in tracker.accounts.row_of.items():
        # What has just been traded may be on its way.
        if tracker.accounts.read_ms[row] > since_ms and tracker.accounts.seen_ms[row] < now_ms - 5000:
            known = sum(float(tracker.positions.size[slot]) for slot in tracker.positions.slots(row))
            assert known == pytest.approx(true.get(address, 0.0), rel=1e-6, abs=1e-6)
            healed += 1
    assert healed > 100


def test_after_429_reads_stop_and_come_back_slower(tmp_path: Path) -> None:
    """Nothing for a minute, then at half the rate, which grows."""

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector):
            await asyncio.sleep(20)
            rig.exchange.table.add(
                Fault("hyperliquid", "clearinghouseState", FaultKind.TOO_MANY, times=1, lasts_s=100.0)
            )
            await asyncio.sleep(5)
            count = len(rig.asked)
            assert rig.collector.refused["429"] >= 1
            await asyncio.sleep(50)
            assert len(rig.asked) == count
            await asyncio.sleep(40)
            assert 60 < len(rig.asked) - count < 150
            assert rig.collector.schedule.weight_per_minute == 400
            await asyncio.sleep(60)
            assert 430 < rig.collector.schedule.weight_per_minute < 500

    virtually(tmp_path, job)


def test_a_refusal_for_good_ends_the_layer(tmp_path: Path) -> None:
    """With a sentence; the task ends by itself and asks nothing more."""

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector) as task:
            await asyncio.sleep(10)
            rig.exchange.table.add(Fault("hyperliquid", "clearinghouseState", FaultKind.COUNTRY))
            await asyncio.wait_for(task, 30)
            assert rig.collector.state == "ended"
            assert "not given to this address" in rig.collector.ended
            count = len(rig.asked)
            await asyncio.sleep(60)
            assert len(rig.asked) == count

    virtually(tmp_path, job)


@pytest.mark.parametrize("kind", [FaultKind.EMPTY_OBJECT, FaultKind.NOT_JSON])
def test_a_bad_state_closes_no_position(tmp_path: Path, kind: FaultKind) -> None:
    """It is counted and asked for again."""

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector):
            await asyncio.sleep(30)
            held = len(rig.collector.tracker.positions)
            rig.exchange.table.add(Fault("hyperliquid", "clearinghouseState", kind, lasts_s=30.0))
            await asyncio.sleep(30)
            assert len(rig.collector.tracker.positions) > held * 0.9
            assert rig.collector.refused["unreadable"] + rig.collector.refused["unanswered"] > 10
            reads = rig.collector.tracker.counts.reads
            await asyncio.sleep(20)
            assert rig.collector.tracker.counts.reads > reads + 50
            assert rig.collector.tracker.counts.size_mismatches == 0

    virtually(tmp_path, job)


def test_trades_are_listened_to_while_the_feed_waits_for_room(tmp_path: Path) -> None:
    """A backfill may take hours; no account is read meanwhile, and who trades is met."""

    async def job(rig: PositionRig) -> None:
        rig.collector.ledger.positions_resume_s = math.inf
        async with running(rig.collector):
            await asyncio.sleep(60)
            assert rig.collector.hears_trades
            assert rig.collector.tracker.counts.trades > 0
            assert rig.collector.tracker.counts.reads == 0

    virtually(tmp_path, job)


def test_without_a_leaderboard_trades_name_the_accounts(tmp_path: Path) -> None:
    """It is gone: the collector goes on."""

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector):
            await asyncio.sleep(60)
            assert len(rig.collector.tracker.accounts) >= 4
            assert rig.collector.tracker.counts.reads >= 4
            assert not rig.collector.ended

    virtually(tmp_path, job, leaderboard=False)


def test_a_restart_shows_what_was_known_at_once(tmp_path: Path) -> None:
    """Before anything is read: the same levels, their ages gone on."""

    async def job(rig: PositionRig) -> None:
        async with running(rig.collector):
            await asyncio.sleep(60)
            await rig.collector.keeper.store_now(rig.now_ms())
            before, _ = rig.measured()
        await asyncio.sleep(100)
        anew = PositionsCollector(rig.collector.setup, (SYMBOL,), rig.store, clock=rig.clock)
        await anew.keeper.restore(rig.now_ms())
        assert anew.tracker.counts.reads == 0
        levels = anew.levels(SYMBOL, before.mark)
        assert levels is not None
        assert np.nansum(levels.usd[levels.has_level]) == pytest.approx(
            np.nansum(before.usd[before.has_level])
        )
        assert levels.age_ms.min() >= 100_000
        coverage = anew.coverage(SYMBOL, levels)
        assert coverage is not None
        assert coverage.long > 0.1
        looks = await rig.store.measured_coverage(SYMBOL, start_ms=0, end_ms=2**60)
        assert len(looks) == 1

    virtually(tmp_path, job)


def test_trades_of_coins_that_nobody_asked_for_are_no_positions(tmp_path: Path) -> None:
    """Spot pairs, other dexes and made-up names: counted, and neither accounts nor coins for it."""

    async def job(rig: PositionRig) -> None:
        collector, users = rig.collector, [f"0x{number:040x}" for number in (1, 2)]
        (followed,) = collector.tracker.coins.names
        coins = (followed, "@107", "xyz:TSLA", f"U{followed}/USDC", f"k{followed}", *map(str, range(5000)))
        for number, coin in enumerate(coins):
            row = {"coin": coin, "side": "B", "px": "100", "sz": "1", "time": 1, "tid": number}
            collector._on_data("trades", [row | {"users": users}])
        assert collector.tracker.counts.trades == 1
        assert collector.tracker.coins.names == [followed]
        assert collector.refused["trade"] == len(coins) - 1

    virtually(tmp_path, job)


def test_a_follower_reads_nothing(tmp_path: Path) -> None:
    """Until it leads, and once it leads no longer: two that read would spend twice."""

    async def job(rig: PositionRig) -> None:
        leads = [False]
        collector = PositionsCollector(
            rig.collector.setup, (SYMBOL,), rig.store, clock=rig.clock, leads=lambda: leads[0]
        )
        async with running(collector):
            await asyncio.sleep(20)
            assert collector.state == "standby"
            assert rig.asked == []
            leads[0] = True
            await asyncio.sleep(20)
            assert collector.state == "reading"
            assert len(rig.asked) > 20
            assert collector.hears_trades
            leads[0] = False
            await asyncio.sleep(5)
            count = len(rig.asked)
            await asyncio.sleep(60)
            assert (collector.state, collector.hears_trades) == ("standby", False)
            assert len(rig.asked) == count
            leads[0] = True
            await asyncio.sleep(20)
            assert len(rig.asked) > count + 20

    virtually(tmp_path, job)


@pytest.mark.parametrize("endpoint", ["meta", "vaultDetails", "userFillsByTime", "clearinghouseState"])
def test_a_429_of_any_question_stops_all_of_them(tmp_path: Path, endpoint: str) -> None:
    """For a minute, then at half the rate, whichever question it was that was too much."""

    async def job(rig: PositionRig) -> None:
        rig.exchange.table.add(Fault("hyperliquid", endpoint, FaultKind.TOO_MANY, lasts_s=20.0))
        collector = rig.collector
        collector.liquidations.queue.again("0x" + "1" * 40, rig.now_ms(), rig.now_ms() - 1000)
        async with running(collector):
            await asyncio.sleep(25)
            assert collector.refused["429"] > 0
            assert collector.ledger.positions_most == 400
            assert collector.ledger.positions_resume_s > rig.clock.time_s()
            assert "429" in collector.failures.text
            asked = len(rig.asked_of_positions)
            await asyncio.sleep(30)
            assert len(rig.asked_of_positions) == asked
            await asyncio.sleep(60)
            assert len(rig.asked_of_positions) > asked

    virtually(tmp_path, job)
