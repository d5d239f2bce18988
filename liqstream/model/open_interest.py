"""Which open interest is known at each bar.

A figure that repeats exactly holds nothing new: the last one that moved is held in base coin, so that a
frozen USD figure divided by a moving price does not seem to move. What has not moved for a day is no longer
known, and nothing is added on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.market import DAY_MS, Bars, FloatArray

HOLD_MS = DAY_MS
"""For so long the last known open interest stands in for a missing one."""


@dataclass(frozen=True, slots=True)
class KnownInterest:
    """The last open interest that moved: as reported, in base coin, and when (bar open, UTC ms)."""

    reported: float = float("nan")
    base: float = float("nan")
    time_ms: int = 0


def known_interest(bars: Bars, known_so_far: KnownInterest) -> tuple[FloatArray, KnownInterest]:
    """Open interest in base coin to add on at each bar (0 where unknown), and what is known after all."""
    reported, held, time_ms = known_so_far.reported, known_so_far.base, known_so_far.time_ms
    known = []
    columns = (bars.open_time_ms, bars.open_interest_base, bars.reported_open_interest)
    for bar_ms, base, raw in zip(*(column.tolist() for column in columns), strict=True):
        figure = base if raw != raw else raw  # NaN is the one number that differs from itself
        if base == base and figure != reported:
            reported, held, time_ms = figure, base, bar_ms
        known.append(held if held == held and bar_ms - time_ms <= HOLD_MS else 0.0)
    return np.array(known), KnownInterest(reported, held, time_ms)
