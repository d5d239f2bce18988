"""The forecast: how much will be liquidated per side within a horizon, and is a distance reached.

F is what stands, weighted with the chance that the price reaches it; cF the same with a factor of its own.
What is served is a ridge regression of y = ln(USD + 10 000) on past liquidations, expected range, bent past
extremes and F; cF stands in until 300 windows are known (docs/model.md). Everything is learned walk-forward
from windows that ended before: pure NumPy, one object per market and horizon, fed bar by bar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from liqstream.market import DAY_MS, HOUR_MS, FloatArray
from liqstream.model.forecast_features import (
    AR_HALF_LIVES,
    CELL_WIDTH,
    CELLS,
    EXCURSION_HOURS,
    MASS_WITHIN_RANGES,
    ExponentialMeans,
    Horizon,
    PriceHistory,
    Window,
    bend_columns,
    log_usd,
    mass_columns,
    move_columns,
    past_usd_columns,
)
from liqstream.model.forecast_priors import HorizonPrior
from liqstream.model.forecast_range import RangeForecast, RangePrior, chance_of
from liqstream.model.forecast_ridge import RidgeRows
from liqstream.model.forecast_rows import (
    COMBINATION,
    REACH_ONLY,
    FactorPair,
    SpreadForecast,
    SpreadPrior,
    bounded,
    usd_of,
)

CELL_MIDDLES: FloatArray = (np.arange(CELLS, dtype=np.float64) + 0.5) * CELL_WIDTH

_HOUR_COLUMNS = 23

FIRST_MAP = "map"

SERVED_ROWS: dict[str, tuple[str, ...]] = {
    "AR+vol": ("past", "range"),
    "AR+vol+hour": ("past", "range", "hour"),
    "N2": ("past", "range", "moves", "bends"),
    COMBINATION: ("past", "range", "moves", "bends", FIRST_MAP),
}
"""Column groups of what a server fits: what is served, and what it is judged against."""


@dataclass(frozen=True, slots=True, eq=False)
class RowForecast:
    """One row's forecast of longs and shorts: y_hat, expected USD, quantiles of y of shape (2, 3) or None."""

    y_hat: FloatArray
    usd: FloatArray
    quantiles: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class HorizonForecast:
    """A forecast as issued at `time_ms` for the window that begins there.

    `rows` holds every row that could be stated by then, always `cF`; `reached_usd` is F per map and side.
    `open_interest_usd` is what its prior was scaled by, 0 where unknown. `features` is None before any
    realised liquidations were known. `reach` is the table S that chances are read from.
    """

    time_ms: int
    log_range: float
    range_row: FloatArray
    reached_usd: FloatArray
    open_interest_usd: float
    rows: dict[str, RowForecast]
    reach: FloatArray
    features: FloatArray | None = None

    def chance(self, log_distance: FloatArray) -> FloatArray:
        """Chance that the price runs so far (log distances, from 0 up) within the horizon: S(x / R)."""
        return chance_of(self.reach, log_distance, self.log_range)

    def row(self, name: str) -> RowForecast:
        """The named row; cF where it could not be stated yet."""
        return self.rows.get(name, self.rows[REACH_ONLY])


@dataclass(slots=True)
class _Past:
    """What past windows of one phase (their end within the horizon) leave: log ranges and y."""

    horizon: Horizon
    last: Window | None = None
    end_ms: int = -1
    ranges: ExponentialMeans = field(init=False)
    usd: ExponentialMeans = field(init=False)

    def __post_init__(self) -> None:
        """Make the means, empty."""
        self.ranges = ExponentialMeans(self.horizon.range_half_lives)
        self.usd = ExponentialMeans(AR_HALF_LIVES, 2)


class HorizonForecaster:
    """Forecasts of one market and horizon: `observe` what ended at a moment, then `issue`.

    Every moment of issue has its own chain of windows that end there; only windows that begin at a multiple
    of the horizon (UTC) are learned from. `map_names` are the maps that masses are given for: the first is
    the one served, others (for a score) are scaled to its mean F. `rows` names the regressions by the groups
    of columns they use: past, range, moves, bends, hour, and the maps' names.
    """

    def __init__(
        self,
        horizon: Horizon,
        *,
        map_names: tuple[str, ...] = (FIRST_MAP,),
        rows: Mapping[str, tuple[str, ...]] = SERVED_ROWS,
        prior: HorizonPrior | None = None,
    ) -> None:
        self.horizon = horizon
        self.prior = prior
        self.map_names = map_names
        groups = _groups(horizon, map_names, any("hour" in row for row in rows.values()))
        # Whether any row uses the hour of day.
        self._hours = "hour" in groups
        # Hours whose extremes are looked up once, and which of them moves and bends use.
        self._spans = tuple(sorted({*EXCURSION_HOURS, *horizon.extreme_hours}))
        # Places of the excursions' hours among them.
        self._move_spans = [self._spans.index(span) for span in EXCURSION_HOURS]
        # Places of the extremes' hours among them.
        self._bend_spans = [self._spans.index(span) for span in horizon.extreme_hours]
        self.width = max(int(group[-1]) for group in groups.values()) + 1
        columns = {name: np.concatenate([groups[group] for group in row]) for name, row in rows.items()}
        self.ranges = RangeForecast(horizon, None if prior is None else prior.range)
        self.ridge = RidgeRows(self.width, columns, horizon.penalties)
        names = (REACH_ONLY, *rows)
        # Interval per row, cF included.
        self.spreads = {
            name: SpreadForecast(horizon, None if prior is None else prior.spread_of(name)) for name in names
        }
        # Realised over forecast USD per row, cF included.
        self._factors = {name: FactorPair(horizon) for name in names}
        if prior is not None:
            self._factors[REACH_ONLY].start = np.array(prior.factors)
        # Past windows by the moment within the horizon at which they end, in ms.
        self._pasts: dict[int, _Past] = {}
        # The aligned forecast whose window has not ended; learned from when it does.
        self._issued: HorizonForecast | None = None
        # Sums of F per map over aligned windows: maps after the first are scaled to its mean.
        self._reached_sums: FloatArray = np.zeros(len(map_names))
        # UTC day of the last refit, in days since the epoch.
        self._refit_day = -1

    def observe(self, end_ms: int, window: Window | None, realised_usd: FloatArray | None) -> None:
        """Take in the window that ends now: its prices, and realised USD of longs and shorts.

        None stands for what is not known; nothing is learned from that.
        """
        past = self._past(end_ms)
        aligned = end_ms % self.horizon.length_ms == 0
        if aligned:
            self._settle(end_ms, window, realised_usd)
        if window is not None:
            past.last, past.end_ms = window, end_ms
            past.ranges.learn(np.array([window.log_range]))
        if realised_usd is not None:
            past.usd.learn(log_usd(realised_usd))
        if aligned and end_ms // DAY_MS != self._refit_day:
            self.refit(end_ms)

    def refit(self, time_ms: int) -> None:
        """Fit everything anew on what was learned by now; done by `observe` once a day (UTC)."""
        self._refit_day = time_ms // DAY_MS
        self.ranges.refit(time_ms)
        self.ridge.refit(time_ms)
        for spread in self.spreads.values():
            spread.refit()

    def issue(
        self, history: PriceHistory, masses: FloatArray, open_interest_usd: float
    ) -> HorizonForecast | None:
        """The forecast of the window that begins at the last bar's close; None while nothing can be stated.

        `masses` is what stands there, before calibration: USD of shape (maps, 2, cells of distance).
        """
        time_ms = history.end_ms
        past = None if time_ms is None else self._pasts.get(time_ms % self.horizon.length_ms)
        if time_ms is None or past is None or past.last is None:
            return None
        range_row = self.ranges.row(time_ms, past.ranges)
        log_range = None if range_row is None else self.ranges.log_range(range_row)
        if range_row is None or log_range is None or self.ranges.reach is None:
            # Windows are learned from even while their range cannot be stated: the fit begins with them.
            self._remember(time_ms, range_row, log_range)
            return None
        chances = chance_of(self.ranges.reach, CELL_MIDDLES, log_range)
        reached = masses @ chances
        scaled, reached = self._scaled(masses, reached, aligned=time_ms % self.horizon.length_ms == 0)
        features = None
        if past.usd.last is not None:
            features = self._features(time_ms, past, history, log_range, (scaled, reached))
        rows = {REACH_ONLY: self._reach_only(reached[0], log_range)}
        if features is not None and self.ridge.fitted:
            for name, y_hat in self.ridge.predict(features).items():
                rows[name] = self._row(name, bounded(y_hat), log_range)
        made = HorizonForecast(
            time_ms, log_range, range_row, reached, open_interest_usd, rows, self.ranges.reach, features
        )
        if time_ms % self.horizon.length_ms == 0:
            self._issued = made
        return made

    def learned(self, from_ms: int, to_ms: int) -> HorizonPrior | None:
        """What was learned over a span, as a starting point for another market; None when that is too
        little."""
        coefficients, reach = self.ranges.coefficients, self.ranges.reach
        spreads = {
            name: SpreadPrior(spread.quantiles, spread.edges)
            for name, spread in self.spreads.items()
            if spread.quantiles is not None and spread.edges is not None
        }
        if coefficients is None or reach is None or REACH_ONLY not in spreads:
            return None
        long, short = self._factors[REACH_ONLY].factors.tolist()
        return HorizonPrior(from_ms, to_ms, RangePrior(coefficients, reach), (long, short), spreads)

    def _past(self, end_ms: int) -> _Past:
        return self._pasts.setdefault(end_ms % self.horizon.length_ms, _Past(self.horizon))

    def _remember(self, time_ms: int, row: FloatArray | None, log_range: float | None) -> None:
        if row is not None and time_ms % self.horizon.length_ms == 0:
            stated = math.nan if log_range is None else log_range
            nothing = np.zeros((len(self.map_names), 2))
            self._issued = HorizonForecast(time_ms, stated, row, nothing, 0.0, {}, np.zeros(0))

    def _scaled(
        self, masses: FloatArray, reached: FloatArray, *, aligned: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Masses and F of every map, those after the first scaled to its mean F so far."""
        sums = self._reached_sums + reached.sum(axis=1)
        if aligned:
            self._reached_sums = sums
        if len(sums) == 1:
            return masses, reached
        factors = np.ones(len(sums))
        np.divide(sums[0], sums, out=factors, where=sums > 0)
        return masses * factors[:, None, None], reached * factors[:, None]

    def _features(
        self,
        time_ms: int,
        past: _Past,
        history: PriceHistory,
        log_range: float,
        maps: tuple[FloatArray, FloatArray],
    ) -> FloatArray:
        assert past.last is not None
        extremes = history.extremes(self._spans)
        parts = [
            past_usd_columns(past.usd),
            np.full((1, 2), log_range),
            move_columns(past.last, extremes.at(self._move_spans), log_range),
            bend_columns(extremes.at(self._bend_spans), log_range),
        ]
        parts += [mass_columns(f, standing, log_range) for standing, f in zip(*maps, strict=True)]
        if self._hours:
            hour = np.zeros((_HOUR_COLUMNS, 2))
            if at := time_ms % DAY_MS // HOUR_MS:
                hour[at - 1] = 1.0
            parts.append(hour)
        return np.concatenate(parts)

    def _reach_only(self, reached_usd: FloatArray, log_range: float) -> RowForecast:
        usd = self._factors[REACH_ONLY].factors * reached_usd
        y_hat = log_usd(usd)
        return RowForecast(y_hat, usd, self.spreads[REACH_ONLY].around(y_hat, log_range))

    def _row(self, name: str, y_hat: FloatArray, log_range: float) -> RowForecast:
        usd = self._factors[name].factors * usd_of(y_hat)
        return RowForecast(y_hat, usd, self.spreads[name].around(y_hat, log_range))

    def _settle(self, end_ms: int, window: Window | None, realised_usd: FloatArray | None) -> None:
        """Learn from the window that ends now, if its forecast was issued."""
        issued, self._issued = self._issued, None
        if issued is None or issued.time_ms != end_ms - self.horizon.length_ms:
            return
        if window is not None:
            stated = None if math.isnan(issued.log_range) else issued.log_range
            self.ranges.learn(issued.time_ms, issued.range_row, stated, window)
        if realised_usd is None or not issued.rows:
            return
        y = log_usd(realised_usd)
        for name, row in issued.rows.items():
            self.spreads[name].learn(y - row.y_hat, issued.log_range)
            forecast_usd = issued.reached_usd[0] if name == REACH_ONLY else usd_of(row.y_hat)
            self._factors[name].learn(realised_usd, forecast_usd, issued.open_interest_usd)
        if issued.features is not None:
            self.ridge.learn(issued.time_ms, issued.features, y)


def _groups(horizon: Horizon, map_names: tuple[str, ...], with_hours: bool) -> dict[str, NDArray[np.int64]]:
    """The columns of each group, in the order `_features` makes them."""
    sizes = {
        "past": 2 * (1 + len(AR_HALF_LIVES)),
        "range": 1,
        "moves": 1 + 2 * len(EXCURSION_HOURS),
        "bends": 6 * len(horizon.extreme_hours),
        **dict.fromkeys(map_names, 2 * (1 + len(MASS_WITHIN_RANGES))),
    }
    if with_hours:
        sizes["hour"] = _HOUR_COLUMNS
    ends = np.cumsum(list(sizes.values()))
    return {
        name: np.arange(end - size, end)
        for (name, size), end in zip(sizes.items(), ends.tolist(), strict=True)
    }
