"""liqstream/model/market_forecast.py: what a server feeds bar by bar is what the score recomputes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.evaluation.forecast_replay import replay
from liqstream.evaluation.scoring_data import Realised
from liqstream.market import DAY_MS, HOUR_MS, Bars
from liqstream.model.forecast_features import HORIZONS
from liqstream.model.forecast_priors import shipped_priors
from liqstream.model.kernel import tiered
from liqstream.model.market_forecast import ExchangeBars, IssuedForecasts, MarketForecast
from tests.support.market_bars import random_bars

HALF_HOUR_MS = HOUR_MS // 2


def half_hours(days: int) -> ExchangeBars:
    """Half hours of a random walk from a midnight on, with liquidations in each."""
    bars = random_bars(days * 48, volatility=0.002, interval_ms=HALF_HOUR_MS)
    bars = replace(bars, open_time_ms=bars.open_time_ms - bars.open_time_ms[0] % DAY_MS)
    usd = np.random.default_rng(2).lognormal(11, 1, (2, len(bars)))
    return ExchangeBars(bars, usd[0], usd[1])


def part(given: ExchangeBars, rows: slice) -> ExchangeBars:
    return ExchangeBars(given.bars[rows], given.realised_long_usd[rows], given.realised_short_usd[rows])


def test_bar_by_bar_is_as_at_once_and_as_the_score_recomputes_it() -> None:
    """What is served is what is scored: the same figures from live bars, a warm-up and a replay."""
    given = half_hours(10)
    at_once, live = (MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors()) for _ in range(2))
    whole = at_once.advance({"binance": given})
    assert live.advance({"binance": part(given, slice(0, 300))}) is not None
    last = None
    for row in range(300, 480):
        last = live.advance({"binance": part(given, slice(row, row + 1))})
    assert whole is not None
    assert last is not None
    realised = Realised(
        HALF_HOUR_MS, given.bars.open_time_ms, given.realised_long_usd, given.realised_short_usd
    )
    recomputed = replay(
        given.bars, realised, tiered(), [HORIZONS["30m"], HORIZONS["1h"]], priors=shipped_priors()
    )
    assert set(whole.horizons) == {"30m", "1h", "4h"}
    assert whole.time_ms == last.time_ms == int(given.bars.open_time_ms[-1]) + HALF_HOUR_MS
    assert "N2+T" in whole.horizons["30m"].rows
    for name, forecast in whole.horizons.items():
        served = forecast.row("N2+T").usd
        assert last.horizons[name].row("N2+T").usd == pytest.approx(served, rel=1e-9)
    issued = at_once_at(given, recomputed["30m"].time_ms[-1]).horizons["30m"].row("N2+T")
    assert recomputed["30m"].usd("N2+T")[-1] == pytest.approx(issued.usd, rel=1e-6)


def at_once_at(given: ExchangeBars, time_ms: int) -> IssuedForecasts:
    stop = int(np.searchsorted(given.bars.open_time_ms, time_ms))
    issued = MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors()).advance(
        {"binance": part(given, slice(0, stop))}
    )
    assert issued is not None
    return issued


def test_exchanges_are_added_up() -> None:
    """Two exchanges of the same bars have twice the standing levels and twice the liquidations."""
    given = half_hours(4)
    one = MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors()).advance({"binance": given})
    two = MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors()).advance({"binance": given, "okx": given})
    assert one is not None
    assert two is not None
    assert two.exchanges == ("binance", "okx")
    assert two.masses == pytest.approx(2 * one.masses)
    assert two.horizons["1h"].reached_usd == pytest.approx(2 * one.horizons["1h"].reached_usd)


def test_an_exchange_that_lags_is_not_named() -> None:
    """Its levels stand as they were; the forecast says whose bars had closed."""
    given = half_hours(4)
    forecast = MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors())
    issued = forecast.advance({"binance": given, "okx": part(given, slice(0, -1))})
    assert issued is not None
    assert issued.exchanges == ("binance",)


def test_four_hours_are_forecast_hourly_and_bars_that_do_not_divide_leave_a_horizon_out() -> None:
    """Bars of an hour have no half-hour forecast; on half hours the 4h one comes with the full hour."""
    given = half_hours(3)
    issued = MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors()).advance(
        {"binance": part(given, slice(0, -1))}
    )
    assert issued is not None
    assert set(issued.horizons) == {"30m", "1h"}
    hours = random_bars(72, volatility=0.003, interval_ms=HOUR_MS)
    unknown = np.full(72, np.nan)
    of_hours = MarketForecast(tiered(), HOUR_MS, shipped_priors()).advance(
        {"binance": ExchangeBars(aligned(hours), unknown, unknown)}
    )
    assert of_hours is not None
    assert set(of_hours.horizons) == {"1h", "4h"}


def aligned(bars: Bars) -> Bars:
    return replace(bars, open_time_ms=bars.open_time_ms - bars.open_time_ms[0] % DAY_MS)


def test_without_new_bars_nothing_is_issued() -> None:
    """An empty call, or no exchange at all, changes nothing."""
    forecast = MarketForecast(tiered(), HALF_HOUR_MS, {})
    assert forecast.advance({}) is None
    assert forecast.advance({"binance": part(half_hours(1), slice(0, 0))}) is None
    assert forecast.end_ms is None
    assert forecast.windows() == {"30m": 0, "1h": 0, "4h": 0}
