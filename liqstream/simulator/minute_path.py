"""How the price walks inside one minute: open, one extreme, the other, close, and where it is at any moment.

A minute is decided at its start and then shown as it passes, so a liquidation, the price that triggers it and
the bar that forms around it always agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.market import FloatArray
from liqstream.simulator.traders import BoolArray, IntArray

_WIGGLES = ((7.0, 0.05), (17.0, 0.03), (31.0, 0.02))
"""(cycles a minute, share of the minute's range): what makes a straight line look like trading."""


@dataclass(frozen=True, slots=True)
class MinutePath:
    """One symbol's minute; `turn_1` < `turn_2` are the shares of the minute at which the extremes are met."""

    open: float
    high: float
    low: float
    close: float
    low_first: bool
    turn_1: float
    turn_2: float

    @property
    def corners(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Shares of the minute, and the prices met there."""
        first, second = (self.low, self.high) if self.low_first else (self.high, self.low)
        return (0.0, self.turn_1, self.turn_2, 1.0), (self.open, first, second, self.close)

    def seen_until(self, share: float) -> tuple[float, float]:
        """Lowest and highest price up to a share of the minute."""
        shares, prices = self.corners
        seen = [price for at, price in zip(shares, prices, strict=True) if at <= share]
        seen.append(float(np.interp(share, shares, prices)))
        return min(seen), max(seen)

    def price_at(self, share: float) -> float:
        """The price at a share of the minute: near the line between two corners, never beyond what the line
        has reached by then."""
        shares, prices = self.corners
        line = float(np.interp(share, shares, prices))
        if not 0.0 < share < 1.0:
            return line
        phase = 7.0 * self.turn_1 + 13.0 * self.turn_2
        wiggle = sum(size * np.sin(2 * np.pi * cycles * (share + phase)) for cycles, size in _WIGGLES)
        lowest, highest = self.seen_until(share)
        return float(np.clip(line + wiggle * (self.high - self.low), lowest, highest))


@dataclass(frozen=True, slots=True)
class Walk:
    """The paths of many symbols in one minute, as columns of equal length (see MinutePath)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    low_first: BoolArray
    turn_1: FloatArray
    turn_2: FloatArray

    def of(self, rows: IntArray) -> Walk:
        """The paths of these rows, in their order."""
        return Walk(
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.low_first[rows],
            self.turn_1[rows],
            self.turn_2[rows],
        )

    def first_reached(self, trigger: FloatArray, from_above: BoolArray) -> FloatArray:
        """When, as a share of the minute, each path first reaches its trigger.

        `from_above` is true for a trigger below the price. A trigger the open has jumped over is met at once.
        """
        early = self.low_first == from_above
        start = np.where(early, self.open, np.where(from_above, self.high, self.low))
        end = np.where(from_above, self.low, self.high)
        span = np.where(end == start, 1.0, end - start)
        along = np.clip((trigger - start) / span, 0.0, 1.0)
        share = np.where(early, along * self.turn_1, self.turn_1 + along * (self.turn_2 - self.turn_1))
        jumped = np.where(from_above, trigger >= self.open, trigger <= self.open)
        return np.asarray(np.where(jumped, 0.0, share))

    def line_at(self, share: FloatArray) -> FloatArray:
        """Each path's price at its share of the minute, without the wiggle."""
        first = np.where(self.low_first, self.low, self.high)
        second = np.where(self.low_first, self.high, self.low)
        before = self.open + (first - self.open) * share / self.turn_1
        between = first + (second - first) * (share - self.turn_1) / (self.turn_2 - self.turn_1)
        after = second + (self.close - second) * (share - self.turn_2) / (1 - self.turn_2)
        return np.asarray(
            np.where(share < self.turn_1, before, np.where(share < self.turn_2, between, after))
        )
