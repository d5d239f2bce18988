"""The guard for many bars or readings at once: which rows of a file or of the store are to be used.

The rules are those of market/record_guard.py. Here a step of the price is confirmed by the next bar alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liqstream.market.bars import FloatArray, TimeArray
from liqstream.market.record_bounds import HIGHEST_PRICE_USD, LARGEST_USD, LOWEST_PRICE_USD, ratio
from liqstream.market.record_guard import (
    CONFIRMING_STEP,
    FRESH_MS,
    OPEN_INTEREST_READINGS,
    OPEN_INTEREST_STEP,
    PRICE_STEP,
)

Rows = NDArray[np.bool_]


def possible_bars(
    open_time_ms: TimeArray,
    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    volume_base: FloatArray,
    *,
    interval_ms: int,
    latest_ms: int,
) -> Rows:
    """True for each bar a market can have made: its prices (open, high, low, close), volume and time.

    Unknown volumes are NaN; bars must open on the grid of their interval and not after `latest_ms`.
    """
    open_, high, low, close = prices
    inside = (low <= np.minimum(open_, close)) & (np.maximum(open_, close) <= high)
    bounded = (low >= LOWEST_PRICE_USD) & (high <= HIGHEST_PRICE_USD)
    with np.errstate(over="ignore", invalid="ignore"):
        small = np.isnan(volume_base) | ((volume_base >= 0) & (volume_base * close <= LARGEST_USD))
    in_time = (open_time_ms % interval_ms == 0) & (open_time_ms <= latest_ms)
    possible: Rows = inside & bounded & small & in_time
    return possible


def confirmed_bars(
    open_time_ms: TimeArray,
    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    *,
    interval_ms: int,
) -> Rows:
    """False for each bar with prices beyond a factor of 5 from the last close that no next bar confirms.

    All bars are possible ones, ascending. The next bar confirms one by opening within a factor of 1.5 of its
    close; across a longer gap there is nothing to judge by.
    """
    open_, high, low, close = prices
    accepted = np.ones(len(open_time_ms), dtype=np.bool_)
    if len(accepted) < 2 or not (_far(high[1:], low[1:], close[:-1])).any():
        return accepted
    longest_ms = max(FRESH_MS, interval_ms)
    last_close, last_end_ms = float(close[0]), int(open_time_ms[0]) + interval_ms
    for row in range(1, len(accepted)):
        judged = open_time_ms[row] - last_end_ms <= longest_ms
        if judged and max(high[row] / last_close, last_close / low[row]) > PRICE_STEP:
            following = row + 1
            accepted[row] = (
                following < len(accepted)
                and open_time_ms[following] - open_time_ms[row] - interval_ms <= longest_ms
                and max(open_[following] / close[row], close[row] / open_[following]) <= CONFIRMING_STEP
            )
        if accepted[row]:
            last_close, last_end_ms = float(close[row]), int(open_time_ms[row]) + interval_ms
    return accepted


def _far(high: FloatArray, low: FloatArray, last_close: FloatArray) -> Rows:
    return np.maximum(high / last_close, last_close / low) > PRICE_STEP


def steady_open_interest(time_ms: TimeArray, base: FloatArray) -> Rows:
    """True for each reading that is above zero and no step beyond a factor of 2, or the third of such a step.

    Readings ascend in time; after ten minutes without one there is nothing to judge by.
    """
    accepted = np.isfinite(base) & (base > 0)
    rows = np.flatnonzero(accepted)
    known = base[rows]
    if len(rows) < 2 or not (np.abs(np.diff(np.log(known))) > np.log(OPEN_INTEREST_STEP)).any():
        return accepted
    last, last_ms = float(known[0]), int(time_ms[rows[0]])
    readings: list[float] = []
    for row in rows[1:].tolist():
        value = float(base[row])
        if time_ms[row] - last_ms <= FRESH_MS and ratio(value, last) > OPEN_INTEREST_STEP:
            readings = (
                [*readings, value]
                if readings and ratio(value, readings[0]) <= OPEN_INTEREST_STEP
                else [value]
            )
            accepted[row] = len(readings) >= OPEN_INTEREST_READINGS
        if accepted[row]:
            last, last_ms, readings = value, int(time_ms[row]), []
    return accepted
