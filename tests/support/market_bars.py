"""Bars for the model's tests: random walks with known open interest, and whatever hypothesis thinks of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from liqstream.market import Bars, FloatArray

FIVE_MINUTES_MS = 300_000
START_MS = 1_779_724_500_000


def bars_of_prices(
    prices: FloatArray, *, open_interest_base: FloatArray | float = 1000.0, interval_ms: int = FIVE_MINUTES_MS
) -> Bars:
    """Bars from (n, 4) prices in the order open, high, low, close."""
    count = len(prices)
    interest = np.broadcast_to(np.asarray(open_interest_base, dtype=np.float64), (count,)).copy()
    columns = np.ascontiguousarray(prices.T)
    return Bars(
        interval_ms,
        START_MS + interval_ms * np.arange(count, dtype=np.int64),
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        interest,
        interest.copy(),
        np.ones(count),
        np.full(count, np.nan),
    )


def random_bars(
    count: int, seed: int = 1, *, volatility: float = 0.002, interval_ms: int = FIVE_MINUTES_MS
) -> Bars:
    """A random walk of bars with wandering open interest."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, volatility, (count, 8)).cumsum(axis=1)
    start = np.concatenate(([0.0], steps[:-1, -1].cumsum()))[:, None]
    path = 60_000 * np.exp(np.concatenate((start, start + steps), axis=1))
    prices = np.stack((path[:, 0], path.max(axis=1), path.min(axis=1), path[:, -1]), axis=1)
    interest = 90_000 * np.exp(rng.normal(0, 0.003, count).cumsum())
    return bars_of_prices(prices, open_interest_base=interest, interval_ms=interval_ms)


def longer_bars(bars: Bars, interval_ms: int) -> Bars:
    """The same market in longer bars, the first of which begins with the first bar; a rest is cut off."""
    count = interval_ms // bars.interval_ms
    whole = len(bars) // count * count
    open_, high, low, close, interest, reported = (
        getattr(bars, name)[:whole].reshape(-1, count)
        for name in ("open", "high", "low", "close", "open_interest_base", "reported_open_interest")
    )
    return Bars(
        interval_ms,
        bars.open_time_ms[:whole:count].copy(),
        open_[:, 0].copy(),
        high.max(axis=1),
        low.min(axis=1),
        close[:, -1].copy(),
        interest[:, -1].copy(),
        reported[:, -1].copy(),
        np.full(len(open_), np.nan),
        np.full(len(open_), np.nan),
    )


@st.composite
def any_bars(draw: st.DrawFn, *, max_bars: int = 12) -> Bars:
    """Bars no generator of ours would make: jumps, flat bars, holes in time and open interest."""
    count = draw(st.integers(1, max_bars))
    moves = st.floats(-0.4, 0.4)
    four = st.tuples(moves, st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 1))
    log_price = draw(st.floats(-3, 12))
    rows = []
    for jump, body, wick, where in draw(st.lists(four, min_size=count, max_size=count)):
        open_ = log_price + draw(st.sampled_from([0.0, 0.0, jump]))
        close = open_ + body * (1 if jump > 0 else -1)
        top, bottom = max(open_, close) + wick * where, min(open_, close) - wick * (1 - where)
        rows.append((open_, top, bottom, close))
        log_price = close
    interest = draw(
        st.lists(st.sampled_from([np.nan, 0.0, 500.0, 1000.0, 4000.0]), min_size=count, max_size=count)
    )
    gaps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 500]), min_size=count, max_size=count))
    bars = bars_of_prices(np.exp(np.array(rows)), open_interest_base=np.array(interest))
    times = START_MS + FIVE_MINUTES_MS * np.cumsum(gaps, dtype=np.int64)
    return replace(bars, open_time_ms=times)
