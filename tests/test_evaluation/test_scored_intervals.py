"""liqstream/evaluation/scored_intervals.py: what is scored, and what it rests on."""

from __future__ import annotations

import pytest

from liqstream.evaluation.scored_intervals import WARM_UP_MS, scored_intervals
from liqstream.evaluation.scoring_data import EVERYTHING, ScoreError, ScoringData, Span
from liqstream.market import DAY_MS, MarketKey
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import tiered
from tests.support.realised import aligned_bars, half_hours

MARKET = MarketKey("binance", "BTCUSDT")


def test_a_day_warms_up_and_a_span_bounds_what_is_scored() -> None:
    """What is before is predicted, not scored; what is after is not looked at."""
    bars = aligned_bars()
    data = ScoringData(MARKET, bars, half_hours(bars))
    whole = scored_intervals(data, EVERYTHING)
    first_ms = int(bars.open_time_ms[0])
    assert int(whole.intervals.open_time_ms[whole.scored][0]) == first_ms + WARM_UP_MS
    assert whole.realised_usd.shape == (2, len(whole.intervals))
    until = scored_intervals(data, Span(first_ms + 2 * DAY_MS, first_ms + 5 * DAY_MS))
    times = until.intervals.open_time_ms[until.scored]
    assert (int(times[0]), len(times)) == (first_ms + 2 * DAY_MS, 3 * 48)


def test_open_interest_is_the_mean_of_each_interval() -> None:
    """Of six 5m bars, one figure; never known is a sentence."""
    bars = aligned_bars()
    on = scored_intervals(ScoringData(MARKET, bars, half_hours(bars)), EVERYTHING)
    predicted = Estimator(tiered(), interval_ms=bars.interval_ms).advance(bars)
    expected = predicted.open_interest_usd.reshape(-1, 6).mean(axis=1)
    assert on.open_interest_usd(predicted) == pytest.approx(expected[: len(on.intervals)])
    predicted.open_interest_usd[:] = 0.0
    with pytest.raises(ScoreError, match="no open interest for BTCUSDT on binance"):
        on.open_interest_usd(predicted)


def test_three_days_are_the_least() -> None:
    """And it says how many there are."""
    bars = aligned_bars()[:400]
    with pytest.raises(ScoreError, match="too short a span"):
        scored_intervals(ScoringData(MARKET, bars, half_hours(bars)), EVERYTHING)
