"""The ledger of weight: no window of 60 s holds too much, wherever in its flight a request is counted."""

from __future__ import annotations

import asyncio
import random

import pytest

from liqstream.feeds.weight_ledger import Reservation, WeightLedger
from liqstream.supervision.clock import Clock
from tests.support.virtual_clock import run_virtually


@pytest.mark.parametrize("seed", range(2))
def test_no_window_holds_more_than_the_limits(seed: int) -> None:
    """A feed's backfill and reads of positions together, answered after up to 15 s and counted at any
    moment of their flight: at most 800 of positions and 1,100 of all in each 60 s, and nearly that much is
    used."""
    counted: list[tuple[float, float, bool]] = []
    choices = random.Random(seed)

    async def job() -> None:
        clock = Clock()
        ledger = WeightLedger(800.0, clock=clock)

        async def fly(held: Reservation, cost: float) -> None:
            takes_s = choices.uniform(0.05, 15.0)
            counted_s = choices.uniform(0.0, takes_s)
            await clock.sleep(counted_s)
            counted.append((clock.time_s(), cost, held.is_position))
            await clock.sleep(takes_s - counted_s)
            ledger.settle(held, cost)

        async def feed(tasks: asyncio.TaskGroup) -> None:
            for _ in range(24):
                held = await ledger.reserve(104.0)
                tasks.create_task(fly(held, choices.uniform(20, 104)))
                await clock.sleep(choices.expovariate(1 / 6))

        async with asyncio.TaskGroup() as tasks:
            feeding = tasks.create_task(feed(tasks))
            while not feeding.done():
                held = ledger.try_position(20.0)
                if held is None:
                    await clock.sleep(0.5)
                else:
                    tasks.create_task(fly(held, 20.0))

    run_virtually(job())
    counted.sort()
    assert _fullest(counted) <= 1100
    positions = [each for each in counted if each[2]]
    assert _fullest(positions) <= 800
    assert _fullest(positions) > 400


def _fullest(counted: list[tuple[float, float, bool]]) -> float:
    """The most weight in any 60 s."""
    most = held = 0.0
    first = 0
    for time_s, weight, _ in counted:
        held += weight
        while counted[first][0] <= time_s - 60:
            held -= counted[first][1]
            first += 1
        most = max(most, held)
    return most


def test_the_dearest_answer_is_held_and_the_rest_given_back() -> None:
    """120 is held for what then costs 21."""

    async def job() -> None:
        ledger = WeightLedger(150.0)
        held = ledger.try_position(120.0)
        assert held is not None
        assert ledger.try_position(120.0) is None
        ledger.settle(held, 21.0)
        assert ledger.positions_used == 21
        assert ledger.try_position(120.0) is not None
        ledger.settle(held, 0.0)
        assert ledger.used == 141
        await asyncio.sleep(61)
        assert ledger.used == 120

    run_virtually(job())


def test_the_feed_goes_first() -> None:
    """While it waits for room no position is read."""

    async def job() -> None:
        ledger = WeightLedger(1100.0)
        reads = [ledger.try_position(2.0) for _ in range(550)]
        assert None not in reads
        waiting = asyncio.create_task(ledger.reserve(20.0))
        await asyncio.sleep(1)
        for held in reads[:11]:
            assert held is not None
            ledger.settle(held, 1.0)
        assert ledger.try_position(2.0) is None
        await asyncio.sleep(1)
        assert not waiting.done()
        await asyncio.wait_for(waiting, 70)

    run_virtually(job())


def test_no_position_is_read_before_the_time_set() -> None:
    """After the exchange has said that it is too much; the feed goes on."""

    async def job() -> None:
        ledger = WeightLedger(800.0)
        ledger.positions_resume_s = ledger.clock.time_s() + 60
        assert ledger.try_position(2.0) is None
        assert (await ledger.reserve(20.0)).weight == 20
        await asyncio.sleep(60)
        assert ledger.try_position(2.0) is not None

    run_virtually(job())
