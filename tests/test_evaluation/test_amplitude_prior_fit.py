"""liqstream/evaluation/amplitude_prior_fit.py: what ships is what the recorded hours give."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from liqstream.evaluation.amplitude_prior_fit import fit_amplitude
from liqstream.evaluation.scoring_data import ScoreError, ScoringData
from liqstream.market import MarketKey
from liqstream.model.amplitude_prior import PRIOR_FILE, amplitude_to_json
from liqstream.model.kernel import tiered
from tests.support.recorded_hours import recorded_hours

MARKET = MarketKey("binance", "BTCUSDT")


@pytest.mark.shared_data
def test_the_shipped_file_is_the_fit_of_the_recorded_hours(shared_data: Path) -> None:
    """Fitted again it is the same, so that anybody can make it; twice the liquidations, twice the factor."""
    bars, realised = recorded_hours(shared_data)
    fitted = fit_amplitude(ScoringData(MARKET, bars, realised), tiered())
    shipped = json.loads(files("liqstream.model").joinpath(PRIOR_FILE).read_text(encoding="utf-8"))
    assert amplitude_to_json(fitted) == shipped
    twice = replace(realised, long_usd=2 * realised.long_usd)
    again = fit_amplitude(ScoringData(MARKET, bars, twice), tiered())
    assert again.long_factor == pytest.approx(2 * fitted.long_factor)
    assert again.short_factor == fitted.short_factor


@pytest.mark.shared_data
def test_what_is_missing_is_a_sentence(shared_data: Path) -> None:
    """A month is too little, and so are bars of another length."""
    bars, realised = recorded_hours(shared_data, days=30)
    with pytest.raises(ScoreError, match="60 days are needed"):
        fit_amplitude(ScoringData(MARKET, bars, realised), tiered())
    with pytest.raises(ScoreError, match="bars of an hour"):
        fit_amplitude(ScoringData(MARKET, replace(bars, interval_ms=300_000), realised), tiered())
