"""What a forecast knows at its moment: past windows, past extremes and what stands, as columns of numbers.

A window is a span of one horizon's length that ends where a forecast is issued. `y` is
ln(USD + 10 000) of one side and window. Every column has one figure per side; `own` is the side the column
belongs to, `other` the opposite one. Nothing here looks past the moment of issue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from liqstream.market import HOUR_MS, FloatArray

LOG_OFFSET_USD = 10_000.0
"""Added to USD before the logarithm: below it a difference is noise."""

MIN_LOG_RANGE = 1e-4
"""A window's range counts at least so much: the logarithm of a flat one would be infinite."""

CELL_WIDTH = 0.001
CELLS = 150
"""Standing levels are summed over cells of 10 bp of log distance from the price, up to 15 %."""

AR_HALF_LIVES = (6.0, 48.0, 168.0)
EXCURSION_HOURS = (6.0, 24.0, 72.0)
MASS_WITHIN_RANGES = (0.5, 1.0, 2.0)
"""Standing mass is summed within so many expected ranges of the price."""

_HOURS_1H = (1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 72.0, 168.0)
_HOURS_30M = (0.5, 1.0, 3.0, 6.0, 12.0, 24.0, 48.0)


@dataclass(frozen=True, slots=True)
class Horizon:
    """One horizon's constants: half-lives count windows, `extreme_hours` hours, `penalties` ridge weights.

    `step_ms` is the least time between two forecasts. `hour_dummies` fits each hour of day its own level of
    range instead of one sine and cosine; it needs every hour among the UTC-aligned windows.
    """

    name: str
    length_ms: int
    range_half_lives: tuple[float, ...]
    extreme_hours: tuple[float, ...]
    penalties: tuple[float, ...]
    step_ms: int
    hour_dummies: bool


HORIZONS: dict[str, Horizon] = {
    horizon.name: horizon
    for horizon in (
        Horizon("30m", HOUR_MS // 2, (6.0, 24.0, 96.0), _HOURS_30M, (30.0, 100.0, 300.0), 1, False),
        Horizon("1h", HOUR_MS, (6.0, 24.0, 120.0), _HOURS_1H, (10.0, 30.0, 100.0, 300.0), 1, True),
        Horizon("4h", 4 * HOUR_MS, (6.0, 24.0, 120.0), _HOURS_1H, (10.0, 30.0, 100.0, 300.0), HOUR_MS, False),
    )
}


@dataclass(frozen=True, slots=True)
class Window:
    """Prices of a window all of whose bars are there, in USD."""

    open: float
    high: float
    low: float
    close: float

    @property
    def log_range(self) -> float:
        """ln of the range ln(high / low), at least that of MIN_LOG_RANGE."""
        return math.log(max(math.log(self.high / self.low), MIN_LOG_RANGE))


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """Lowest, highest and first price of the last hours, one entry per span asked for, and the last close."""

    low: FloatArray
    high: FloatArray
    open: FloatArray
    close: float

    def at(self, rows: list[int]) -> Extremes:
        """Those of some of the spans."""
        return Extremes(self.low[rows], self.high[rows], self.open[rows], self.close)


class PriceHistory:
    """The last bars of one market, long enough for the longest span of any horizon (a week and a day).

    Bars are appended in order; a gap is allowed and makes the windows over it incomplete.
    """

    __slots__ = ("_columns", "_keep", "_size", "_times", "interval_ms")

    def __init__(self, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self._keep = 192 * HOUR_MS // interval_ms + 1
        self._times = np.zeros(2 * self._keep, dtype=np.int64)
        self._columns: FloatArray = np.zeros((4, 2 * self._keep))
        self._size = 0

    @property
    def end_ms(self) -> int | None:
        """Close time of the last bar; None before the first."""
        return int(self._times[self._size - 1]) + self.interval_ms if self._size else None

    def append(self, open_time_ms: int, prices: tuple[float, float, float, float]) -> None:
        """Take in one closed bar's open, high, low and close, newer than the last."""
        if self._size == len(self._times):
            self._times[: self._keep] = self._times[-self._keep :]
            self._columns[:, : self._keep] = self._columns[:, -self._keep :]
            self._size = self._keep
        self._times[self._size] = open_time_ms
        self._columns[:, self._size] = prices
        self._size += 1

    def window(self, end_ms: int, length_ms: int) -> Window | None:
        """The window that ends at `end_ms`; None where a bar of it is missing."""
        count = length_ms // self.interval_ms
        stop = int(np.searchsorted(self._times[: self._size], end_ms))
        start = stop - count
        if start < 0 or count < 1 or int(self._times[start]) != end_ms - length_ms:
            return None
        open_, high, low, close = self._columns[:, start:stop]
        return Window(float(open_[0]), float(high.max()), float(low.min()), float(close[-1]))

    def extremes(self, hours: tuple[float, ...]) -> Extremes:
        """Extremes of the last so many hours (ascending) before the last bar's close, at least that bar."""
        times, (open_, high, low, close) = self._times[: self._size], self._columns[:, : self._size]
        end_ms = int(times[-1]) + self.interval_ms
        starts = np.searchsorted(times, [end_ms - round(span * HOUR_MS) for span in hours])
        lows, highs, opens = np.zeros((3, len(hours)))
        stop, lowest, highest = self._size, math.inf, 0.0
        for row, start in enumerate(np.minimum(starts, self._size - 1).tolist()):
            if start < stop:
                lowest = min(lowest, float(low[start:stop].min()))
                highest = max(highest, float(high[start:stop].max()))
                stop = start
            lows[row], highs[row], opens[row] = lowest, highest, open_[start]
        return Extremes(lows, highs, opens, float(close[-1]))


@dataclass(slots=True)
class ExponentialMeans:
    """Means of a series under exponential weights, one per half-life; `last` is the newest value.

    `values` is of shape (half-lives, width); what is not known is not taken in.
    """

    half_lives: tuple[float, ...]
    width: int = 1
    last: FloatArray | None = None
    _sums: FloatArray = field(init=False)
    _weight: FloatArray = field(init=False)
    _keep: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        """Make the sums, empty."""
        self._keep = 0.5 ** (1.0 / np.array(self.half_lives))[:, None]
        self._sums = np.zeros((len(self.half_lives), self.width))
        self._weight = np.zeros((len(self.half_lives), 1))

    def learn(self, value: FloatArray) -> None:
        """Take in the newest value, of shape (width,)."""
        self.last = value
        self._sums = self._keep * self._sums + value
        self._weight = self._keep * self._weight + 1.0

    @property
    def values(self) -> FloatArray:
        """The means; only after the first value."""
        means: FloatArray = self._sums / self._weight
        return means


def log_usd(usd: FloatArray) -> FloatArray:
    """y = ln(USD + 10 000)."""
    logs: FloatArray = np.log(usd + LOG_OFFSET_USD)
    return logs


def past_usd_columns(past: ExponentialMeans) -> FloatArray:
    """y of the last window and its means (6, 48, 168 windows), own and other; shape (8, 2)."""
    if past.last is None:
        raise ValueError("no past window with known liquidations")
    series = np.vstack((past.last[None], past.values))
    columns: FloatArray = np.stack((series, series[:, ::-1]), axis=1).reshape(-1, 2)
    return columns


def move_columns(last: Window, extremes: Extremes, log_range: float) -> FloatArray:
    """Last return, and the excursions of the last 6, 24, 72 hours, over the expected range; shape (7, 2)."""
    expected = math.exp(log_range)
    moved = math.log(last.close / last.open) / expected
    down = np.log(extremes.open / extremes.low) / expected
    up = np.log(extremes.high / extremes.open) / expected
    both = np.stack((np.stack((down, up), axis=1), np.stack((up, down), axis=1)), axis=1).reshape(-1, 2)
    columns: FloatArray = np.vstack(([[moved, -moved]], both))
    return columns


def bend_columns(extremes: Extremes, log_range: float) -> FloatArray:
    """Distances u to past extremes in expected ranges, bent: ln(u + .05), exp(-u), min(u, 3).

    Six rows per span of hours, own extremes before the other side's; shape (6 spans, 2).
    """
    expected = math.exp(log_range)
    below = np.log(extremes.close / extremes.low) / expected
    above = np.log(extremes.high / extremes.close) / expected
    own, other = np.stack((below, above), axis=1), np.stack((above, below), axis=1)
    columns: FloatArray = np.concatenate([_bent(own), _bent(other)])
    return columns


def _bent(u: FloatArray) -> FloatArray:
    positive = np.maximum(u, 0.0)
    return np.concatenate((np.log(positive + 0.05), np.exp(-positive), np.minimum(positive, 3.0)))


def mass_columns(reached_usd: FloatArray, masses: FloatArray, log_range: float) -> FloatArray:
    """ln(F + 10 000), and the same of the mass within .5, 1, 2 expected ranges, own and other; shape (8, 2).

    `reached_usd` is F of longs and shorts, `masses` what stands by cell of distance, shape (2, cells).
    """
    at = np.array(MASS_WITHIN_RANGES) * (math.exp(log_range) / CELL_WIDTH)
    within = mass_within(masses, at)
    logs = log_usd(np.vstack((reached_usd[None], within)))
    columns: FloatArray = np.stack((logs, logs[:, ::-1]), axis=1).reshape(-1, 2)
    return columns


def mass_within(masses: FloatArray, at_cells: FloatArray) -> FloatArray:
    """USD of each side from the price up to so many cells away; shape (distances, 2)."""
    summed = np.zeros((2, masses.shape[1] + 1))
    np.cumsum(masses, axis=1, out=summed[:, 1:])
    edges = np.arange(masses.shape[1] + 1)
    return np.stack([np.interp(at_cells, edges, side) for side in summed], axis=1)


def masses_by_distance(
    low_log_price: float, bin_width: float, sides: tuple[FloatArray, FloatArray], price: float
) -> FloatArray:
    """USD by cell of log distance from `price`: longs below, shorts above; shape (2, CELLS).

    `sides` are USD in equal log-price bins from `low_log_price` on, longs and shorts. Of a bin that
    straddles two cells, each gets its part.
    """
    at = (math.log(price) - low_log_price) / bin_width
    distance = np.arange(CELLS + 1) * (CELL_WIDTH / bin_width)
    masses = np.zeros((2, CELLS))
    for side, (usd, positions) in enumerate(zip(sides, (at - distance, at + distance), strict=True)):
        summed = np.zeros(len(usd) + 1)
        np.cumsum(usd, out=summed[1:])
        masses[side] = np.abs(np.diff(np.interp(positions, np.arange(len(summed)), summed)))
    return masses
