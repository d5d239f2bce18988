"""liqstream/evaluation/forecast_by_horizon.py: each horizon is graded where the data allow it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.evaluation.bootstrap import Bootstrap
from liqstream.evaluation.forecast_by_horizon import score_forecasts
from liqstream.evaluation.scoring_data import Realised, ScoringData, Span
from liqstream.market import DAY_MS, HOUR_MS, MarketKey
from liqstream.model.forecast_features import HORIZONS
from liqstream.model.kernel import tiered
from tests.support.market_bars import random_bars

MARKET = MarketKey("binance", "BTCUSDT")
FEW = Bootstrap(draws=20)


def hours(days: int) -> ScoringData:
    """Hourly bars and totals of some days from a midnight on."""
    bars = random_bars(days * 24, volatility=0.003, interval_ms=HOUR_MS)
    bars = replace(bars, open_time_ms=bars.open_time_ms - bars.open_time_ms[0] % DAY_MS)
    usd = np.random.default_rng(7).lognormal(12, 1, (2, len(bars)))
    return ScoringData(MARKET, bars, Realised(HOUR_MS, bars.open_time_ms, usd[0], usd[1]))


def test_a_horizon_shorter_than_the_bars_says_so() -> None:
    """Hours cannot forecast half an hour; the others are graded, a day of warm-up left out."""
    data = hours(10)
    scored = score_forecasts(data, tiered(), bootstrap=FEW)
    assert set(scored) == set(HORIZONS)
    assert "bars of 1h do not divide 30m" in scored["30m"]["reason"]
    assert scored["30m"]["rank"]["with_map"] is None
    assert scored["1h"]["windows"] == 9 * 24
    assert scored["1h"]["rank"]["with_map"] is not None
    assert scored["1h"]["rank"]["gain"] is None
    assert "300 past windows" in scored["1h"]["reason"]


def test_the_span_is_what_is_graded_and_the_past_is_learned_from() -> None:
    """--from and --to bound the windows, not what is known before them."""
    data = hours(25)
    start_ms = int(data.bars.open_time_ms[0])
    span = Span(start_ms + 17 * DAY_MS, start_ms + 24 * DAY_MS)
    scored = score_forecasts(data, tiered(), span=span, bootstrap=FEW)["1h"]
    assert scored["windows"] == 7 * 24
    assert scored["days"] == 7
    assert scored["rank"]["gain"] is not None


def test_without_data_every_horizon_is_null_with_a_reason() -> None:
    """No bars or no totals: the keys stay and the reason names what is missing."""
    data = hours(3)
    nothing = np.zeros(0)
    no_totals = replace(data, realised=Realised(HOUR_MS, nothing.astype(np.int64), nothing, nothing))
    for horizon in score_forecasts(no_totals, tiered()).values():
        assert horizon["reason"] == "no realised liquidations in the span"
    no_bars = replace(data, bars=data.bars[:0])
    assert score_forecasts(no_bars, tiered())["1h"]["reason"] == "no bars in the span"
