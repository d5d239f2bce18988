"""The recorded files of ../shared/data as columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liqstream.evaluation.scoring_data import Realised
from liqstream.market import HOUR_MS, Bars
from tests.support.market_bars import FIVE_MINUTES_MS


def five_minute_bars(path: Path) -> Bars:
    """Binance 5m bars with open interest in USD."""
    return _bars(np.genfromtxt(path, delimiter=",", names=True), FIVE_MINUTES_MS)


def hourly_bars(path: Path) -> tuple[Bars, Realised]:
    """1h bars with open interest and realised liquidations of three venues."""
    rows = np.genfromtxt(path, delimiter=",", names=True)
    bars = _bars(rows, HOUR_MS)
    return bars, Realised(
        HOUR_MS, bars.open_time_ms, rows["liquidation_long_usd"], rows["liquidation_short_usd"]
    )


def half_hour_totals(path: Path) -> Realised:
    """30m totals of three venues."""
    rows = np.genfromtxt(path, delimiter=",", names=True)
    return Realised(1_800_000, rows["open_time"].astype(np.int64), rows["long_usd"], rows["short_usd"])


def _bars(rows: np.ndarray[tuple[int], np.dtype[np.void]], interval_ms: int) -> Bars:
    unknown = np.full(len(rows), np.nan)
    usd = rows["sum_open_interest_value"]
    return Bars(
        interval_ms,
        rows["open_time"].astype(np.int64),
        open=rows["open"].copy(),
        high=rows["high"].copy(),
        low=rows["low"].copy(),
        close=rows["close"].copy(),
        open_interest_base=usd / rows["close"],
        reported_open_interest=usd.copy(),
        volume_base=unknown,
        taker_buy_base=unknown.copy(),
    )
