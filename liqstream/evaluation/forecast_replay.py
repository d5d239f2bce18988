"""The forecast recomputed walk-forward over stored bars and realised liquidations, with every baseline.

The same object that a server feeds bar by bar is fed here, with more maps and more rows. What is issued at a
moment knows nothing that ended after it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from liqstream.evaluation.forecast_maps import MAP_NAMES, NAIVE_MAPS, ComparedMaps
from liqstream.evaluation.scoring_data import Realised
from liqstream.market import DAY_MS, HOUR_MS, Bars, FloatArray, TimeArray
from liqstream.model.forecast import HorizonForecast, HorizonForecaster
from liqstream.model.forecast_content import DISTANCES, strongest_cells
from liqstream.model.forecast_features import Horizon, PriceHistory, Window
from liqstream.model.forecast_priors import HorizonPrior
from liqstream.model.forecast_rows import COMBINATION, QUANTILES, REACH_ONLY
from liqstream.model.kernel import Kernel

_RULE = ("past", "range", "moves")
_BENT = (*_RULE, "bends")

ROWS: dict[str, tuple[str, ...]] = {
    "climatology": ("hour",),
    "AR": ("past",),
    "AR+vol": ("past", "range"),
    "AR+vol+hour": ("past", "range", "hour"),
    "N1": _RULE,
    "N1+T": (*_RULE, "map"),
    **{f"N1+{name}": (*_RULE, name) for name in NAIVE_MAPS},
    "N2": _BENT,
    COMBINATION: (*_BENT, "map"),
    **{f"N2+{name}": (*_BENT, name) for name in NAIVE_MAPS},
}
"""Every regression that is scored, by the groups of columns it uses."""

ISSUED_ROWS = (REACH_ONLY, *ROWS)
_PARTS = 2 + len(QUANTILES)

_NOTHING: FloatArray = np.full(2, np.nan)


@dataclass(slots=True, eq=False)
class Replay:
    """What was forecast for each UTC-aligned window, and what came; lists of equal length, then arrays.

    `rows` are of shape (ISSUED_ROWS, 2, 5): y_hat, expected USD and three quantiles of y per named row and
    side, NaN where there was none; `cases` are log distances per side (DISTANCES, then bands), `chances` the
    chance stated for each, `excursions` how far the window ran to either side, `volatility` the root mean
    square of past hourly log returns.
    """

    horizon: Horizon
    time_ms: list[int] = field(default_factory=list)
    log_range: list[float] = field(default_factory=list)
    realised_usd: list[FloatArray] = field(default_factory=list)
    reached_usd: list[FloatArray] = field(default_factory=list)
    rows: list[FloatArray] = field(default_factory=list)
    cases: list[FloatArray] = field(default_factory=list)
    chances: list[FloatArray] = field(default_factory=list)
    excursions: list[FloatArray] = field(default_factory=list)
    volatility: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.time_ms)

    @property
    def times(self) -> TimeArray:
        """Beginnings of the windows, UTC epoch ms."""
        return np.array(self.time_ms, dtype=np.int64)

    def y_hat(self, name: str) -> FloatArray:
        """A row's y_hat, shape (windows, 2)."""
        return self._of(name)[:, :, 0]

    def usd(self, name: str) -> FloatArray:
        """A row's expected USD, shape (windows, 2)."""
        return self._of(name)[:, :, 1]

    def quantiles(self, name: str) -> FloatArray:
        """A row's quantiles of y, shape (windows, 2, 3)."""
        return self._of(name)[:, :, 2:]

    def realised(self) -> FloatArray:
        """Realised USD of longs and shorts, NaN where unknown; shape (windows, 2)."""
        return np.array(self.realised_usd).reshape(len(self), 2)

    def known(self) -> NDArray[np.bool_]:
        """Windows whose realised liquidations are known."""
        return np.asarray(np.isfinite(self.realised()).all(axis=1))

    def complete(self) -> NDArray[np.bool_]:
        """Windows that every regression was fitted for and whose realised liquidations are known."""
        fitted = np.isfinite(self.y_hat(COMBINATION)).all(axis=1)
        return np.asarray(fitted & self.known())

    def _of(self, name: str) -> FloatArray:
        at = ISSUED_ROWS.index(name)
        stacked: FloatArray = np.array([rows[at] for rows in self.rows]).reshape(-1, 2, _PARTS)
        return stacked


class _Recorder:
    """One horizon's forecaster and what it issued, completed when the window has ended."""

    def __init__(self, forecaster: HorizonForecaster, realised: Realised) -> None:
        horizon = self.horizon = forecaster.horizon
        self.forecaster = forecaster
        self.found = Replay(horizon)
        self._realised = _by_window(realised, horizon.length_ms)
        self._open: tuple[HorizonForecast, FloatArray, float] | None = None

    def step(self, end_ms: int, history: PriceHistory, maps: _Standing, volatility: float) -> None:
        """Settle the window that ends now and issue the next one's forecast, if this is a moment for it."""
        if end_ms % self.horizon.length_ms:
            return
        window = history.window(end_ms, self.horizon.length_ms)
        realised_usd = self._realised.get(end_ms - self.horizon.length_ms)
        self._complete(end_ms, window, realised_usd)
        self.forecaster.observe(end_ms, window, realised_usd)
        if history.end_ms != end_ms:
            return
        masses, open_interest_usd = maps.get()
        issued = self.forecaster.issue(history, masses, open_interest_usd)
        self._open = None if issued is None else (issued, _cases(masses[0]), volatility)

    def _complete(self, end_ms: int, window: Window | None, realised_usd: FloatArray | None) -> None:
        opened, self._open = self._open, None
        if opened is None or window is None or opened[0].time_ms != end_ms - self.horizon.length_ms:
            return
        issued, cases, volatility = opened
        found = self.found
        found.time_ms.append(issued.time_ms)
        found.log_range.append(issued.log_range)
        found.realised_usd.append(_NOTHING if realised_usd is None else realised_usd)
        found.reached_usd.append(issued.reached_usd)
        found.rows.append(_issued_figures(issued))
        found.cases.append(cases)
        found.chances.append(issued.chance(cases))
        found.excursions.append(
            np.array([math.log(window.open / window.low), math.log(window.high / window.open)])
        )
        found.volatility.append(volatility)


def _issued_figures(issued: HorizonForecast) -> FloatArray:
    stated = np.full((len(ISSUED_ROWS), 2, _PARTS), np.nan)
    for name, row in issued.rows.items():
        at = stated[ISSUED_ROWS.index(name)]
        at[:, 0], at[:, 1] = row.y_hat, row.usd
        if row.quantiles is not None:
            at[:, 2:] = row.quantiles
    return stated


class _Standing:
    """What stands at one moment, worked out when the first horizon asks."""

    def __init__(self, maps: ComparedMaps) -> None:
        self._maps = maps
        self._found: FloatArray | None = None

    def get(self) -> tuple[FloatArray, float]:
        if self._found is None:
            self._found = self._maps.masses()
        return self._found, self._maps.open_interest_usd


def replay(
    bars: Bars,
    realised: Realised,
    kernel: Kernel,
    horizons: Sequence[Horizon],
    *,
    priors: dict[str, HorizonPrior] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Replay]:
    """Issue and settle every UTC-aligned forecast over the bars, by horizon.

    The horizons must be multiples of the bars' interval and of the realised totals'. A horizon in `priors`
    starts from there.
    """
    recorders = [
        _Recorder(_with_baselines(horizon, (priors or {}).get(horizon.name)), realised)
        for horizon in horizons
    ]
    _run(bars, ComparedMaps(kernel, bars.interval_ms), recorders, progress)
    return {recorder.horizon.name: recorder.found for recorder in recorders}


def shuffled_replays(
    bars: Bars, realised: Realised, kernel: Kernel, horizon: Horizon, seeds: Sequence[int]
) -> list[Replay]:
    """The null of the forecast: recomputed on realised totals whose days were shuffled, once per seed.

    Prices and maps stay what they were, so nothing that they know is about the totals any more.
    """
    recorders = [_Recorder(_with_baselines(horizon, None), shuffled_by_day(realised, seed)) for seed in seeds]
    _run(bars, ComparedMaps(kernel, bars.interval_ms), recorders, lambda _: None)
    return [recorder.found for recorder in recorders]


def shuffled_by_day(realised: Realised, seed: int) -> Realised:
    """Realised totals whose UTC days have changed places; the time of day stays."""
    of_row = realised.open_time_ms // DAY_MS
    days = np.unique(of_row)
    places = np.random.default_rng(seed).permutation(days)
    moved = places[np.searchsorted(days, of_row)] * DAY_MS + realised.open_time_ms % DAY_MS
    order = np.argsort(moved, kind="stable")
    return replace(
        realised,
        open_time_ms=moved[order],
        long_usd=realised.long_usd[order],
        short_usd=realised.short_usd[order],
    )


def fitted_prior(bars: Bars, realised: Realised, kernel: Kernel, horizon: Horizon) -> HorizonPrior | None:
    """What a horizon's forecast has learned after these bars; None when that is too little."""
    recorder = _Recorder(HorizonForecaster(horizon), realised)
    _run(bars, ComparedMaps(kernel, bars.interval_ms, MAP_NAMES[:1]), [recorder], lambda _: None)
    from_ms, to_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1]) + bars.interval_ms
    return recorder.forecaster.learned(from_ms, to_ms)


def _with_baselines(horizon: Horizon, prior: HorizonPrior | None) -> HorizonForecaster:
    return HorizonForecaster(horizon, map_names=MAP_NAMES, rows=ROWS, prior=prior)


def _run(
    bars: Bars, maps: ComparedMaps, recorders: Sequence[_Recorder], progress: Callable[[str], None]
) -> None:
    step_ms = math.gcd(*(recorder.horizon.length_ms for recorder in recorders))
    history = PriceHistory(bars.interval_ms)
    volatility = _Volatility()
    ends = bars.open_time_ms + bars.interval_ms
    of_step = -(-ends // step_ms)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(of_step)) + 1, [len(bars)])).tolist()
    for number, (start, stop) in enumerate(pairwise(starts)):
        if number % 50 == 0:
            progress(f"forecasting, {stop / max(len(bars), 1):.0%}")
        part = bars[start:stop]
        maps.advance(part)
        for row in range(len(part)):
            prices = (part.open[row], part.high[row], part.low[row], part.close[row])
            history.append(int(part.open_time_ms[row]), tuple(map(float, prices)))  # type: ignore[arg-type]
        end_ms = int(of_step[start]) * step_ms
        volatility.learn(end_ms, float(part.close[-1]), int(ends[stop - 1]))
        standing = _Standing(maps)
        for recorder in recorders:
            recorder.step(end_ms, history, standing, volatility.hourly)


class _Volatility:
    """Root mean square of hourly log returns, half-life 24 hours."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._recent: deque[float] = deque(maxlen=240)
        self.hourly = math.nan

    def learn(self, end_ms: int, close: float, last_end_ms: int) -> None:
        """Take in the price at a moment; full hours count, spans over a gap by their length."""
        if end_ms % HOUR_MS or last_end_ms != end_ms:
            return
        if self._last is not None:
            hours = (end_ms - self._last[0]) / HOUR_MS
            self._recent.append(math.log(close / self._last[1]) ** 2 / hours)
            weights = 0.5 ** (np.arange(len(self._recent))[::-1] / 24)
            self.hourly = math.sqrt(float(weights @ np.array(self._recent) / weights.sum()))
        self._last = end_ms, close


def _cases(masses: FloatArray) -> FloatArray:
    """Log distances to score the chance of, per side: DISTANCES, then the strongest cells' middles."""
    bands = strongest_cells(masses)
    return np.concatenate((np.tile(DISTANCES, (2, 1)), bands), axis=1)


def _by_window(realised: Realised, length_ms: int) -> dict[int, FloatArray]:
    """Realised USD of longs and shorts per aligned window all of whose totals are there."""
    count = length_ms // realised.interval_ms
    starts = realised.open_time_ms // length_ms * length_ms
    windows, first, members = np.unique(starts, return_index=True, return_counts=True)
    long = np.add.reduceat(realised.long_usd, first) if len(first) else np.zeros(0)
    short = np.add.reduceat(realised.short_usd, first) if len(first) else np.zeros(0)
    sums = np.stack((long, short), axis=1)
    whole = (members == count) & np.isfinite(sums).all(axis=1)
    return dict(zip(windows[whole].tolist(), sums[whole], strict=True))
