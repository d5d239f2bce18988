"""The estimator: bars and open interest in, liquidation notional by price out (M0 of docs/model.md).

Per bar and market: what the bar's extremes touched is consumed, the rest decays by the clock, and both sides
gain in proportion to open interest and the bar's range, spread along the bar's path and over the kernel.
What the same bar sweeps again is predicted but never stands. Pure NumPy: arrays in, arrays out; a step is
microseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.market import DAY_MS, HOUR_MS, Bars, FloatArray, TimeArray
from liqstream.model.bar_path import BarPath, walk
from liqstream.model.book import Book, Totals
from liqstream.model.calibration import Amplitude
from liqstream.model.density import LevelDensity
from liqstream.model.far_store import COARSE
from liqstream.model.kernel import Kernel
from liqstream.model.open_interest import KnownInterest, known_interest
from liqstream.model.spread import BIN_WIDTH, spread_of

RANGE_EXPONENT = 1.5
SAME_BAR_WEIGHT = 0.5
"""kappa: weight with which the own sweep of a bar of up to an hour counts as predicted."""

HALF_LIFE_MS = 4 * DAY_MS
"""What stands halves in so long: by the clock, so that it does not depend on the length of bars."""

LATE_BARS = 12
"""So many of the last bars that were learned from can be amended."""

_CHUNK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """USD each bar was predicted to liquidate, per side, shape (bars,), given the bar's own path.

    `map_*` is what stood on the map and was consumed, `swept_*` the bar's own entries it swept again; both
    before calibration. `amplitude_*` is the calibration known before the bar, `open_interest_usd` what the
    bar's additions rest on (0 where unknown), `same_bar_weight` what the swept part counts.
    """

    open_time_ms: TimeArray
    same_bar_weight: float
    map_long_usd: FloatArray
    map_short_usd: FloatArray
    swept_long_usd: FloatArray
    swept_short_usd: FloatArray
    amplitude_long: FloatArray
    amplitude_short: FloatArray
    open_interest_usd: FloatArray

    @property
    def raw_long_usd(self) -> FloatArray:
        """Map and same-bar part of the longs, before calibration."""
        return self.map_long_usd + self.same_bar_weight * self.swept_long_usd

    @property
    def raw_short_usd(self) -> FloatArray:
        """Map and same-bar part of the shorts, before calibration."""
        return self.map_short_usd + self.same_bar_weight * self.swept_short_usd

    @property
    def long_usd(self) -> FloatArray:
        """Calibrated prediction of the longs: map and same-bar part."""
        return self.amplitude_long * self.raw_long_usd

    @property
    def short_usd(self) -> FloatArray:
        """Calibrated prediction of the shorts: map and same-bar part."""
        return self.amplitude_short * self.raw_short_usd


class Estimator:
    """The standing liquidation notional of one market, kept up to date by its closed bars.

    One estimator per exchange and symbol; maps of several exchanges are added up. `first_amplitudes`, of
    longs and shorts, calibrate it until realised liquidations do. It is not thread-safe; `copy` gives an
    independent one.
    """

    __slots__ = ("_amplitude", "_book", "_interest", "_last_time_ms", "_learned_ms", "interval_ms", "kernel")

    def __init__(
        self, kernel: Kernel, *, interval_ms: int, first_amplitudes: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        if interval_ms <= 0:
            raise ValueError(f"the bar interval must be positive, not {interval_ms} ms")
        self.kernel = kernel
        self.interval_ms = interval_ms
        self._book = Book(spread_of(kernel))
        self._interest = KnownInterest()
        long, short = first_amplitudes
        self._amplitude = (Amplitude(interval_ms, first=long), Amplitude(interval_ms, first=short))
        self._last_time_ms: int | None = None
        self._learned_ms: tuple[int, ...] = ()  # open times of the last LATE_BARS bars that were learned from

    @property
    def last_open_time_ms(self) -> int | None:
        """Open time of the last bar taken in; None before the first."""
        return self._last_time_ms

    @property
    def totals(self) -> tuple[Totals, Totals]:
        """The long and the short books, in USD before calibration."""
        return self._book.long_totals, self._book.short_totals

    @property
    def calibrating(self) -> bool:
        """True while realised liquidations of less than two weeks have been seen."""
        return any(side.calibrating for side in self._amplitude)

    @property
    def checked_ms(self) -> int:
        """Of how long a time realised liquidations have been seen."""
        return min(side.known_ms for side in self._amplitude)

    @property
    def amplitudes(self) -> tuple[float, float]:
        """The displayed calibration factors of longs and shorts."""
        return self._amplitude[0].displayed, self._amplitude[1].displayed

    def copy(self) -> Estimator:
        """An independent estimator in the same state."""
        other = object.__new__(Estimator)
        other.kernel = self.kernel
        other.interval_ms = self.interval_ms
        other._book = self._book.copy()
        other._interest = self._interest
        other._amplitude = (self._amplitude[0].copy(), self._amplitude[1].copy())
        other._last_time_ms = self._last_time_ms
        other._learned_ms = self._learned_ms
        return other

    def rest(self) -> None:
        """Keep what stands in a twelfth to a third of the bytes until the next bar; nothing else changes."""
        self._book.rest()

    @property
    def nbytes(self) -> int:
        """Of the arrays of what stands."""
        return self._book.nbytes

    def advance(
        self,
        bars: Bars,
        *,
        realised_long_usd: FloatArray | None = None,
        realised_short_usd: FloatArray | None = None,
    ) -> Predictions:
        """Take in closed bars, in order and newer than the last; predicted USD per bar and side.

        `realised_*_usd`, one figure per bar and NaN where unknown, calibrate the amplitude of the bars after
        it. Raises ValueError in one sentence for bars no market could have made, and takes in none of them.
        """
        check_bars(bars, interval_ms=self.interval_ms, after_ms=self._last_time_ms)
        realised = (
            _checked_realised(realised_long_usd, len(bars)),
            _checked_realised(realised_short_usd, len(bars)),
        )
        columns = np.zeros((7, len(bars)))
        for start in range(0, len(bars), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._advance(bars[part], (realised[0][part], realised[1][part]), columns[:, part])
        return Predictions(bars.open_time_ms, same_bar_weight(self.interval_ms), *columns)

    def amend(self, open_time_ms: int, long_usd: float, short_usd: float) -> bool:
        """Learn what was liquidated in a bar besides, if it is one of the last LATE_BARS whose liquidations
        were known; whether it is. What was predicted and drawn since stays."""
        if open_time_ms not in self._learned_ms:
            return False
        ago = len(self._learned_ms) - 1 - self._learned_ms.index(open_time_ms)
        for amplitude, usd in zip(self._amplitude, (long_usd, short_usd), strict=True):
            amplitude.amend(usd, ago)
        return True

    def standing(self, forming: Bars | None = None, *, by_group: bool = True) -> LevelDensity:
        """What stands now, in calibrated USD; arrays are the caller's own.

        Without `by_group` the leverage groups are added up in a single row, at a third of the cost.
        `forming`, a bar that is not closed yet, is applied to a copy: a level it crossed is gone at once, and
        the estimator stays as it was. A forming bar that is older than the last closed one is passed over.
        """
        takes_forming = forming is not None and len(forming) and self._is_new(forming)
        book = self._book.copy() if takes_forming or self._book.rests else self._book
        if forming is not None and takes_forming:
            check_bars(forming, interval_ms=self.interval_ms, after_ms=self._last_time_ms)
            added, decay, _, _ = self._additions(forming)
            for path, usd, rate in zip(self._walk(forming), added.tolist(), decay.tolist(), strict=True):
                book.step(path, usd, rate)
        factors = [book.scale * factor for factor in self.amplitudes]
        levels = (book.long, book.short)
        if not by_group:
            levels = (book.long.sum(axis=0, keepdims=True), book.short.sum(axis=0, keepdims=True))
        return LevelDensity(
            book.first_bin * BIN_WIDTH,
            BIN_WIDTH,
            levels[0] * factors[0],
            levels[1] * factors[1],
            tuple(_far_density(book, side, factors[side], by_group) for side in (0, 1) if book.far[side]),
        )

    def _is_new(self, forming: Bars) -> bool:
        return self._last_time_ms is None or int(forming.open_time_ms[0]) > self._last_time_ms

    def _walk(self, bars: Bars) -> list[BarPath]:
        return walk(bars, BIN_WIDTH, self._book.spread.masses)

    def _additions(self, bars: Bars) -> tuple[FloatArray, FloatArray, FloatArray, KnownInterest]:
        """USD each bar adds to either side, its decay rate, open interest in USD, and what is then known."""
        known_base, after = known_interest(bars, self._interest)
        decay = self._decay(bars.open_time_ms)
        open_interest_usd = known_base * bars.close
        share, reference = churn_of(self.interval_ms)
        relative_range = (np.log(bars.high) - np.log(bars.low)) / reference
        added = self.kernel.usd_scale * share * open_interest_usd * relative_range**RANGE_EXPONENT
        return added, decay, open_interest_usd, after

    def _decay(self, times_ms: TimeArray) -> FloatArray:
        """The share of what stands that each bar finds gone: by the clock, whatever lay between."""
        last_ms = self._last_time_ms
        before_ms = int(times_ms[0]) - self.interval_ms if last_ms is None else last_ms
        rates: FloatArray = -np.expm1(-np.log(2) * np.diff(times_ms, prepend=before_ms) / HALF_LIFE_MS)
        return rates

    def _advance(self, bars: Bars, realised: tuple[FloatArray, FloatArray], columns: FloatArray) -> None:
        added, decay, open_interest_usd, self._interest = self._additions(bars)
        paths = self._walk(bars)
        step = self._book.step
        consumed = [
            step(path, usd, rate)
            for path, usd, rate in zip(paths, added.tolist(), decay.tolist(), strict=True)
        ]
        columns[0:2] = np.array(consumed).T
        columns[2] = added * [path.swept_long for path in paths]
        columns[3] = added * [path.swept_short for path in paths]
        columns[6] = open_interest_usd
        for side in (0, 1):
            predicted = columns[side] + same_bar_weight(self.interval_ms) * columns[2 + side]
            columns[4 + side] = _learn(self._amplitude[side], realised[side], predicted, open_interest_usd)
        learned = np.flatnonzero(np.isfinite(realised[0]) & np.isfinite(realised[1]))[-LATE_BARS:]
        self._learned_ms = (*self._learned_ms, *bars.open_time_ms[learned].tolist())[-LATE_BARS:]
        self._last_time_ms = int(bars.open_time_ms[-1])


def churn_of(interval_ms: int) -> tuple[float, float]:
    """phi and reference range of a bar interval: G = phi * OI * (ln(high / low) / reference)^1.5."""
    hours = interval_ms / HOUR_MS
    return 0.02 * hours**0.763, 0.0075 * hours**0.622


def same_bar_weight(interval_ms: int) -> float:
    """kappa of a bar interval: the longer a bar, the more of what it sweeps must count, up to all of it.

    A bar's own sweep never stands. Were it to count .5 in bars of hours too, the calibration would make up
    for the rest in what does stand: .3 more of it on 4h bars than on 5m bars of the same days.
    """
    return min(1.0, SAME_BAR_WEIGHT * math.sqrt(max(1.0, interval_ms / HOUR_MS)))


def check_bars(bars: Bars, *, interval_ms: int, after_ms: int | None = None) -> None:
    """Raise ValueError, in one sentence that names the bar, for bars no market could have made."""
    if bars.interval_ms != interval_ms:
        raise ValueError(f"bars of {bars.interval_ms} ms given to an estimator of {interval_ms} ms bars")
    if not len(bars):
        return
    times = bars.open_time_ms
    backwards = times[1:] <= times[:-1]
    if backwards.any():
        raise ValueError(f"bars must ascend by open time: {times[1:][backwards][0]} does not")
    if after_ms is not None and times[0] <= after_ms:
        raise ValueError(f"bar {times[0]} is not newer than the last one taken in, {after_ms}")
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    # NaN compares as False throughout, so that one look finds anything that is wrong.
    if not ((bars.low > 0) & (bars.low <= bottom) & (top <= bars.high) & (bars.high < np.inf)).all():
        prices = np.stack((bars.open, bars.high, bars.low, bars.close))
        positive = (np.isfinite(prices) & (prices > 0)).all(axis=0)
        _refuse(~positive, times, "has a price that is no positive number")
        _refuse((top > bars.high) | (bottom < bars.low), times, "has a high below its low")
    for interest in (bars.open_interest_base, bars.reported_open_interest):
        _refuse(
            (interest < 0) | (interest == np.inf), times, "has an open interest that is negative or infinite"
        )


def _refuse(bad: NDArray[np.bool_] | np.bool_, times: TimeArray, reason: str) -> None:
    if bad.any():
        raise ValueError(f"bar {times[bad][0]} {reason}")


def _checked_realised(realised_usd: FloatArray | None, bars: int) -> FloatArray:
    if realised_usd is None:
        return np.full(bars, np.nan)
    if len(realised_usd) != bars:
        raise ValueError(f"{len(realised_usd)} realised figures given for {bars} bars")
    if (realised_usd < 0).any() or np.isinf(realised_usd).any():
        raise ValueError("realised liquidations must be USD from 0 up, NaN where unknown")
    return realised_usd


def _far_density(book: Book, side: int, factor: float, by_group: bool) -> LevelDensity:
    """What one side's far store holds, in USD."""
    store = book.far[side]
    usd = store.usd * factor if by_group else store.usd.sum(axis=0, keepdims=True) * factor
    sides = (usd, np.zeros_like(usd)) if side == 0 else (np.zeros_like(usd), usd)
    return LevelDensity(store.first * COARSE * BIN_WIDTH, COARSE * BIN_WIDTH, *sides)


def _learn(
    amplitude: Amplitude, realised: FloatArray, predicted: FloatArray, open_interest_usd: FloatArray
) -> FloatArray:
    """The amplitude before each bar, learning from every bar whose realised USD are known."""
    factors = np.full(len(realised), amplitude.factor)
    passed = 0
    for row in np.flatnonzero(np.isfinite(realised)).tolist():
        amplitude.fade(row - passed)
        factors[row] = amplitude.factor
        amplitude.learn(float(realised[row]), float(predicted[row]), float(open_interest_usd[row]))
        factors[row + 1 :] = amplitude.factor
        passed = row + 1
    amplitude.fade(len(realised) - passed)
    return factors
