"""Resampling: bars of a shorter interval to one of a longer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.market.bars import Bars


def as_one_bar(bars: Bars, interval_ms: int) -> Bars:
    """The longer bar that `bars` (one or more, all inside it) make so far, as a single row."""
    last = bars[len(bars) - 1 :]
    open_ms = int(bars.open_time_ms[0])
    return replace(
        last,
        interval_ms=interval_ms,
        open_time_ms=np.array([open_ms - open_ms % interval_ms], dtype=np.int64),
        open=bars.open[:1],
        high=bars.high.max(keepdims=True),
        low=bars.low.min(keepdims=True),
        volume_base=bars.volume_base.sum(keepdims=True),
        taker_buy_base=bars.taker_buy_base.sum(keepdims=True),
    )
