"""Many closed bars at once, as NumPy columns: what the model and the store work on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from liqstream.market.records import Candle

FloatArray: TypeAlias = NDArray[np.float64]
TimeArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Closed bars of one market as columns of equal length, ascending by open time, no duplicates.

    Prices in USD. `open_interest_base` is the last known open interest at or before the bar's close, in
    base coin; `reported_open_interest` the same figure as the source gave it. Unknown values are NaN.
    A gap is a jump in `open_time_ms` larger than `interval_ms`.
    """

    interval_ms: int
    open_time_ms: TimeArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    open_interest_base: FloatArray
    reported_open_interest: FloatArray
    volume_base: FloatArray
    taker_buy_base: FloatArray

    def __len__(self) -> int:
        return len(self.open_time_ms)

    def __getitem__(self, rows: slice) -> Bars:
        """The bars of a slice, as views."""
        return Bars(
            self.interval_ms,
            self.open_time_ms[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.open_interest_base[rows],
            self.reported_open_interest[rows],
            self.volume_base[rows],
            self.taker_buy_base[rows],
        )

    @classmethod
    def from_candles(
        cls,
        candles: Iterable[Candle],
        interval_ms: int,
        *,
        open_interest_base: float = float("nan"),
        reported_open_interest: float = float("nan"),
    ) -> Bars:
        """Columns of a few candles that share one open interest; for live bars."""
        rows = list(candles)

        def column(values: Iterable[float | None]) -> FloatArray:
            return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

        return cls(
            interval_ms,
            np.array([c.open_time_ms for c in rows], dtype=np.int64),
            column(c.open for c in rows),
            column(c.high for c in rows),
            column(c.low for c in rows),
            column(c.close for c in rows),
            np.full(len(rows), open_interest_base),
            np.full(len(rows), reported_open_interest),
            column(c.volume_base for c in rows),
            column(c.taker_buy_base for c in rows),
        )


def join_bars(first: Bars, second: Bars) -> Bars:
    """`second` after `first`; the caller vouches that it is later and of the same interval."""

    def both(name: str) -> FloatArray:
        return np.concatenate((getattr(first, name), getattr(second, name)))

    return Bars(
        first.interval_ms,
        np.concatenate((first.open_time_ms, second.open_time_ms)),
        both("open"),
        both("high"),
        both("low"),
        both("close"),
        both("open_interest_base"),
        both("reported_open_interest"),
        both("volume_base"),
        both("taker_buy_base"),
    )


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
