"""At which level a liquidation was triggered: what the price an exchange tells is the price of.

Bybit and OKX tell the bankruptcy price, at which the margin is gone: the maintenance margin beyond the level.
Binance's average fill and Hyperliquid's are next to the level as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from liqstream.evaluation.price_score import Events
from liqstream.market import Bars, FloatArray
from liqstream.model.kernel import TIER_MAINTENANCE_MARGIN_RATE
from liqstream.model.margin import BracketTable

PRICE_KINDS: Mapping[str, Literal["fill", "bankruptcy"]] = {
    "aster": "fill",
    "binance": "fill",
    "bitget": "bankruptcy",
    "bybit": "bankruptcy",
    "gate": "fill",
    "hyperliquid": "fill",
    "lighter": "fill",
    "okx": "bankruptcy",
}
"""By exchange; the liquidations of others are counted, not scored by price."""

_MINUTE_MS = 60_000


def at_their_levels(events: Events, exchange: str, symbol: str, brackets: BracketTable, bars: Bars) -> Events:
    """The events at the prices of their levels; none, but counted, where the exchange's prices are unknown.

    With bars of a minute a level lies within the minute in which it was liquidated.
    """
    kind = PRICE_KINDS.get(exchange)
    if kind is None:
        nothing = slice(0, 0)
        return Events(
            events.time_ms[nothing],
            events.is_long[nothing],
            events.price_usd[nothing],
            events.usd[nothing],
            unknown_kind=len(events),
        )
    if kind == "fill":
        return events
    rates = _maintenance_margin_rates(events.usd, symbol, brackets)
    levels = events.price_usd / np.where(events.is_long, 1 - rates, 1 + rates)
    return replace(events, price_usd=_within_minute(levels, events, bars))


def _maintenance_margin_rates(usd: FloatArray, symbol: str, brackets: BracketTable) -> FloatArray:
    steps = brackets.symbols.get(symbol)
    if steps is None:
        return np.full(len(usd), TIER_MAINTENANCE_MARGIN_RATE)
    floors = [step.floor_usd for step in steps]
    rates = np.array([step.maintenance_margin_rate for step in steps])
    found: FloatArray = rates[np.searchsorted(floors, usd, side="right") - 1]
    return found


def _within_minute(levels: FloatArray, events: Events, bars: Bars) -> FloatArray:
    if bars.interval_ms != _MINUTE_MS or not len(bars):
        return levels
    row = np.searchsorted(bars.open_time_ms, events.time_ms, side="right") - 1
    inside = np.maximum(row, 0)
    known = (row >= 0) & (events.time_ms < bars.open_time_ms[inside] + _MINUTE_MS)
    clipped: FloatArray = np.clip(levels, bars.low[inside], bars.high[inside])
    return np.where(known, clipped, levels)
