"""An account's state as `clearinghouseState` answers it, and whether its levels can be recomputed from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from liqstream.market.record_bounds import LARGEST_SIZE_BASE, LARGEST_USD, is_price
from liqstream.positions.liquidation_price import HIGHEST, MarginColumns
from liqstream.positions.margin_tables import MarginTable

SAME_LEVEL = 1e-4
"""A recomputed level within 1 bp of the reported one proves that the account is understood."""


@dataclass(frozen=True, slots=True)
class PositionState:
    """One open position: signed size in base coin, prices in USD; `level` None: it has none at this account
    value. `raw_usd` is the margin's own USD of an isolated position, None for cross."""

    coin: str
    size: float
    entry: float
    mark: float
    level: float | None
    leverage: float
    raw_usd: float | None


@dataclass(frozen=True, slots=True)
class AccountState:
    """All open positions of an account at a moment of the exchange (UTC ms); amounts in USD."""

    time_ms: int
    total_raw_usd: float
    account_value_usd: float
    maintenance_usd: float
    positions: tuple[PositionState, ...]


def read_account_state(body: Any) -> AccountState:
    """The state in an answer. Raises ValueError, KeyError or TypeError for what is none: a size or price that
    is no number, a position without size, a coin listed twice."""
    summary = body["crossMarginSummary"]
    positions = tuple(_position(row["position"]) for row in body["assetPositions"])
    if len({position.coin for position in positions}) != len(positions):
        raise ValueError("a coin is listed twice")
    time_ms = int(body["time"])
    if time_ms <= 0:
        raise ValueError("a state has a time")
    return AccountState(
        time_ms,
        _finite(summary["totalRawUsd"]),
        _finite(summary["accountValue"]),
        _finite(body["crossMaintenanceMarginUsed"]),
        positions,
    )


def _position(row: Any) -> PositionState:
    size, leverage = _finite(row["szi"]), row["leverage"]
    value = _finite(row["positionValue"])
    entry = _finite(row["entryPx"])
    if not (0 < abs(size) < LARGEST_SIZE_BASE and 0 < value <= LARGEST_USD and is_price(entry)):
        raise ValueError("an open position has a size, a value and an entry")
    isolated = leverage["type"] == "isolated"
    level = row["liquidationPx"]
    return PositionState(
        str(row["coin"]),
        size,
        entry,
        value / abs(size),
        None if level is None else _level(level),
        _finite(leverage["value"]),
        _finite(leverage["rawUsd"]) if isolated else None,
    )


def _level(value: Any) -> float | None:
    """A reported level, USD; None for one that no price reaches, which the exchange means by null too."""
    level = _finite(value)
    return level if 0 < level <= HIGHEST else None


def _finite(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{value!r} is no amount")
    return number


def recomputed_levels(state: AccountState, tables: Mapping[str, MarginTable]) -> list[float | None]:
    """Each position's level from the state's own figures, in their sequence. Raises KeyError for a coin
    without a margin table."""
    if not state.positions:
        return []
    columns = MarginColumns([tables[position.coin] for position in state.positions])
    rows = np.arange(len(state.positions))
    size = np.array([position.size for position in state.positions])
    mark = np.array([position.mark for position in state.positions])
    raw = np.array([np.nan if p.raw_usd is None else p.raw_usd for p in state.positions])
    is_cross = np.isnan(raw)
    parts = np.where(is_cross, columns.contributions(rows, size, mark), 0.0)
    constant = np.where(is_cross, state.total_raw_usd + parts.sum() - parts, raw)
    prices = columns.liquidation_prices(rows, size, constant)
    return [None if math.isnan(price) else price for price in prices.tolist()]


def is_opaque(state: AccountState, tables: Mapping[str, MarginTable]) -> bool:
    """Whether the recomputed levels are not the reported ones: collateral elsewhere, another account mode, or
    rules that are not known. Its reported levels are kept and never recomputed."""
    try:
        own = recomputed_levels(state, tables)
    except KeyError:
        return True
    return not all(_same(level, position.level) for level, position in zip(own, state.positions, strict=True))


def _same(own: float | None, reported: float | None) -> bool:
    if own is None or reported is None:
        return own is reported
    return abs(own - reported) <= SAME_LEVEL * reported
