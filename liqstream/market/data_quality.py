"""What is wrong with the data a map rests on, in words a reader can act on.

Flags are judged on recent bars alone. Open interest is judged on the raw reported figure, before any
conversion: a frozen USD figure divided by a moving price moves.
"""

from __future__ import annotations

import math

import numpy as np

from liqstream.market import DAY_MS, HOUR_MS, Bars

QUALITY_FLAGS: tuple[str, ...] = (
    "no_open_interest",
    "stale_open_interest",
    "gap",
    "out_of_order",
    "zero_volume",
    "price_jump",
    "refused_data",
    "warming_up",
    "calibrating",
    "bars_late",
    "marks_late",
    "open_interest_late",
    "missing_past",
    "not_trading",
    "not_listed",
    "contract_changed",
    "exchange_silent",
    "other_coin",
)
"""Every flag, in the order of a snapshot's; `out_of_order` is found as bars arrive (heatmap/live_market),
`refused_data` by the guard (market/record_guard), those after `calibrating` by the feeds."""

STALE_AFTER_MS = HOUR_MS
STALE_AFTER_BARS = 3
"""The same reported open interest for so long, and over so many bars, is stale."""

RECENT_MS = DAY_MS
"""Gaps, jumps and bars out of order are flagged for a day."""

WARM_UP_MS = 3 * DAY_MS
"""The map's ranking saturates within this much history (docs/model.md)."""

MIN_JUMP = 0.02
JUMP_RANGES = 15.0
"""A step between bars of 2 % or more, and of so many median bar ranges, is the source's own."""


def quality_of(recent: Bars, *, history_ms: int | None = None, calibrating: bool = False) -> tuple[str, ...]:
    """The flags of a market, in the order of QUALITY_FLAGS.

    `recent` are its last bars, ascending (a day of them at least, where there is one); `history_ms` is how
    much history its map has taken in, by default the span of `recent`.
    """
    if not len(recent):
        return ("no_open_interest", "warming_up", "calibrating")
    span_ms = int(recent.open_time_ms[-1] - recent.open_time_ms[0]) + recent.interval_ms
    last_day = recent[_first_since(recent, RECENT_MS) :]
    found = {
        "no_open_interest": not math.isfinite(recent.open_interest_base[-1]),
        "stale_open_interest": stale_open_interest(recent),
        "gap": has_gap(last_day),
        "zero_volume": bool(recent.volume_base[-1] == 0),
        "price_jump": has_price_jump(last_day),
        "warming_up": (span_ms if history_ms is None else history_ms) < WARM_UP_MS,
        "calibrating": calibrating,
    }
    return tuple(flag for flag in QUALITY_FLAGS if found.get(flag, False))


def stale_open_interest(bars: Bars) -> bool:
    """True when the reported open interest has not moved over the last hour and three bars."""
    unmoved = unmoved_bars(bars)
    return unmoved >= STALE_AFTER_BARS and unmoved * bars.interval_ms >= STALE_AFTER_MS


def unmoved_bars(bars: Bars) -> int:
    """How many of the last bars repeated the reported open interest of the bar before them."""
    reported = bars.reported_open_interest
    if not len(reported) or not math.isfinite(reported[-1]):
        return 0
    moved = np.flatnonzero(reported != reported[-1])
    return len(reported) - 1 - (int(moved[-1]) + 1 if len(moved) else 0)


def has_gap(bars: Bars) -> bool:
    """True when a bar is missing between the first and the last."""
    return bool((np.diff(bars.open_time_ms) > bars.interval_ms).any())


def has_price_jump(bars: Bars) -> bool:
    """True when a bar opens far from where the bar right before it closed."""
    if len(bars) < 2:
        return False
    usual = float(np.median(np.log(bars.high / bars.low)))
    limit = max(MIN_JUMP, JUMP_RANGES * usual)
    adjacent = np.diff(bars.open_time_ms) == bars.interval_ms
    steps = np.abs(np.log(bars.open[1:] / bars.close[:-1]))
    return bool((adjacent & (steps > limit)).any())


def _first_since(bars: Bars, span_ms: int) -> int:
    return int(np.searchsorted(bars.open_time_ms, bars.open_time_ms[-1] - span_ms))
