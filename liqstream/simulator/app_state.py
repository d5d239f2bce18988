"""What the simulated exchange's handlers share."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from liqstream.simulator.clock import MarketClock
from liqstream.simulator.fault_table import FaultTable
from liqstream.simulator.faults import Faults
from liqstream.simulator.market import SimulatedMarket
from liqstream.simulator.publisher import Publisher


@dataclass(frozen=True, slots=True)
class AppState:
    """One market, its clock, its faults and fault table, and its subscribers."""

    market: SimulatedMarket
    clock: MarketClock
    faults: Faults
    table: FaultTable
    publisher: Publisher

    def now_ms(self) -> int:
        """The market's time, with the market brought up to it."""
        now_ms = self.clock.now_ms()
        self.market.advance(now_ms)
        return now_ms

    def reported_ms(self) -> int:
        """The time the exchange reports: the market's, off by the fault `skew_ms`."""
        return self.now_ms() + self.faults.skew_ms


STATE = web.AppKey("simulator_state", AppState)
