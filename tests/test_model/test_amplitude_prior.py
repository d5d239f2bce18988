"""liqstream/model/amplitude_prior.py: what ships is sane, and for bars of any length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from liqstream.market import DAY_MS, HOUR_MS
from liqstream.model.amplitude_prior import (
    BARS_EXPONENT,
    amplitude_from_json,
    amplitude_to_json,
    shipped_amplitude,
)
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import tiered
from tests.support.market_bars import longer_bars
from tests.support.recorded import five_minute_bars


def test_what_ships_is_from_the_published_months() -> None:
    """Four months; per side a factor near one, and it survives its own file."""
    prior = shipped_amplitude()
    assert 110 * DAY_MS < prior.to_ms - prior.from_ms < 125 * DAY_MS
    assert 0.5 < prior.short_factor < prior.long_factor < 3
    assert amplitude_from_json(amplitude_to_json(prior)) == prior


def test_shorter_bars_start_lower() -> None:
    """One exchange has half of what three have; bars of 5m predict 2.7 times what hours do."""
    prior = shipped_amplitude()
    hour, five = prior.first_amplitudes(HOUR_MS), prior.first_amplitudes(HOUR_MS // 12)
    assert hour == pytest.approx((prior.long_factor / 2, prior.short_factor / 2))
    assert np.divide(hour, five) == pytest.approx(12**BARS_EXPONENT)


@pytest.mark.shared_data
def test_the_exponent_is_that_of_the_published_days(shared_data: Path) -> None:
    """The same days predict so much more on shorter bars, either side, within a fifth."""
    fine = five_minute_bars(shared_data / "binance_btcusdt_5m_20260525_20260603.csv")
    for minutes in (5, 15, 240):
        bars, hours = longer_bars(fine, minutes * 60_000), longer_bars(fine, HOUR_MS)
        short, long = (
            Estimator(tiered(), interval_ms=each.interval_ms).advance(each) for each in (bars, hours)
        )
        more = [
            short.raw_long_usd.sum() / long.raw_long_usd.sum(),
            short.raw_short_usd.sum() / long.raw_short_usd.sum(),
        ]
        assert more == pytest.approx([(60 / minutes) ** BARS_EXPONENT] * 2, rel=0.26), minutes
