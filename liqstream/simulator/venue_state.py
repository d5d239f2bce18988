"""What the simulated exchange's handlers share."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from liqstream.simulator.clock import MarketClock
from liqstream.simulator.market import SimulatedMarket
from liqstream.simulator.misbehaviour import Misbehaviour
from liqstream.simulator.publisher import Publisher


@dataclass(frozen=True, slots=True)
class VenueState:
    """One market, its clock, what is wrong with it, and who listens."""

    market: SimulatedMarket
    clock: MarketClock
    wrong: Misbehaviour
    publisher: Publisher

    def now_ms(self) -> int:
        """The market's time, with the market brought up to it."""
        now_ms = self.clock.now_ms()
        self.market.advance(now_ms)
        return now_ms

    def told_ms(self) -> int:
        """The time the exchange tells."""
        return self.now_ms() + self.wrong.skew_ms


VENUE = web.AppKey("venue", VenueState)
