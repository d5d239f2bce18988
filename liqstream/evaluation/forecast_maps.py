"""The maps a forecast is compared on: the judged kernel's, two flat kernels and B3's levels, bar by bar."""

from __future__ import annotations

import math

import numpy as np

from liqstream.market import Bars, FloatArray
from liqstream.model.density import LevelDensity
from liqstream.model.estimator import Estimator
from liqstream.model.forecast_features import CELLS, masses_by_distance
from liqstream.model.kernel import Kernel, broad
from liqstream.model.spread import BIN_WIDTH

MAP_NAMES = ("map", "F2", "F10", "B3")
"""The judged map; kernels flat to 2 % and to 10 % from entry in the same machinery; B3's standing levels."""

NAIVE_MAPS = MAP_NAMES[1:]

_B3_OFFSETS = (0.002, 0.10)
_B3_MASS = 1e6


class ComparedMaps:
    """Some maps of MAP_NAMES over one market's bars: what stands, as USD by distance from the close.

    `names` are a beginning of MAP_NAMES; the judged map is always the first.
    """

    def __init__(self, kernel: Kernel, interval_ms: int, names: tuple[str, ...] = MAP_NAMES) -> None:
        kernels = {"map": kernel, "F2": broad().flat_to(0.02), "F10": broad().flat_to(0.10)}
        self._estimators = [
            Estimator(kernels[name], interval_ms=interval_ms) for name in names if name in kernels
        ]
        self._uniform = UniformLevels() if "B3" in names else None
        self._close = 0.0
        self.open_interest_usd = 0.0

    def advance(self, bars: Bars) -> None:
        """Take in closed bars, newer than the last."""
        for estimator in self._estimators:
            predicted = estimator.advance(bars)
            self.open_interest_usd = float(predicted.open_interest_usd[-1])
        if self._uniform is not None:
            for prices in zip(bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), strict=True):
                self._uniform.step(*prices)
        self._close = float(bars.close[-1])

    def masses(self) -> FloatArray:
        """USD before calibration by cell of distance from the last close; shape (maps, 2, CELLS)."""
        densities = [estimator.standing(by_group=False) for estimator in self._estimators]
        if self._uniform is not None:
            densities.append(self._uniform.standing())
        masses = np.zeros((len(densities), 2, CELLS))
        for row, density in enumerate(densities):
            sides = (density.long_usd[0], density.short_usd[0])
            masses[row] = masses_by_distance(density.low_log_price, density.bin_width, sides, self._close)
        return masses


class UniformLevels:
    """B3's standing levels, bar by bar: constant mass .2 to 10 % away from every low, high and close.

    The same rule as `baselines.uniform`, on bins that follow the price instead of spanning all bars at once:
    what a bar leaves must not depend, even in rounding, on bars after it.
    """

    def __init__(self) -> None:
        self._nearest, self._farthest = (round(offset / BIN_WIDTH) for offset in _B3_OFFSETS)
        self._size = 8 * self._farthest
        self._first: int | None = None
        self._long: FloatArray = np.zeros(self._size)
        self._short: FloatArray = np.zeros(self._size)

    def step(self, high: float, low: float, close: float) -> None:
        """Sweep what a bar's extremes touched, then add its own levels."""
        highest, lowest, last = (math.log(price) / BIN_WIDTH for price in (high, low, close))
        self._make_room(math.floor(lowest), math.floor(highest))
        assert self._first is not None
        self._sweep(lowest - self._first, highest - self._first)
        mass = _B3_MASS / (self._farthest - self._nearest)
        for entry, share in ((lowest, 0.25), (highest, 0.25), (last, 0.5)):
            at = math.floor(entry) - self._first
            self._long[at - self._farthest : at - self._nearest] += share * mass
            self._short[at + self._nearest + 1 : at + self._farthest + 1] += share * mass

    def standing(self) -> LevelDensity:
        """What stands, in the baseline's own unit; only after the first bar."""
        assert self._first is not None
        return LevelDensity(self._first * BIN_WIDTH, BIN_WIDTH, self._long[None], self._short[None])

    def _sweep(self, low: float, high: float) -> None:
        bottom, top = math.floor(low), math.floor(high)
        spared = self._long[bottom] * (low - bottom), self._short[top] * (top + 1 - high)
        self._long[bottom:] = 0.0
        self._short[: top + 1] = 0.0
        self._long[bottom], self._short[top] = spared

    def _make_room(self, lowest: int, highest: int) -> None:
        reach = self._farthest + 2
        first = self._first
        if first is not None and first <= lowest - reach and highest + reach < first + self._size:
            return
        size = max(self._size, 2 * (highest - lowest + 2 * reach))
        made = (lowest + highest) // 2 - size // 2
        long, short = np.zeros((2, size))
        if first is not None:
            begin, end = max(first, made), min(first + self._size, made + size)
            if begin < end:
                long[begin - made : end - made] = self._long[begin - first : end - first]
                short[begin - made : end - made] = self._short[begin - first : end - first]
        self._first, self._size, self._long, self._short = made, size, long, short
