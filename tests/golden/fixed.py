"""Snapshots and a history in which every figure is written down, so that their bytes never differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import QUANTISED_USD, UsdArray
from liqstream.heatmap.snapshot import HeatmapSnapshot

NOW_MS = 1_766_932_200_000
EPOCH = 1_766_932_000_000

_LONG_RUNGS = [0, 0, 12, 340, 44, 151, 0, 407, 233, 390, 361, 1, 305, 412, 322, 377, 210, 345, 415, 333]
_SHORT_RUNGS = [303, 355, 0, 418, 260, 341, 39, 0, 380, 317, 2, 401, 366, 329, 388, 314, 399, 342, 0, 0]
_NONE = [0] * 20

FIRST = HeatmapSnapshot(
    symbol="BTCUSDT",
    timestamp_ms=NOW_MS,
    epoch=EPOCH,
    seq=1,
    grid=Grid(90_000.0, 50.0, 40),
    long=QUANTISED_USD[_LONG_RUNGS + _NONE],
    short=QUANTISED_USD[_NONE + _SHORT_RUNGS],
    current_price=90_975.0,
    positions_created=3,
    positions_consumed=1,
    stale=False,
    source="simulated",
    quality=("gap", "stale_open_interest"),
    kernel="tiered",
)
"""A map on whole prices, longs below the price and shorts above it."""


def _with(usd: UsdArray, row: int, rung: int) -> UsdArray:
    changed = usd.copy()
    changed[row] = QUANTISED_USD[rung]
    return changed


SECOND = replace(
    FIRST,
    timestamp_ms=NOW_MS + 1250,
    seq=2,
    long=_with(FIRST.long, 5, 0),
    short=_with(FIRST.short, 22, 99),
    current_price=90_975.25,
    positions_created=1,
    positions_consumed=1,
    quality=(),
)
"""A second and a quarter later: one level swept, one grown."""

FINE = replace(
    FIRST, symbol="XRPUSDT", grid=Grid(0.5, 0.005, 40), current_price=0.5975, stale=True, source="live"
)
"""The same figures on prices below 1 USD."""

_ROWS = 6
_RUNGS = np.array(
    [
        [0, 40, 90, 0, 0, 0],
        [0, 40, 93, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [300, 41, 0, 0, 0, 0],
    ],
    dtype=np.uint16,
)

HISTORY = HistoryMatrix(
    symbol="BTCUSDT",
    interval_ms=300_000,
    t0_ms=NOW_MS,
    columns=4,
    grid=Grid(90_000.0, 100.0, _ROWS),
    long=_RUNGS,
    short=np.ascontiguousarray(_RUNGS[:, ::-1]),
    candles=np.array(
        [
            [90_200.0, 90_250.5, np.nan, 90_240.1],
            [90_280.0, 90_300.0, np.nan, 90_240.1],
            [90_150.0, 90_220.0, np.nan, 90_110.0],
            [90_250.5, 90_230.0, np.nan, 90_120.0],
        ]
    ),
    exchanges=("binance", "bybit"),
    epoch=EPOCH,
    seq=2,
    source="replay",
    stale=False,
    quality=("gap",),
    kernel="tiered",
    partial=True,
)
"""Four columns of six levels; the third has no bar, the last is still forming."""
