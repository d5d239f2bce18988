"""liqstream/model/forecast.py: what is issued follows its formulas and knows nothing that came after."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from liqstream.market import HOUR_MS, FloatArray
from liqstream.model.forecast import CELL_MIDDLES, HorizonForecast, HorizonForecaster
from liqstream.model.forecast_features import CELLS, HORIZONS, PriceHistory
from liqstream.model.forecast_priors import HorizonPrior, shipped_priors
from liqstream.model.forecast_range import chance_of
from liqstream.model.forecast_ridge import MIN_WINDOWS
from tests.support.market_bars import random_bars

HOUR = HORIZONS["1h"]


@dataclass
class Market:
    """Hours of a random walk with standing levels that are liquidated as far as the price runs."""

    hours: int
    prior: HorizonPrior | None = None
    known: bool = True

    def __post_init__(self) -> None:
        self.forecaster = HorizonForecaster(HOUR, prior=self.prior)
        self.history = PriceHistory(HOUR_MS)
        self.bars = random_bars(self.hours, volatility=0.003, interval_ms=HOUR_MS)
        rng = np.random.default_rng(4)
        tides = np.exp(2.0 * np.sin(np.arange(self.hours) / 30))[:, None, None, None]
        self.masses = tides * rng.lognormal(13, 1, (self.hours, 1, 2, CELLS))
        self.issued: list[HorizonForecast | None] = []

    def run(self) -> list[HorizonForecast | None]:
        """Every hour's forecast."""
        bars = self.bars
        for hour in range(self.hours):
            prices = (bars.open[hour], bars.high[hour], bars.low[hour], bars.close[hour])
            self.history.append(hour * HOUR_MS, prices)
            end_ms = (hour + 1) * HOUR_MS
            realised = self._realised(hour) if self.known and hour else None
            self.forecaster.observe(end_ms, self.history.window(end_ms, HOUR_MS), realised)
            self.issued.append(self.forecaster.issue(self.history, self.masses[hour], 8e9))
        return self.issued

    def _realised(self, hour: int) -> FloatArray:
        bars = self.bars
        reached = (
            math.log(bars.open[hour] / bars.low[hour]),
            math.log(bars.high[hour] / bars.open[hour]),
        )
        standing = self.masses[hour - 1, 0]
        return np.array([standing[side][reached[side] + 0.002 > CELL_MIDDLES].sum() for side in (0, 1)])


@pytest.fixture(scope="module")
def long_market() -> Market:
    """Four weeks, with everything known."""
    market = Market(28 * 24)
    market.run()
    return market


def test_nothing_is_issued_before_a_range_is_known_then_what_stands_times_its_chance(
    long_market: Market,
) -> None:
    """F is the sum over cells of what stands times S(x / R); cF is F times realised over forecast."""
    assert long_market.issued[71] is None
    hour = 200
    issued = long_market.issued[hour]
    assert issued is not None
    assert set(issued.rows) == {"cF"}
    chances = chance_of(issued.reach, CELL_MIDDLES, issued.log_range)
    assert issued.reached_usd[0] == pytest.approx(long_market.masses[hour, 0] @ chances)
    factors = issued.rows["cF"].usd / issued.reached_usd[0]
    assert 1.0 < factors[0] < 3.0  # two cells more are liquidated than were reached
    assert issued.chance(np.array([0.0001, 0.5])).tolist() == pytest.approx(
        chance_of(issued.reach, np.array([0.0001, 0.5]), issued.log_range).tolist()
    )


def test_the_regression_takes_over_after_enough_windows(long_market: Market) -> None:
    """`row` is cF until 300 windows are known, then the regression; its interval holds about four in five."""
    stated = [issued for issued in long_market.issued if issued is not None]
    first = next(at for at, issued in enumerate(stated) if "N2+T" in issued.rows)
    assert MIN_WINDOWS <= first <= MIN_WINDOWS + 24
    assert stated[first].rows["N2+T"].quantiles is None
    assert stated[first].row("N2+T") is stated[first].rows["N2+T"]
    assert stated[first - 1].row("N2+T") is stated[first - 1].rows["cF"]
    inside = []
    for issued in stated[first:-1]:
        quantiles = issued.rows["N2+T"].quantiles
        if quantiles is None:
            continue
        hour = issued.time_ms // HOUR_MS
        y = np.log(long_market._realised(hour) + 1e4)
        inside += ((y >= quantiles[:, 0]) & (y <= quantiles[:, 2])).tolist()
    assert np.mean(inside) == pytest.approx(0.8, abs=0.12)


def test_it_forecasts_what_is_there_to_forecast(long_market: Market) -> None:
    """Where levels are liquidated as the price runs, y_hat explains y better than its mean does."""
    pairs = [
        (issued.rows["N2+T"].y_hat, np.log(long_market._realised(issued.time_ms // HOUR_MS) + 1e4))
        for issued in long_market.issued[:-1]
        if issued is not None and "N2+T" in issued.rows
    ]
    y_hat, y = (np.array(column).ravel() for column in zip(*pairs, strict=True))
    assert np.corrcoef(y_hat, y)[0, 1] > 0.4
    assert abs((y_hat - y).mean()) < 0.4


def test_with_shipped_starting_points_the_first_hour_has_a_forecast() -> None:
    """A market nobody has seen has range, chances, USD and an interval after its first bar."""
    market = Market(3, shipped_priors()["1h"], known=False)
    first = market.run()[0]
    assert first is not None
    row = first.row("N2+T")
    assert (row.usd > 0).all()
    assert row.quantiles is not None
    assert (np.diff(row.quantiles, axis=1) > 0).all()
    assert 0 < first.chance(np.array([0.002]))[0] < 1


def test_unknown_liquidations_teach_nothing() -> None:
    """Bars alone fit range and chance; no window counts as zero liquidated."""
    market = Market(8 * 24, known=False)
    last = market.run()[-1]
    assert last is not None
    assert last.features is None
    assert last.rows["cF"].usd.tolist() == last.reached_usd[0].tolist()


def test_a_window_with_a_missing_bar_is_passed_over() -> None:
    """A gap issues nothing and is not learned from; afterwards it goes on."""
    market = Market(120, shipped_priors()["1h"])
    market.run()
    end_ms = 122 * HOUR_MS
    market.history.append(121 * HOUR_MS, (100.0, 101.0, 99.0, 100.0))
    windows = market.forecaster.ranges.windows
    market.forecaster.observe(end_ms, market.history.window(end_ms, HOUR_MS), None)
    assert market.forecaster.ranges.windows == windows
    assert market.forecaster.issue(market.history, market.masses[0], 8e9) is not None


def test_windows_between_full_hours_are_forecast_and_not_learned_from() -> None:
    """On half-hour bars the hour is forecast every half hour, from windows that end there."""
    forecaster = HorizonForecaster(HOUR, prior=shipped_priors()["1h"])
    history = PriceHistory(HOUR_MS // 2)
    bars = random_bars(40, interval_ms=HOUR_MS // 2)
    stated = []
    for at in range(40):
        history.append(at * HOUR_MS // 2, (bars.open[at], bars.high[at], bars.low[at], bars.close[at]))
        end_ms = (at + 1) * HOUR_MS // 2
        forecaster.observe(end_ms, history.window(end_ms, HOUR_MS), np.array([1e5, 2e5]))
        issued = forecaster.issue(history, np.full((1, 2, CELLS), 1e5), 8e9)
        stated.append(issued)
    assert all(issued is not None for issued in stated[1:])
    assert forecaster.ranges.windows == 19
