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


def issued_usd(forecast: MarketForecast, bars: dict[str, ExchangeBars], rows: range) -> list[float]:
    """The last window's y of longs, as each half hour's forecast knew it, fed bar by bar."""
    found = []
    for row in rows:
        issued = forecast.advance({name: part(each, slice(row, row + 1)) for name, each in bars.items()})
        assert issued is not None
        features = issued.horizons["30m"].features
        assert features is not None
        found.append(float(np.exp(features[0, 0]) - 1e4))
    return found


def with_usd(given: ExchangeBars, long_usd: float, unknown: range = range(0)) -> ExchangeBars:
    """The same bars, in each of which so much was liquidated; nothing is known of some."""
    usd = np.full(len(given.bars), long_usd)
    usd[list(unknown)] = np.nan
    return ExchangeBars(given.bars, usd, usd)


def test_an_exchange_that_is_not_listened_to_leaves_the_sum_unknown_for_a_day() -> None:
    """What the others have is no calm market; an exchange that never said anything is not waited for."""
    given = half_hours(4)
    silent = range(60, 66)
    bars = {
        "binance": with_usd(given, 1e6),
        "bybit": with_usd(given, 5e5, silent),
        "gate": with_usd(given, np.nan),
    }
    forecast = MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors())
    forecast.advance({name: part(each, slice(0, 55)) for name, each in bars.items()})
    before = forecast.windows()["30m"]
    assert issued_usd(forecast, bars, range(55, 70)) == pytest.approx([1.5e6] * 15)
    assert forecast.windows()["30m"] == before + 15 - len(silent)
    bars["bybit"] = with_usd(given, 5e5, range(70, 192))
    found = issued_usd(forecast, bars, range(70, 122))
    assert found[:48] == pytest.approx([1.5e6] * 48)
    assert found[-1] == pytest.approx(1e6)


def test_a_late_bar_is_added_when_it_comes() -> None:
    """Two exchanges, of which one's bars always come after the moment: both count all the same."""
    given = half_hours(4)
    first, late = with_usd(given, 1e6), with_usd(given, 5e5)
    forecast = MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors())
    forecast.advance({"binance": part(first, slice(0, 95)), "okx": part(late, slice(0, 94))})
    issued = None
    for row in range(95, 192):
        issued = forecast.advance(
            {"binance": part(first, slice(row, row + 1)), "okx": part(late, slice(row - 1, row))}
        )
    assert issued is not None
    features = issued.horizons["4h"].features
    assert features is not None
    assert float(np.exp(features[0, 0]) - 1e4) == pytest.approx(8 * 1.5e6 - 5e5)


def test_what_becomes_known_later_is_learned_from_all_the_same() -> None:
    """Half-hour totals of bars of five minutes: five of six are unknown until the last has closed."""
    bars = random_bars(12 * 24, volatility=0.002)
    bars = replace(bars, open_time_ms=bars.open_time_ms - bars.open_time_ms[0] % DAY_MS)
    usd = np.full(len(bars), 2e5)
    forecast = MarketForecast(tiered(), bars.interval_ms, shipped_priors())
    at_once = MarketForecast(tiered(), bars.interval_ms, shipped_priors())
    at_once.advance({"binance": ExchangeBars(bars, usd, usd)})
    issued = forecast.advance({"binance": ExchangeBars(bars[:216], usd[:216], usd[:216])})
    for row in range(216, len(bars)):
        known = usd[max(0, row - 12) : row + 1].copy()
        known[len(known) - 1 - row % 6 :] = np.nan if row % 6 < 5 else 2e5
        issued = forecast.advance({"binance": ExchangeBars(bars[max(0, row - 12) : row + 1], known, known)})
    assert issued is not None
    assert issued.horizons["1h"].features is not None
    assert float(np.exp(issued.horizons["1h"].features[0, 0]) - 1e4) == pytest.approx(12 * 2e5)
    assert forecast.windows() == at_once.windows()


def test_another_exchange_gives_the_moments_while_the_first_is_away() -> None:
    """One missed bar may be late; from the second on the next exchange is taken, until the first is back."""
    given = half_hours(4)
    forecast = MarketForecast(tiered(), HALF_HOUR_MS, shipped_priors())
    both = {"binance": given, "okx": given}
    forecast.advance({name: part(each, slice(0, 100)) for name, each in both.items()})
    none = part(given, slice(0, 0))
    assert forecast.advance({"binance": none, "okx": part(given, slice(100, 101))}) is None
    for stop in (102, 103):
        issued = forecast.advance({"binance": none, "okx": part(given, slice(100, stop))})
        assert issued is not None
        assert issued.time_ms == int(given.bars.open_time_ms[stop])
        assert issued.exchanges == ("okx",)
    issued = forecast.advance({"binance": part(given, slice(100, 104)), "okx": part(given, slice(103, 104))})
    assert issued is not None
    assert issued.exchanges == ("binance", "okx")
