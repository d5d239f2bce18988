"""What the estimator hands on: standing liquidation notional by log price, side and leverage group."""

from __future__ import annotations

from dataclasses import dataclass

from liqstream.market import FloatArray

LEVERAGE_GROUPS: tuple[str, ...] = ("to 10x", "to 25x", "to 50x", "to 100x", "above 100x")
"""Leverage groups in which levels are kept apart, lowest leverage (farthest from entry) first."""


@dataclass(frozen=True, slots=True, eq=False)
class LevelDensity:
    """USD standing in equal log-price bins, one row per leverage group.

    `long_usd` and `short_usd` have the shape (groups, bins), or (1, bins) where the groups are added up;
    bin b spans the log prices from
    `low_log_price + b * bin_width` to `low_log_price + (b + 1) * bin_width`. What stands farther off is in
    `far`, in wider bins; the rest of either side adds up with it.
    """

    low_log_price: float
    bin_width: float
    long_usd: FloatArray
    short_usd: FloatArray
    far: tuple[LevelDensity, ...] = ()
