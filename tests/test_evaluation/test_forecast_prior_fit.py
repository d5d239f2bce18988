"""liqstream/evaluation/forecast_prior_fit.py: what ships is what the recorded hours give."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from liqstream.evaluation.forecast_prior_fit import fit_priors
from liqstream.evaluation.scoring_data import ScoreError, ScoringData
from liqstream.market import MarketKey
from liqstream.model.forecast_priors import PRIORS_FILE, prior_from_json
from liqstream.model.kernel import tiered
from tests.support.recorded_hours import recorded_hours

MARKET = MarketKey("binance", "BTCUSDT")


@pytest.mark.attack
@pytest.mark.shared_data
@pytest.mark.timeout(180)
def test_the_shipped_file_is_the_fit_of_the_recorded_hours(shared_data: Path) -> None:
    """Fitted again it is the same, so that anybody can make it; half hours are hours scaled in time."""
    bars, realised = recorded_hours(shared_data)
    fitted = fit_priors(ScoringData(MARKET, bars, realised), tiered())
    shipped = json.loads(files("liqstream.model").joinpath(PRIORS_FILE).read_text(encoding="utf-8"))
    assert set(fitted) == set(shipped)
    for name, content in fitted.items():
        assert np.allclose(content["range"], shipped[name]["range"], atol=2e-4)
        assert np.allclose(content["reach"], shipped[name]["reach"], atol=2e-4)
        assert np.allclose(content["factors"], shipped[name]["factors"], atol=2e-3)
        for row in ("cF", "N2+T"):
            again, given = content["spreads"][row], shipped[name]["spreads"][row]
            assert np.allclose(again["quantiles"], given["quantiles"], atol=2e-3)
    half, hour = prior_from_json(shipped["30m"]), prior_from_json(shipped["1h"])
    width = half.spreads["N2+T"].edges - hour.spreads["N2+T"].edges
    assert width == pytest.approx(np.full(2, -0.3466), abs=0.05)


@pytest.mark.shared_data
def test_too_little_to_fit_on_is_a_sentence(shared_data: Path) -> None:
    """A day of hours fits nothing."""
    bars, realised = recorded_hours(shared_data, days=1)
    with pytest.raises(ScoreError, match="too little"):
        fit_priors(ScoringData(MARKET, bars, realised), tiered())
