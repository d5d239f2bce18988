"""What turns a regression's y_hat into what is forecast: expected USD and an interval, learned from the past.

Expected USD is exp(y_hat) - 10 000 times a factor learned as the amplitude is; the interval is quantiles of
past y - y_hat by third of the expected range (docs/model.md).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from liqstream.market import HOUR_MS, FloatArray
from liqstream.model.calibration import PRIOR_PER_OPEN_INTEREST, decay_of
from liqstream.model.forecast_features import LOG_OFFSET_USD, Horizon
from liqstream.model.forecast_range import own_share
from liqstream.model.forecast_ridge import YEAR_MS

REACH_ONLY = "cF"
"""F times its factor: what is served until a regression is fitted."""

COMBINATION = "N2+T"
"""The regression that is served: linear rule, bent extremes and the map."""

QUANTILES = (0.1, 0.5, 0.9)
THIRDS = (1 / 3, 2 / 3)

MIN_RESIDUALS = 60
"""So many past residuals are needed before own data alone say an interval."""

LARGEST_Y = 30.0
"""y_hat is held between that of 0 USD and this, 1e13 USD: a regression far from its data says anything."""


@dataclass(frozen=True, slots=True, eq=False)
class SpreadPrior:
    """Quantiles of y - y_hat by third of ln R, shape (3, 3), and the two ln R between the thirds."""

    quantiles: FloatArray
    edges: FloatArray


@dataclass(slots=True)
class SpreadForecast:
    """The interval around y_hat: quantiles of past residuals by third of R, both sides pooled."""

    horizon: Horizon
    prior: SpreadPrior | None = None
    quantiles: FloatArray | None = None
    edges: FloatArray | None = None
    windows: int = 0
    _residuals: deque[tuple[float, float, float]] = field(init=False)

    def __post_init__(self) -> None:
        """Start from the prior; a year of residuals is kept."""
        self._residuals = deque(maxlen=YEAR_MS // self.horizon.length_ms)
        if self.prior is not None:
            self.quantiles, self.edges = self.prior.quantiles, self.prior.edges

    def around(self, y_hat: FloatArray, log_range: float) -> FloatArray | None:
        """Quantiles of y for longs and shorts, shape (2, 3); None before any residuals are known."""
        if self.quantiles is None or self.edges is None:
            return None
        third = int(np.searchsorted(self.edges, log_range))
        quantiles: FloatArray = np.asarray(y_hat)[:, None] + self.quantiles[third]
        return quantiles

    def learn(self, residuals: FloatArray, log_range: float) -> None:
        """Take in y - y_hat of longs and shorts of a window that has ended."""
        self._residuals.append((log_range, float(residuals[0]), float(residuals[1])))
        self.windows += 1

    def refit(self) -> None:
        """Take the quantiles anew from what is kept."""
        if 2 * len(self._residuals) < MIN_RESIDUALS:
            return
        kept = np.array(self._residuals)
        own_edges = np.quantile(kept[:, 0], THIRDS)
        third = np.searchsorted(own_edges, kept[:, 0])
        parts = [kept[third == part, 1:].ravel() for part in range(3)]
        own = np.stack([np.quantile(part if len(part) else kept[:, 1:].ravel(), QUANTILES) for part in parts])
        share = 1.0
        if self.prior is not None:
            share = own_share(self.windows * self.horizon.length_ms)
            own = share * own + (1 - share) * self.prior.quantiles
            own_edges = share * own_edges + (1 - share) * self.prior.edges
        self.quantiles, self.edges = own, own_edges


@dataclass(slots=True)
class FactorPair:
    """Realised over forecast USD of past windows, per side, with half-life and prior of the amplitude.

    `start` is the factor of either side before anything is known.
    """

    horizon: Horizon
    start: FloatArray = field(default_factory=lambda: np.ones(2))
    _realised_usd: FloatArray = field(default_factory=lambda: np.zeros(2))
    _forecast_usd: FloatArray = field(default_factory=lambda: np.zeros(2))
    _prior_usd: float = 0.0

    @property
    def factors(self) -> FloatArray:
        """The factors of longs and shorts."""
        if self._prior_usd <= 0.0:
            return self.start
        known = self._prior_usd + self._forecast_usd
        factors: FloatArray = (self.start * self._prior_usd + self._realised_usd) / known
        return factors

    def learn(self, realised_usd: FloatArray, forecast_usd: FloatArray, open_interest_usd: float) -> None:
        """Take in a window that has ended; the prior is an hour's, in proportion to the horizon."""
        if open_interest_usd > 0.0:
            hours = self.horizon.length_ms / HOUR_MS
            self._prior_usd = PRIOR_PER_OPEN_INTEREST * open_interest_usd * hours
        keep = decay_of(self.horizon.length_ms)
        self._realised_usd = keep * self._realised_usd + realised_usd
        self._forecast_usd = keep * self._forecast_usd + forecast_usd


def bounded(y_hat: FloatArray) -> FloatArray:
    """y_hat between ln(10 000), that of nothing, and LARGEST_Y."""
    within: FloatArray = np.clip(y_hat, np.log(LOG_OFFSET_USD), LARGEST_Y)
    return within


def usd_of(y_hat: FloatArray) -> FloatArray:
    """exp(y) - 10 000, at least 0."""
    usd: FloatArray = np.maximum(np.exp(bounded(y_hat)) - LOG_OFFSET_USD, 0.0)
    return usd
