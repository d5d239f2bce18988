"""Hyperliquid's margin tables: the maintenance margin of a position by its notional.

A tier's rate is l = 1 / (2 x its maximum leverage), the margin l N - d. The deduction d keeps the margin
continuous: d(0) = 0, d(n) = d(n-1) + lower(n) (l(n) - l(n-1)), lower(n) being the tier's lower bound in USD.
https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from liqstream.market import FloatArray
from liqstream.model.margin import MOST_CAP_USD, MOST_LEVERAGE

FIRST_TIERED_ID = 50
"""Below it an id is no table's: it is the one tier's maximum leverage."""


@dataclass(frozen=True, slots=True, eq=False)
class MarginTable:
    """Tiers by ascending notional: `lower` bounds in USD, `rate` and `deduction` (USD) of each."""

    lower: FloatArray
    rate: FloatArray
    deduction: FloatArray

    def margin(self, notional_usd: float) -> float:
        """The maintenance margin of a position, USD: as rates grow, that of the dearest tier."""
        return float((self.rate * notional_usd - self.deduction).max())


def table_of(tiers: Sequence[tuple[float, float]]) -> MarginTable:
    """The table of (lower bound in USD, maximum leverage) by ascending bound.

    Raises ValueError for tiers that are none, do not begin at 0, grow in leverage, or cannot be meant.
    """
    lower = np.array([bound for bound, _ in tiers], dtype=np.float64)
    leverage = np.array([most for _, most in tiers], dtype=np.float64)
    falls = np.all(np.diff(leverage) < 0) and np.all(np.diff(lower) > 0)
    if not len(tiers) or lower[0] != 0 or not falls or not np.all(leverage >= 1):
        raise ValueError("a margin table begins at 0 USD and has ever less leverage")
    if leverage[0] > MOST_LEVERAGE or lower[-1] > MOST_CAP_USD:
        raise ValueError(f"a margin table has at most {MOST_LEVERAGE:g}x and {MOST_CAP_USD:g} USD")
    rate = 1 / (2 * leverage)
    steps = np.diff(rate, prepend=rate[0]) * lower
    return MarginTable(lower, rate, np.cumsum(steps))


def read_margin_tables(meta: Any) -> dict[str, MarginTable]:
    """Each listed coin's table, of the answer to `meta`; a coin whose table is unreadable has none.

    Raises KeyError, TypeError or ValueError for an answer of another form.
    """
    if not isinstance(meta, dict):
        raise TypeError("margin tables are in an object")
    tiered: Mapping[int, Any] = {int(number): table for number, table in meta.get("marginTables") or ()}
    found = {}
    for contract in meta["universe"]:
        try:
            found[str(contract["name"])] = _table(contract, tiered)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return found


def _table(contract: Any, tiered: Mapping[int, Any]) -> MarginTable:
    number = int(contract.get("marginTableId") or contract["maxLeverage"])
    if number < FIRST_TIERED_ID:
        return table_of([(0.0, float(number))])
    tiers = tiered[number]["marginTiers"]
    return table_of([(float(tier["lowerBound"]), float(tier["maxLeverage"])) for tier in tiers])
