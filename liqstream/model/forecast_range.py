"""How far the price will run within a horizon: the expected range R, and the chance to reach a distance S.

Both are fitted walk-forward on the market's own UTC-aligned windows (docs/model.md). R regresses the log
range on past log ranges and the hour of day; S is the share of past windows whose excursion, measured in R as
it was forecast at that time, was larger. Shipped priors stand in while a market is new, and own data takes
over with the half-life of the calibration.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from liqstream.market import HOUR_MS, FloatArray
from liqstream.model.calibration import HALF_LIFE_MS
from liqstream.model.forecast_features import ExponentialMeans, Horizon, Window
from liqstream.model.forecast_ridge import YEAR_MS, Moments

HOUR_PENALTY = 0.09
"""Ridge on the raw hour-of-day columns."""

MIN_WINDOWS = 72
"""So many past windows are needed before own data alone say a range."""

MIN_EXCURSIONS = 48
"""So many past excursions, of both sides, are needed before own data alone say a chance."""

REACH_STEP = 0.02
REACH_STEPS = 500
"""S is kept as a table over u = 0, .02, ... 10 expected ranges; beyond it nothing is reached."""

REACH_GRID: FloatArray = np.arange(REACH_STEPS + 1, dtype=np.float64) * REACH_STEP


@dataclass(frozen=True, slots=True, eq=False)
class RangePrior:
    """Coefficients of the range and the table S, as fitted on another market's or span's windows."""

    coefficients: FloatArray
    reach: FloatArray


def own_share(known_ms: int) -> float:
    """The weight of own data after so much of it beside a prior: half after a week."""
    return 1.0 - float(0.5 ** (known_ms / HALF_LIFE_MS))


def chance_of(reach: FloatArray, log_distance: FloatArray, log_range: float) -> FloatArray:
    """Chance that the price runs so far (log distances, from 0 up): the table S at x / R."""
    chances: FloatArray = np.interp(log_distance * math.exp(-log_range), REACH_GRID, reach, right=0.0)
    return chances


@dataclass(slots=True)
class RangeForecast:
    """R and S of one market and horizon: `row` and `learn` per aligned window, `refit` once a day."""

    horizon: Horizon
    prior: RangePrior | None = None
    reach: FloatArray | None = None
    coefficients: FloatArray | None = None
    windows: int = 0
    _moments: Moments = field(init=False)
    _reached: deque[float] = field(init=False)
    _fresh: int = 0

    def __post_init__(self) -> None:
        """Make the sums the fit rests on, empty; two excursions per window of a year are kept."""
        self._moments = Moments(len(self.horizon.range_half_lives) + 2 + self._hour_columns)
        self._reached = deque(maxlen=2 * YEAR_MS // self.horizon.length_ms)
        if self.prior is not None:
            self.reach = self.prior.reach

    @property
    def _hour_columns(self) -> int:
        return 23 if self.horizon.hour_dummies else 2

    def row(self, time_ms: int, past: ExponentialMeans) -> FloatArray | None:
        """The regressors of the window that begins at `time_ms`; None before any past window."""
        if past.last is None:
            return None
        hours = (time_ms % (24 * HOUR_MS)) / HOUR_MS
        row = np.zeros(len(self.horizon.range_half_lives) + 2 + self._hour_columns)
        row[0], row[1] = 1.0, past.last[0]
        first = 2 + len(self.horizon.range_half_lives)
        row[2:first] = past.values[:, 0]
        if not self.horizon.hour_dummies:
            angle = hours * (math.pi / 12)
            row[first], row[first + 1] = math.sin(angle), math.cos(angle)
        elif int(hours):
            row[first + int(hours) - 1] = 1.0
        return row

    def log_range(self, row: FloatArray) -> float | None:
        """ln R for a row; None while there are neither enough own windows nor a prior."""
        own = None if self.coefficients is None else float(row @ self.coefficients)
        if self.prior is None:
            return own
        given = float(row @ self.prior.coefficients)
        if own is None:
            return given
        share = own_share(self.windows * self.horizon.length_ms)
        return share * own + (1 - share) * given

    def learn(self, time_ms: int, row: FloatArray, log_range: float | None, window: Window) -> None:
        """Take in a window that has ended: the row it had at its beginning and the ln R stated then."""
        self._moments.add(time_ms, row[None], np.array([window.log_range]))
        self.windows += 1
        if log_range is not None:
            expected = math.exp(log_range)
            self._reached.append(math.log(window.open / window.low) / expected)
            self._reached.append(math.log(window.high / window.open) / expected)

    def refit(self, time_ms: int) -> None:
        """Fit coefficients and S anew on the windows that ended by `time_ms`, of a year at most."""
        self._moments.forget(time_ms - YEAR_MS)
        if self._moments.count >= MIN_WINDOWS:
            penalty = np.zeros(self._moments.columns)
            penalty[-self._hour_columns :] = HOUR_PENALTY
            self.coefficients = self._moments.least_squares(penalty)
        if len(self._reached) >= MIN_EXCURSIONS:
            reached = np.sort(np.array(self._reached))
            own = 1.0 - np.searchsorted(reached, REACH_GRID, side="right") / len(reached)
            share = 1.0 if self.prior is None else own_share(self.windows * self.horizon.length_ms)
            self.reach = own if self.prior is None else share * own + (1 - share) * self.prior.reach
