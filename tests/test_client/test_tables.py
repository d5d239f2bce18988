"""liqstream/client/tables.py: snapshots and histories in one line, and as tables of the real pandas."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from liqstream.client import History, Levels, Snapshot
from liqstream.client.tables import short_usd


def snapshot() -> Snapshot:
    """Three levels; the price is that of the second."""
    return Snapshot(
        symbol="BTCUSDT",
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        epoch=1,
        seq=2,
        skipped=0,
        stale=True,
        source="replay",
        quality=("bars_late",),
        current_price=90_000.0,
        positions_created=0,
        positions_consumed=0,
        grid=Levels.of(89_990.0, 10.0, [1.5e6, 0.0, 0.0], [0.0, 0.0, 2e9]),
    )


def history(columns: int) -> History:
    """Columns of five minutes with two prices; the first is a gap."""
    ones, nan = np.ones(columns), np.full(columns, np.nan)
    gap = np.arange(columns) == 0
    candle = np.where(gap, nan, ones)
    return History(
        symbol="BTCUSDT",
        interval_ms=300_000,
        open_time_ms=1_767_323_040_000 + 300_000 * np.arange(columns, dtype=np.int64),
        prices=np.array([1.0, 2.0]),
        long_usd=np.ones((columns, 2)),
        short_usd=2 * np.ones((columns, 2)),
        open=candle,
        high=candle,
        low=candle,
        close=candle,
        gap=gap,
        source="live",
        stale=False,
        quality=(),
        kernel="tiered",
        exchanges=("binance",),
        partial=False,
    )


def test_each_is_shown_in_one_line() -> None:
    """With what is to be doubted; also without any column."""
    assert repr(snapshot()) == (
        "<Snapshot BTCUSDT 2026-01-02T03:04:05Z price 90,000 long 1.5M short 2.0B USD, 3 levels, "
        "replay, stale, bars_late>"
    )
    assert repr(history(2)) == (
        "<History BTCUSDT 2026-01-02T03:04Z to 2026-01-02T03:09Z, 2 columns of 300 s, 2 prices, live>"
    )
    assert repr(history(0)) == "<History BTCUSDT empty, 0 columns of 300 s, 2 prices, live>"


@pytest.mark.parametrize(("usd", "text"), [(0.4, "0"), (950.0, "950"), (1500.0, "1.5K"), (2e7, "20.0M")])
def test_short_sums(usd: float, text: str) -> None:
    """With the unit that fits."""
    assert short_usd(usd) == text


def test_a_snapshot_as_a_table() -> None:
    """By price; what is no column is in its attributes."""
    frame = snapshot().to_pandas()
    assert frame.index.name == "price"
    assert frame.loc[90_010.0].to_dict() == {"long_usd": 0.0, "short_usd": 2e9}
    assert (frame.attrs["symbol"], frame.attrs["stale"], frame.attrs["source"]) == ("BTCUSDT", True, "replay")


def test_a_history_as_a_table() -> None:
    """By time in UTC, with sums of its levels and its gaps."""
    frame = history(2).to_pandas()
    assert list(frame.index) == [pd.Timestamp("2026-01-02T03:04Z"), pd.Timestamp("2026-01-02T03:09Z")]
    assert frame["gap"].tolist() == [True, False]
    assert frame["close"].isna().tolist() == [True, False]
    assert frame["short_usd"].tolist() == [4.0, 4.0]
    assert len(history(0).to_pandas()) == 0


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client itself needs none."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        snapshot().to_pandas()
