"""What the store returns: columns of equal length, and plain summaries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray, TimeArray


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What became of a batch: rows that are new, known already, or known with other values (replaced)."""

    new: int = 0
    duplicate: int = 0
    replaced: int = 0
    new_by_table: Counter[str] = field(default_factory=Counter, compare=False)

    def __add__(self, other: AppendResult) -> AppendResult:
        return AppendResult(
            self.new + other.new,
            self.duplicate + other.duplicate,
            self.replaced + other.replaced,
            self.new_by_table + other.new_by_table,
        )


@dataclass(slots=True)
class StoreCounters:
    """What the store has done since it was opened; read it, never write it.

    `rows_lost` counts rows given up because they could not be written in time (a full disk).
    `commit_seconds` adds up the time from handing a batch over to its commit. `recoveries` counts damaged
    write-ahead logs put aside, `failed_backups` backups that could not be written.
    """

    commits: int = 0
    commit_seconds: float = 0.0
    failed_commits: int = 0
    rows_written: int = 0
    rows_duplicate: int = 0
    rows_lost: int = 0
    recoveries: int = 0
    failed_backups: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LiquidationColumns:
    """Single liquidations, ascending by time. `is_long` is True where a long position was closed."""

    time_ms: TimeArray
    exchange: NDArray[np.object_]
    is_long: NDArray[np.bool_]
    price_usd: FloatArray
    quantity_base: FloatArray

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, slots=True, eq=False)
class LiquidationTotals:
    """Realised liquidations per interval and side in USD, ascending; intervals without any row are absent.

    `from_totals` is True where the figure rests on totals a source gave of the whole interval, False where
    single events were added up (a lower bound on exchanges that do not report every liquidation), or totals
    of a part of it.
    """

    interval_ms: int
    open_time_ms: TimeArray
    long_usd: FloatArray
    short_usd: FloatArray
    from_totals: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.open_time_ms)


@dataclass(frozen=True, slots=True, eq=False)
class FundingColumns:
    """Funding rates, ascending by time, as fractions of notional per funding interval."""

    time_ms: TimeArray
    rate: FloatArray

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, slots=True)
class MarketSummary:
    """What the store holds of one market at one bar interval; `interval_ms` is None without any bars.

    `first_ms` and `last_ms` are open times of bars, without any bars the times of what else there is. `gaps`
    are spans of missing bars as (first missing, next present), `missing_bars` is their number of bars. The
    last three counts are of the whole market.
    """

    exchange: str
    symbol: str
    interval_ms: int | None
    first_ms: int
    last_ms: int
    rows: int
    gaps: tuple[tuple[int, int], ...]
    missing_bars: int
    open_interest_rows: int
    liquidation_rows: int
    liquidation_total_rows: int
