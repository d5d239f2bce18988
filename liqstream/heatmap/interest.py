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
    base = bars.open_interest_base
    reported = np.where(np.isnan(bars.reported_open_interest), base, bars.reported_open_interest)
    valid = np.isfinite(base) & np.isfinite(reported)
    rows = np.arange(1, len(bars) + 1)
    # Row 0 is what was known before; "last" is the last row at or before each row that counts.
    all_reported = np.concatenate(([before.reported], reported))
    last_valid = np.concatenate(([0], np.maximum.accumulate(np.where(valid, rows, 0))))
    news = valid & (reported != all_reported[last_valid[:-1]])
    last_news = np.maximum.accumulate(np.where(news, rows, 0))
    all_base = np.concatenate(([before.base], base))
    all_times = np.concatenate(([before.time_ms], bars.open_time_ms))
    held = all_base[last_news]
    fresh = np.isfinite(held) & (bars.open_time_ms - all_times[last_news] <= HOLD_MS)
    previous = np.concatenate(([before.base], held[:-1]))
    left = np.where(np.isfinite(previous) & np.isfinite(held), previous - held, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(left > 0, left / held, 0.0)
    end = int(last_news[-1])
    after = KnownInterest(float(all_reported[end]), float(all_base[end]), int(all_times[end]))
    return np.where(fresh, held, 0.0), np.minimum(share, MAX_DECAY), after
