"""The layer of measured positions: a map, a history and figures of its own, never part of a sum.

Its unit is another one: USD of positions at their liquidation price. The estimate is what is really
liquidated.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from liqstream.heatmap.history import Histories
from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.history_rows import Rows
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.price_grid import Grid, cells_usd, keep_to_their_side
from liqstream.heatmap.quantise import QuantisedArray, dequantise, quantise
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.symbol_state import LevelMix
from liqstream.market import MINUTE_MS
from liqstream.model.density import LEVERAGE_GROUPS
from liqstream.positions.collector import PositionsCollector
from liqstream.positions.measured import PARTIAL, MeasuredLevels, measured_cells
from liqstream.positions.messages import shortened
from liqstream.store.market_store import MarketStore
from liqstream.store.positions import CELL_WIDTH, CellColumns

MEASURED = "hyperliquid-measured"
"""The layer's name wherever an exchange's could stand."""
KERNEL = "measured"
LOOK_KEPT_MS = 15 * MINUTE_MS
"""A column shows a look that is at most so old at its end."""


@dataclass(frozen=True, slots=True)
class MeasuredRange:
    """Which positions are asked for: a side ("" for both), levels from `low` to `high` (USD), how many at
    most."""

    side: str = ""
    low: float = 0.0
    high: float = float("inf")
    limit: int = 50


class MeasuredLayer:
    """What one server shows of its collector."""

    def __init__(
        self, collector: PositionsCollector, maps: LiveMaps, histories: Histories, store: MarketStore
    ) -> None:
        self.collector = collector
        self._maps = maps
        self._histories = histories
        self._store = store

    def lack(self, symbol: str) -> str:
        """Why the layer has nothing to show of a symbol now; "" if it may have."""
        if self.collector.ended:
            return self.collector.ended
        if self.collector.state == "standby":
            return "another server of the fleet reads positions; ask that one"
        if symbol not in self.collector.symbols:
            return f"positions of {symbol} are not measured: it was not followed when this server began"
        return ""

    async def snapshot(self, symbol: str) -> tuple[HeatmapSnapshot, LevelMix] | None:
        """The measured map on the grid of the symbol's live map, with its leverage mix; None before a
        price."""
        live = await self._maps.get_latest_heatmap_snapshot(symbol)
        levels = None if live is None else self.collector.levels(symbol, live.current_price)
        if live is None or levels is None:
            return None
        grid = live.grid
        longs, shorts = measured_cells(levels, grid.p0, grid.step, grid.cells)
        keep_to_their_side(longs, shorts, grid, levels.mark)
        snapshot = replace(
            live,
            long=dequantise(quantise(longs.sum(axis=0))),
            short=dequantise(quantise(shorts.sum(axis=0))),
            current_price=levels.mark,
            positions_created=0,
            positions_consumed=0,
            quality=(),
            silent=(),
            stale=not self.collector.hears_trades,
            kernel=KERNEL,
        )
        return snapshot, LevelMix(grid, LEVERAGE_GROUPS, longs, shorts)

    async def matrix(
        self, symbol: str, *, start_ms: int, end_ms: int, interval_ms: int, step: float | None
    ) -> HistoryMatrix | None:
        """The measured levels at the end of each column, on the grid and beside the candles of the live map's
        history; empty where nothing was looked at. Raises StoreError."""
        base = await self._histories.matrix(
            symbol, start_ms=start_ms, end_ms=end_ms, interval_ms=interval_ms, rows=Rows(step)
        )
        if base is None:
            return None
        stored = await self._store.measured_cells(
            symbol,
            start_ms=start_ms - LOOK_KEPT_MS,
            end_ms=end_ms + 1,
            simulated=self.collector.setup.source == "simulated",
        )
        price = None if not base.columns or np.isnan(base.candles[3, -1]) else float(base.candles[3, -1])
        live = self.collector.levels(symbol, price) if base.partial else None
        return await asyncio.to_thread(_filled, base, stored, live)

    def facts(self, symbol: str) -> dict[str, Any]:
        """Coverage, ages and state of a symbol's layer, and a sentence of them."""
        collector = self.collector
        levels = collector.levels(symbol)
        coverage = None if levels is None else collector.coverage(symbol, levels)
        if coverage is None:
            plain = {"measured": True, "source": collector.setup.source, "state": collector.state}
            return plain | self._realised(symbol)
        proof = collector.keeper.one_sided
        found: dict[str, Any] = {
            "measured": True,
            "source": collector.setup.source,
            "state": collector.state,
            "coverage": {
                "long": round(coverage.long, 4),
                "short": round(coverage.short, 4),
                "long_with_level": round(coverage.long_with_level, 4),
                "short_with_level": round(coverage.short_with_level, 4),
                "if_one_sided": proof is None,
                "unsound": coverage.is_unsound,
                "partial": coverage.is_partial,
            },
            "age": {"median_ms": coverage.median_age_ms, "near_ms": coverage.near_age_ms},
            "deadline_factor": round(collector.schedule.factor, 2),
            **self._realised(symbol),
        }
        found["sentence"] = sentence(found)
        return found

    def capture(self, symbol: str) -> float | None:
        """The share of a symbol's realised liquidations on Hyperliquid that is found; None while unknown."""
        found = self.collector.capture(symbol)
        return None if found is None else round(found.share, 4)

    def _realised(self, symbol: str) -> dict[str, Any]:
        found = self.collector.capture(symbol)
        if found is None:
            return {}
        share = f"{found.share:.0%}".replace("%", " %")
        shown = {
            "capture": round(found.share, 4),
            "found": found.found,
            "found_usd": round(found.found_usd),
            "lower_bound": True,
            "sentence": f"about {share} of its liquidations are found: their sums are a lower bound",
        }
        return {"liquidations": shown}

    def largest(self, symbol: str, wanted: MeasuredRange) -> list[dict[str, Any]]:
        """The positions with the most USD at their level, the largest first; addresses are shortened."""
        levels = self.collector.levels(symbol)
        if levels is None:
            return []
        inside = levels.has_level & (levels.level >= wanted.low) & (levels.level <= wanted.high)
        if wanted.side:
            inside &= (levels.size > 0) == (wanted.side == "long")
        rows = np.flatnonzero(inside)
        rows = rows[np.argsort(-levels.usd[rows], kind="stable")][: wanted.limit]
        return [self._position(levels, row) for row in rows.tolist()]

    def _position(self, levels: MeasuredLevels, row: int) -> dict[str, Any]:
        tracker, slot = self.collector.tracker, int(levels.slot[row])
        account = int(tracker.positions.account[slot])
        is_cross = bool(np.isnan(tracker.positions.raw_usd[slot]))
        return {
            "address": shortened(tracker.accounts.addresses[account]),
            "side": "long" if levels.size[row] > 0 else "short",
            "usd": round(float(levels.usd[row])),
            "size": round(abs(float(levels.size[row])), 8),
            "entry": _number(levels.entry[row]),
            "level": _number(levels.level[row]),
            "margin": "cross" if is_cross else "isolated",
            "age_ms": max(0, round(float(levels.age_ms[row]))),
            "moves_with_others": is_cross and int(tracker.accounts.held[account]) > 1,
        }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.8g}")


def sentence(facts: dict[str, Any]) -> str:
    """Coverage and age in words, as page and terminal show them."""
    coverage, age_ms = facts["coverage"], facts["age"]["median_ms"]
    text = f"{coverage['long']:.0%} of longs, {coverage['short']:.0%} of shorts".replace("%", " %")
    text += ", if open interest counts one side" if coverage["if_one_sided"] else ""
    if coverage["unsound"]:
        text += "; more than there can be, so these figures are unsound"
    if coverage["partial"]:
        text += f"; a partial view: a side is below {PARTIAL:.0%}".replace("%", " %")
    text = text if age_ms is None else f"{text}; median age {_duration(age_ms)}"
    factor = facts["deadline_factor"]
    return text if factor <= 1 else f"{text}; reads take {factor:.3g} times as long as they should"


def _duration(age_ms: float) -> str:
    for unit_ms, name in ((3_600_000, "h"), (60_000, "min")):
        if age_ms >= unit_ms:
            return f"{round(age_ms / unit_ms)} {name}"
    return f"{round(age_ms / 1000)} s"


def _filled(base: HistoryMatrix, stored: CellColumns, live: MeasuredLevels | None) -> HistoryMatrix:
    """The matrix with what was looked at last by each column's end instead of the estimate."""
    grid = base.grid
    long, short = np.zeros_like(base.long), np.zeros_like(base.short)
    ends_ms = base.t0_ms + base.interval_ms * np.arange(1, base.columns + 1, dtype=np.int64)
    looks = np.searchsorted(stored.looks_ms, ends_ms, side="right") - 1
    first = np.searchsorted(stored.time_ms, stored.looks_ms, side="left")
    last = np.searchsorted(stored.time_ms, stored.looks_ms, side="right")
    for column in np.flatnonzero((looks >= 0) & ~base.gaps).tolist():
        look = int(looks[column])
        if stored.looks_ms[look] <= ends_ms[column] - base.interval_ms - LOOK_KEPT_MS:
            continue
        rows = slice(int(first[look]), int(last[look]))
        close = float(base.candles[3, column])
        long[column], short[column] = _column(stored, rows, grid, close)
    if live is not None and base.columns:
        longs, shorts = measured_cells(live, grid.p0, grid.step, grid.cells)
        keep_to_their_side(longs, shorts, grid, live.mark)
        long[-1], short[-1] = quantise(longs.sum(axis=0)), quantise(shorts.sum(axis=0))
    return replace(base, long=long, short=short, exchanges=(MEASURED,), kernel=KERNEL, quality=())


def _column(
    stored: CellColumns, rows: slice, grid: Grid, close: float
) -> tuple[QuantisedArray, QuantisedArray]:
    cell = stored.cell[rows]
    if not len(cell):
        nothing = quantise(np.zeros(grid.cells))
        return nothing, nothing
    low = int(cell.min())
    dense = np.zeros((2, int(cell.max()) - low + 1))
    dense[0, cell - low], dense[1, cell - low] = stored.long_usd[rows], stored.short_usd[rows]
    usd = cells_usd(dense, low * CELL_WIDTH, CELL_WIDTH, grid)
    keep_to_their_side(usd[0], usd[1], grid, close)
    return quantise(usd[0]), quantise(usd[1])
