"""What a reader of a score should know of the data it rests on, one sentence each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from liqstream.evaluation.scoring_data import ScoringData
from liqstream.market import DAY_MS, Bars, TimeArray
from liqstream.market.data_quality import STALE_AFTER_MS
from liqstream.model.kernel import Kernel

KERNEL_FITTED_MS = (1_764_806_400_000, 1_775_001_600_000)
"""The span the built-in masses were fitted on: 2025-12-04 to 2026-04-01, BTC, 1h bars."""


def warnings_of(data: ScoringData, kernel: Kernel, times: TimeArray) -> list[str]:
    """What makes the figures of the intervals that open at `times` (UTC ms, ascending) worth less."""
    realised, exchange = data.realised, data.market.exchange
    start, end = int(times[0]), int(times[-1]) + realised.interval_ms
    found = [
        _fitted_warning(kernel, start, end),
        _coverage_warning(times, realised.interval_ms),
        _stale_warning(data.bars, start),
    ]
    days = (end - start) / DAY_MS
    if days < 30:
        found.append(f"only {days:.0f} days: the intervals are wide, and days after a calm week differ")
    if not realised.given_as_totals:
        found.append(
            "the liquidations are single events added up"
            + (
                "; Binance reports at most one liquidation per symbol and second, so they are a lower bound"
                if exchange == "binance"
                else "; where the feed leaves some out they are a lower bound"
            )
        )
    else:
        found.append(
            "the liquidations are totals as they were given: where they cover more exchanges than "
            f"{exchange}, whose open interest and prices the map rests on, the amplitude makes up for it"
        )
    return [warning for warning in found if warning]


def _fitted_warning(kernel: Kernel, start_ms: int, end_ms: int) -> str:
    fitted: tuple[Any, Any] = KERNEL_FITTED_MS
    if kernel.provenance:
        fitted = (kernel.provenance.get("from_ms"), kernel.provenance.get("to_ms"))
    if not all(isinstance(bound, int) for bound in fitted):
        return f"model {kernel.name} does not tell what it was fitted on: this may be the same span"
    if fitted[0] < end_ms and start_ms < fitted[1]:
        return (
            f"model {kernel.name} was fitted on {iso_utc_s(fitted[0])[:10]} to {iso_utc_s(fitted[1])[:10]}, "
            "part of what is scored here: its figures are slightly optimistic"
        )
    return ""


def _coverage_warning(times: TimeArray, interval_ms: int) -> str:
    possible = int(times[-1] - times[0]) // interval_ms + 1
    missing = possible - len(times)
    if not missing:
        return ""
    return f"{missing} of {possible} intervals lack bars or liquidations and are not scored"


def _stale_warning(bars: Bars, start_ms: int) -> str:
    inside = bars.open_time_ms >= start_ms
    reported = bars.reported_open_interest
    unmoved = np.concatenate(([False], reported[1:] == reported[:-1]))
    # Runs shorter than an hour happen in quiet markets; count only bars within longer ones.
    starts = np.flatnonzero(~unmoved)
    lengths = np.diff(np.append(starts, len(unmoved)))
    in_long_run = np.repeat(lengths * bars.interval_ms > STALE_AFTER_MS + bars.interval_ms, lengths)
    share = float((in_long_run & unmoved)[inside].mean())
    unknown = float(np.isnan(bars.open_interest_base)[inside].mean())
    parts = []
    if share > 0.005:
        parts.append(f"open interest stood still for {share:.0%} of the bars (a stale source)")
    if unknown > 0.005:
        parts.append(f"open interest is unknown for {unknown:.0%} of the bars")
    return "; ".join(parts)


def iso_utc_s(time_ms: int | np.int64) -> str:
    """UTC epoch milliseconds as ISO 8601 to the second."""
    return datetime.fromtimestamp(int(time_ms) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
