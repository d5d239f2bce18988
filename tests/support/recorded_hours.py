"""The recorded hours of BTC with open interest and realised liquidations, without a store."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from liqstream.evaluation.scoring_data import Realised
from liqstream.market import HOUR_MS, Bars

FILE = "btc_1h_price_oi_liquidations_20251204_20260401.csv"


def recorded_hours(folder: Path, days: int | None = None) -> tuple[Bars, Realised]:
    """Bars and totals of the first so many days, or of all four months."""
    with (folder / FILE).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[: None if days is None else days * 24]
    times = np.array([int(row["open_time"]) for row in rows], dtype=np.int64)
    prices = {name: np.array([float(row[name]) for row in rows]) for name in ("open", "high", "low", "close")}
    interest_usd = np.array([float(row["sum_open_interest_value"]) for row in rows])
    long, short = (
        np.array([float(row[f"liquidation_{side}_usd"]) for row in rows]) for side in ("long", "short")
    )
    unknown = np.full(len(rows), np.nan)
    bars = Bars(
        HOUR_MS,
        times,
        prices["open"],
        prices["high"],
        prices["low"],
        prices["close"],
        interest_usd / prices["close"],
        interest_usd,
        unknown,
        unknown,
    )
    return bars, Realised(HOUR_MS, times, long, short)
