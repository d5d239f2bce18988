"""The rate of reads: halved by a 429, back within minutes, also where there was no limit."""

from __future__ import annotations

import asyncio
import math

import pytest

from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.positions.failures import Failures
from liqstream.positions.read_rate import HOST_MOST, LEAST, STOP_S, ReadRate
from liqstream.positions.read_schedule import ReadSchedule
from liqstream.positions.tracker import Tracker
from liqstream.supervision.clock import SYSTEM_CLOCK
from tests.support.virtual_clock import run_virtually


class Rated:
    """A rate with what it steers."""

    def __init__(self, most: float) -> None:
        self.ledger = WeightLedger(most, most=max(HOST_MOST, most))
        self.schedule = ReadSchedule(Tracker(("BTC",)), weight_per_minute=most)
        self.failures = Failures()
        self.rate = ReadRate(most, self.ledger, self.schedule, SYSTEM_CLOCK, self.failures)

    def rates(self) -> set[float]:
        """The weight a minute by everybody who has to know it."""
        return {self.rate.rate, self.ledger.positions_most, self.schedule.weight_per_minute}

    async def wait(self, seconds: float) -> None:
        """As the collector waits: it may grow every second."""
        for _ in range(round(seconds)):
            await asyncio.sleep(1)
            self.rate.grow()


def test_it_stops_halves_and_grows() -> None:
    """A minute's stop, then half, then a tenth more each minute up to the setting; further answers of the
    same kind in that minute change nothing."""

    async def job() -> None:
        found = Rated(800.0)
        found.rate.slow_down()
        assert found.ledger.try_position(2.0) is None
        assert found.rates() == {400.0}
        await found.wait(STOP_S / 2)
        found.rate.slow_down()
        assert found.rates() == {400.0}
        await found.wait(STOP_S / 2 + 1)
        assert found.ledger.try_position(2.0) is not None
        await found.wait(60)
        assert found.rates() == {found.rate.rate}
        assert found.rate.rate == pytest.approx(440.0)
        assert "429" in found.failures.text
        await found.wait(60 * 8)
        assert found.rates() == {800.0}
        assert found.failures.text == ""

    run_virtually(job())


def test_it_never_falls_below_the_least() -> None:
    """However often it is told; the failure ends there too."""

    async def job() -> None:
        found = Rated(LEAST)
        for _ in range(5):
            found.rate.slow_down()
            await found.wait(STOP_S - 1)
            assert found.failures.text
            await found.wait(2)
            assert found.rates() == {LEAST}
        assert found.failures.text == ""

    run_virtually(job())


def test_no_limit_is_none_again() -> None:
    """Half of what one address may have, and after some minutes whatever is asked for."""

    async def job() -> None:
        found = Rated(math.inf)
        found.rate.slow_down()
        assert found.rates() == {HOST_MOST / 2}
        await found.wait(3600)
        assert found.rates() == {math.inf}
        assert found.failures.text == ""

    run_virtually(job())
