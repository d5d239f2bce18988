"""What the forecast costs: issuing all horizons of a symbol, and the daily refit on a year."""

from __future__ import annotations

import numpy as np

from liqstream.market import Bars
from liqstream.model.estimator import Estimator
from liqstream.model.forecast import HorizonForecaster
from liqstream.model.forecast_features import (
    HORIZONS,
    Horizon,
    PriceHistory,
    Window,
    masses_by_distance,
)
from liqstream.model.forecast_priors import shipped_priors
from liqstream.model.forecast_ridge import YEAR_MS

OPEN_INTEREST_USD = 8e9


class ForecastCost:
    """A market of a week's bars, and forecasters of every horizon that have learned from a year."""

    def __init__(self, bars: Bars, estimator: Estimator) -> None:
        self._estimator = estimator
        self._price = float(bars.close[-1])
        self._history = PriceHistory(bars.interval_ms)
        for time_ms, *prices in zip(
            bars.open_time_ms, bars.open, bars.high, bars.low, bars.close, strict=True
        ):
            open_, high, low, close = map(float, prices)
            self._history.append(int(time_ms), (open_, high, low, close))
        self._end_ms = int(bars.open_time_ms[-1]) + bars.interval_ms
        self._forecasters = [_year(horizon, self._end_ms) for horizon in HORIZONS.values()]
        for forecaster in self._forecasters:
            window = self._history.window(self._end_ms, forecaster.horizon.length_ms)
            forecaster.observe(self._end_ms, window, np.array([1e6, 2e6]))

    def issue(self) -> None:
        """One moment's forecasts of all horizons, from the standing map on."""
        density = self._estimator.standing(by_group=False)
        sides = (density.long_usd[0], density.short_usd[0])
        masses = masses_by_distance(density.low_log_price, density.bin_width, sides, self._price)
        for forecaster in self._forecasters:
            issued = forecaster.issue(self._history, masses[None], OPEN_INTEREST_USD)
            assert issued is not None
            assert "N2+T" in issued.rows

    def refit(self) -> None:
        """The daily refit of all horizons."""
        for forecaster in self._forecasters:
            forecaster.refit(self._end_ms)


def _year(horizon: Horizon, end_ms: int) -> HorizonForecaster:
    """A forecaster that has learned from a year of windows; what they held does not matter here."""
    prior = shipped_priors()[horizon.name]
    forecaster = HorizonForecaster(horizon, prior=prior)
    rng = np.random.default_rng(5)
    for number in range(YEAR_MS // horizon.length_ms):
        time_ms = end_ms - YEAR_MS + number * horizon.length_ms
        forecaster.ridge.learn(time_ms, rng.normal(size=(forecaster.width, 2)), rng.normal(12, 1, 2))
        width = float(rng.uniform(0.002, 0.02))
        window = Window(100.0, 100.0 * (1 + width), 100.0 * (1 - width), 100.0)
        row = rng.normal(size=len(prior.range.coefficients))
        forecaster.ranges.learn(time_ms, row, -5.0, window)
        for spread in forecaster.spreads.values():
            spread.learn(rng.normal(size=2), float(rng.normal(-5, 0.5)))
    forecaster.refit(end_ms)
    return forecaster
