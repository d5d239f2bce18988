"""Bars with realised liquidations to score on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.evaluation.scoring_data import Realised
from liqstream.market import DAY_MS, Bars
from tests.support.market_bars import FIVE_MINUTES_MS, random_bars


def half_hours(bars: Bars, seed: int = 7) -> Realised:
    """Realised totals of any kind, so that there is something to score."""
    times = bars.open_time_ms[:: 1_800_000 // bars.interval_ms]
    times = times[times % 1_800_000 == 0]
    usd = np.random.default_rng(seed).lognormal(12, 1, (2, len(times)))
    return Realised(1_800_000, times, usd[0], usd[1])


def aligned_bars(days: int = 6) -> Bars:
    """Bars of whole days, the first one at midnight."""
    bars = random_bars(days * DAY_MS // FIVE_MINUTES_MS)
    shift = bars.open_time_ms[0] % DAY_MS
    return replace(bars, open_time_ms=bars.open_time_ms - shift)
