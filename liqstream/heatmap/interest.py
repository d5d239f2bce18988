"""Which open interest is known at each bar, and how much of it just left.

A figure that repeats exactly tells nothing new: the last one that moved is held in base coin, so that a
frozen USD figure divided by a moving price does not seem to move. What has been silent for a day is no
longer known, and nothing is added on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.market import DAY_MS, Bars, FloatArray

HOLD_MS = DAY_MS
"""For so long the last known open interest stands in for a missing one."""

MAX_DECAY = 0.5
"""A bar takes off at most this share of what stands, whatever the open interest does."""


@dataclass(frozen=True, slots=True)
class KnownInterest:
    """The last open interest that told something: as reported, in base coin, and when (bar open, UTC ms)."""

    reported: float = float("nan")
    base: float = float("nan")
    time_ms: int = 0


def known_interest(bars: Bars, before: KnownInterest) -> tuple[FloatArray, FloatArray, KnownInterest]:
    """Open interest in base coin to add on at each bar (0 where unknown), the share of standing notional
    that decays with it, and what is known after the last bar.

    Decay follows the true open interest, never the tracked sum: that would wipe the map.
    """
    reported, held, time_ms = before.reported, before.base, before.time_ms
    known, decay = [], []
    columns = (bars.open_time_ms, bars.open_interest_base, bars.reported_open_interest)
    for bar_ms, base, raw in zip(*(column.tolist() for column in columns), strict=True):
        left = 0.0
        told = base if raw != raw else raw  # NaN is the one number that differs from itself
        if base == base and told != reported:
            left = held - base if held == held else 0.0
            reported, held, time_ms = told, base, bar_ms
        decay.append(min(MAX_DECAY, left / held if held > 0 else MAX_DECAY) if left > 0 else 0.0)
        known.append(held if held == held and bar_ms - time_ms <= HOLD_MS else 0.0)
    return np.array(known), np.array(decay), KnownInterest(reported, held, time_ms)
