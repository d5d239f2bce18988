"""liqstream/evaluation/score.py: what is scored, on what, and what it must reach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liqstream.evaluation.baselines import BASELINES
from liqstream.evaluation.bootstrap import Bootstrap
from liqstream.evaluation.score import score
from liqstream.evaluation.scoring_data import Realised, ScoreError, ScoringData, Span
from liqstream.market import DAY_MS, HOUR_MS, Bars, MarketKey
from liqstream.model.kernel import Kernel, broad, tiered
from tests.support.realised import aligned_bars, half_hours
from tests.support.recorded import five_minute_bars, half_hour_totals, hourly_bars

HOURLY = "btc_1h_price_oi_liquidations_20251204_20260401.csv"
FIVE_MINUTES = "binance_btcusdt_5m_20260525_20260603.csv"
HALF_HOUR_TOTALS = "btc_liquidations_30m_20260525_20260603.csv"


def scored(bars: Bars, realised: Realised, kernel: Kernel | None = None, **options: Any) -> dict[str, Any]:
    data = ScoringData(MarketKey("binance", "BTCUSDT"), bars, realised)
    return score(data, kernel or tiered(), **options).content


@pytest.mark.shared_data
def test_four_months_of_hours_beat_the_strong_baselines_on_both_sides(shared_data: Path) -> None:
    """Gains over B3 and B5 have their intervals above zero, and reach what was set out for."""
    content = scored(*hourly_bars(shared_data / HOURLY), bootstrap=Bootstrap(draws=200))
    for side in content["sides"].values():
        assert side["gain_over_uniform"]["ci"][0] > 0
        assert side["gain_over_uniform_range"]["ci"][0] > 0
    mean = content["mean"]
    assert mean["gain_over_uniform"]["spearman"] >= 0.05
    assert mean["gain_over_uniform_range"]["spearman"] >= 0.02
    assert mean["gain_over_uniform"]["partial_spearman"] >= 0.06
    assert mean["model"]["log_r2"] >= 0.73


@pytest.mark.shared_data
@pytest.mark.parametrize(("kernel", "reached"), [(tiered(), 0.866), (broad(), 0.869)])
def test_the_cross_validated_figures_are_reproduced(
    shared_data: Path, kernel: Kernel, reached: float
) -> None:
    """Model and baselines come within .01 of the table in docs/model.md."""
    mean = scored(*hourly_bars(shared_data / HOURLY), kernel, bootstrap=Bootstrap(draws=20))["mean"]
    assert mean["model"]["spearman"] == pytest.approx(reached, abs=0.01)
    assert mean["map_only"]["spearman"] == pytest.approx(0.808, abs=0.01)
    assert mean["baselines"]["uniform"]["spearman"] == pytest.approx(0.806, abs=0.01)
    assert mean["baselines"]["uniform_range"]["spearman"] == pytest.approx(0.849, abs=0.01)


@pytest.mark.shared_data
def test_calibration_holds_after_two_weeks(shared_data: Path) -> None:
    """What stands adds up over any 30 days; the best prediction does over the span and on most days.

    Its own worst 30 days (longs, 1.40) are beyond 1.33: the second stage trades months for days.
    """
    sides = scored(*hourly_bars(shared_data / HOURLY), bootstrap=Bootstrap(draws=20))["sides"]
    for side in sides.values():
        standing, best = (side[name]["calibration_after_14_days"] for name in ("with_same_bar", "model"))
        assert 0.75 <= standing["total_30d"][0] <= standing["total_30d"][1] <= 1.33
        assert best["days_within_two"] >= 0.95
        assert 0.95 <= side["model"]["calibration"] <= 1.05


@pytest.mark.shared_data
def test_five_minute_bars_are_not_below_uniform_on_either_side(shared_data: Path) -> None:
    """Predictions of 5m bars, added up over the 30m of the totals."""
    content = scored(
        five_minute_bars(shared_data / FIVE_MINUTES),
        half_hour_totals(shared_data / HALF_HOUR_TOTALS),
        bootstrap=Bootstrap(draws=20),
    )
    assert (content["interval"], content["bars"]) == ("30m", "5m")
    for side in content["sides"].values():
        assert side["gain_over_uniform"]["spearman"] >= 0
    assert any("only 7 days" in warning for warning in content["warnings"])


def test_the_shape_is_the_one_promised() -> None:
    """Readers of the JSON find every figure where it is documented to be."""
    bars = aligned_bars()
    content = scored(bars, half_hours(bars), bootstrap=Bootstrap(draws=20))
    assert {"symbol", "exchange", "interval", "from", "to", "n", "sides", "warnings"} <= set(content)
    for side in ("long", "short"):
        found = content["sides"][side]
        assert set(found["baselines"]) == {*BASELINES, "flat_2", "flat_10"}
        assert found["drawn_map"] == found["map_only"] != found["with_same_bar"]
        for naive in ("uniform", "uniform_range", "flat_2", "flat_10"):
            assert found["baselines"][naive]["log_r2"] < 1
        for figures in (found["model"], found["with_same_bar"], found["map_only"]):
            assert len(figures["spearman_ci"]) == 2
            assert {"top_decile_share", "partial_spearman", "calibration"} <= set(figures)
        for gain in ("gain_over_uniform", "gain_over_uniform_range"):
            assert found[gain]["ci"][0] <= found[gain]["spearman"] <= found[gain]["ci"][1]
    assert content["kernel"] == "tiered"
    assert content["bootstrap"]["block"] == "6h", "under ten days"


def test_the_future_does_not_change_a_prediction() -> None:
    """What happens after an interval leaves its prediction, and so a score up to there, untouched."""
    bars = aligned_bars()
    realised = half_hours(bars)
    until = int(bars.open_time_ms[0]) + 5 * DAY_MS
    later = realised.open_time_ms >= until
    changed = replace(realised, long_usd=np.where(later, 1e12, realised.long_usd))
    crash = np.where(bars.open_time_ms >= until, 0.5, 1.0)
    prices = {name: getattr(bars, name) * crash for name in ("open", "high", "low", "close")}
    first = scored(bars, realised, span=Span(to_ms=until), bootstrap=Bootstrap(draws=20))
    second = scored(replace(bars, **prices), changed, span=Span(to_ms=until), bootstrap=Bootstrap(draws=20))
    assert first == second


def test_what_lies_before_from_only_warms_up() -> None:
    """`from_ms` bounds what is scored, not what the map rests on."""
    bars = aligned_bars()
    start = int(bars.open_time_ms[0]) + 3 * DAY_MS
    content = scored(bars, half_hours(bars), span=Span(from_ms=start), bootstrap=Bootstrap(draws=20))
    assert content["n"] == 3 * 48
    assert content["from"].startswith("2026-05-28")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("no bars", "no bars in the span"),
        ("no liquidations", "no liquidations in the span"),
        ("too short", "too short a span"),
        ("no open interest", "no open interest for BTCUSDT"),
        ("coarse bars", "cannot be scored on bars of 60 minutes"),
        ("nan", "negative or no number"),
    ],
)
def test_what_is_missing_is_a_sentence(change: str, sentence: str) -> None:
    """Never a made-up number."""
    bars = aligned_bars()
    realised = half_hours(bars)
    nothing = np.full(len(bars), np.nan)
    match change:
        case "no bars":
            bars = bars[:0]
        case "no liquidations":
            realised = Realised(1_800_000, np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
        case "too short":
            bars = bars[:400]
        case "no open interest":
            bars = replace(bars, open_interest_base=nothing, reported_open_interest=nothing)
        case "coarse bars":
            bars = replace(bars, interval_ms=HOUR_MS)
        case "nan":
            realised = replace(realised, long_usd=realised.long_usd * np.nan)
    with pytest.raises(ScoreError, match=sentence):
        scored(bars, realised, bootstrap=Bootstrap(draws=5))
