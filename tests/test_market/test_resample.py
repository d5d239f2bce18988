"""liqstream/market/resample.py: bars of a shorter interval to one of a longer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.market import as_one_bar
from tests.support.market_bars import FIVE_MINUTES_MS, random_bars

QUARTER_MS = 3 * FIVE_MINUTES_MS


def test_some_bars_make_the_longer_one_so_far() -> None:
    """Open of the first, close and open interest of the last, extremes and volumes of all."""
    bars = random_bars(3)
    start_ms = int(bars.open_time_ms[0]) - int(bars.open_time_ms[0]) % QUARTER_MS
    bars = replace(
        bars,
        open_time_ms=start_ms + FIVE_MINUTES_MS * np.arange(3, dtype=np.int64),
        taker_buy_base=np.array([1.0, 2.0, 4.0]),
    )
    for part in (bars, bars[1:]):
        one = as_one_bar(part, QUARTER_MS)
        assert (len(one), one.interval_ms, one.open_time_ms[0]) == (1, QUARTER_MS, start_ms)
        assert (one.open[0], one.close[0]) == (part.open[0], bars.close[2])
        assert (one.high[0], one.low[0]) == (part.high.max(), part.low.min())
        assert one.open_interest_base[0] == bars.open_interest_base[2]
        assert one.volume_base[0] == len(part)
        assert one.taker_buy_base[0] == part.taker_buy_base.sum()
