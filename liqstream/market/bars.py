"""Many closed bars at once, as NumPy columns: what the model and the store work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

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

    def copy(self) -> Bars:
        """The same bars in arrays of their own."""
        return Bars(self.interval_ms, *(column.copy() for column in self._columns()))

    @property
    def nbytes(self) -> int:
        """Of all columns."""
        return sum(column.nbytes for column in self._columns())

    def _columns(self) -> Iterator[Any]:
        return (getattr(self, each.name) for each in fields(self) if each.name != "interval_ms")

    @classmethod
    def from_candles(
        cls,
        candles: Iterable[Candle],
        interval_ms: int,
        *,
        open_interest_base: float = float("nan"),
        reported_open_interest: float = float("nan"),
    ) -> Bars:
        """Columns of a few candles that share one open interest, for live bars; unknown volumes are NaN."""
        rows = list(candles)
        return cls(
            interval_ms,
            np.array([c.open_time_ms for c in rows], dtype=np.int64),
            _column(c.open for c in rows),
            _column(c.high for c in rows),
            _column(c.low for c in rows),
            _column(c.close for c in rows),
            np.full(len(rows), open_interest_base),
            np.full(len(rows), reported_open_interest),
            _column(c.volume_base for c in rows),
            _column(c.taker_buy_base for c in rows),
        )


def join_bars(first: Bars, second: Bars) -> Bars:
    """`second` after `first`; unchecked: the caller sees to it that it is later and of the same interval."""
    columns = (np.concatenate((getattr(first, name), getattr(second, name))) for name in Bars.__slots__[1:])
    return Bars(first.interval_ms, *columns)


def _column(values: Iterable[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
