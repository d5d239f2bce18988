"""liqstream/evaluation/ablation.py: the same rows and figures as the score, with parts left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from liqstream.evaluation.ablation import MEANS, PARTS, PAST_ERRORS, ablation
from liqstream.evaluation.bootstrap import Bootstrap
from liqstream.evaluation.score import score
from liqstream.evaluation.scoring_data import ScoringData
from liqstream.market import MarketKey
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import tiered
from tests.support.realised import aligned_bars, half_hours
from tests.support.recorded import five_minute_bars, half_hour_totals

MARKET = MarketKey("binance", "BTCUSDT")


@pytest.mark.long
def test_the_last_rows_are_the_best_prediction_of_the_score() -> None:
    """Rank correlation of what is most likely, calibration of its means."""
    bars = aligned_bars(days=16)
    data = ScoringData(MARKET, bars, half_hours(bars))
    found = ablation(data, tiered())
    assert tuple(found) == PARTS
    scored = score(data, tiered(), bootstrap=Bootstrap(draws=5)).content
    assert found[PAST_ERRORS]["spearman"] == pytest.approx(scored["mean"]["model"]["spearman"], abs=1e-4)
    for side, content in scored["sides"].items():
        assert found[MEANS]["calibration"][side] == content["model"]["calibration"]


def test_the_second_stage_is_what_follows_a_sudden_change() -> None:
    """Realised USD that triple halfway: sums of two weeks lag, the newest logs do not."""
    bars = aligned_bars(days=16)
    predicted = Estimator(tiered(), interval_ms=bars.interval_ms).advance(bars)
    raw = np.stack((predicted.raw_long_usd, predicted.raw_short_usd)).reshape(2, -1, 6).sum(axis=2)
    realised = half_hours(bars)
    usd = raw * np.where(np.arange(raw.shape[1]) < raw.shape[1] // 2, 1.0, 3.0)
    data = ScoringData(MARKET, bars, replace(realised, long_usd=usd[0], short_usd=usd[1]))
    found = ablation(data, tiered())
    sums, second, *_ = (found[name]["log_r2"] for name in PARTS)
    assert second > sums


@pytest.mark.shared_data
def test_mixing_is_what_gets_the_dollars_of_5m_bars_right(shared_data: Path) -> None:
    """As the table in docs/model.md says."""
    bars = five_minute_bars(shared_data / "binance_btcusdt_5m_20260525_20260603.csv")
    totals = half_hour_totals(shared_data / "btc_liquidations_30m_20260525_20260603.csv")
    found = ablation(ScoringData(MARKET, bars, totals), tiered())
    log_r2 = [found[name]["log_r2"] for name in PARTS]
    assert found[PARTS[0]]["days_within_two"] == {"long": pytest.approx(0.43, abs=0.01), "short": 1.0}
    assert found[PARTS[3]]["days_within_two"] == {"long": 1.0, "short": 1.0}
    assert log_r2[0] == pytest.approx(0.647, abs=0.002)
    assert log_r2[3] == pytest.approx(0.686, abs=0.002)
    assert log_r2[4] == pytest.approx(0.729, abs=0.002)
