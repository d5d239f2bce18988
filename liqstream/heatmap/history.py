"""The time x price matrix behind the chart: what stood at the end of every column."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from liqstream.heatmap.ladder import LADDER_FLOOR_USD, LADDER_RATIO, RungArray, to_usd
from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.model import Estimator
from liqstream.heatmap.snapshot import iso_utc
from liqstream.heatmap.wire_state import Grid, grid_over, group_cells_usd, wire_state
from liqstream.market import DAY_MS, Bars, FloatArray, Source, join_bars
from liqstream.store.market_store import MarketStore

_WARM_UP_MS = 14 * DAY_MS
_MAX_ROWS = 700


@dataclass(frozen=True, slots=True, eq=False)
class HistoryMatrix:
    """Ladder rungs of shape (columns, rows) per side, and a candle per column; gap columns are empty."""

    symbol: str
    interval_ms: int
    t0_ms: int
    columns: int
    grid: Grid
    long: RungArray
    short: RungArray
    candles: FloatArray
    """Open, high, low, close: shape (4, columns), NaN in a gap."""
    exchanges: tuple[str, ...]
    epoch: int
    seq: int
    source: Source
    stale: bool
    quality: tuple[str, ...]
    kernel: str
    partial: bool


class Histories:
    """Builds matrices from the store, in a worker thread."""

    def __init__(self, store: MarketStore, maps: LiveMaps) -> None:
        self._store = store
        self._maps = maps

    async def matrix(
        self,
        symbol: str,
        *,
        start_ms: int,
        end_ms: int,
        interval_ms: int,
        exchanges: Collection[str] | None = None,
        step: float | None = None,
    ) -> HistoryMatrix | None:
        """The matrix of columns that open from `start_ms` to before `end_ms`; None without any data."""
        snapshot = await self._maps.get_latest_heatmap_snapshot(symbol)
        markets = [
            market
            for market in self._maps.markets(symbol)
            if exchanges is None or market.key.exchange in exchanges
        ]
        if snapshot is None or not markets:
            return None
        venues = [
            (
                await self._store.bars(
                    market.key.exchange,
                    symbol,
                    self._maps.interval_ms,
                    start_ms=start_ms - _WARM_UP_MS,
                    end_ms=end_ms,
                ),
                market.forming_bars(),
            )
            for market in markets
        ]
        if not any(len(bars) for bars, _ in venues):
            return None
        built = await asyncio.to_thread(
            self._built, venues, start_ms, end_ms, interval_ms, step or snapshot.grid.step, snapshot.grid
        )
        grid, long, short, candles, partial = built
        return HistoryMatrix(
            symbol,
            interval_ms,
            start_ms,
            len(long),
            grid,
            long,
            short,
            candles,
            tuple(market.key.exchange for market in markets),
            snapshot.epoch,
            snapshot.seq,
            snapshot.source,
            snapshot.stale,
            snapshot.quality,
            snapshot.kernel,
            partial,
        )

    def _built(
        self,
        venues: list[tuple[Bars, Bars | None]],
        start_ms: int,
        end_ms: int,
        interval_ms: int,
        step: float,
        live: Grid,
    ) -> tuple[Grid, RungArray, RungArray, FloatArray, bool]:
        columns = -(-(end_ms - start_ms) // interval_ms)
        first, forming = venues[0]
        shown = first[int(np.searchsorted(first.open_time_ms, start_ms)) :]
        if forming is not None and forming.open_time_ms[0] < end_ms:
            shown = join_bars(shown, forming)
        low = min(live.p0, float(shown.low.min(initial=math.inf)) * 0.97)
        high = max(live.top, float(shown.high.max(initial=0)) * 1.03)
        while (high - low) / step > _MAX_ROWS:
            step *= 2
        grid = grid_over(low, high, step=step)
        long_usd = np.zeros((columns, 5, grid.rows))
        short_usd = np.zeros_like(long_usd)
        for bars, last in venues:
            self._add(bars, last, start_ms, interval_ms, grid, long_usd, short_usd)
        states = [wire_state(a, b) for a, b in zip(long_usd, short_usd, strict=True)]
        long = np.array([state[0] for state in states])
        short = np.array([state[1] for state in states])
        return grid, long, short, _candles(shown, start_ms, interval_ms, columns), forming is not None

    def _add(
        self,
        bars: Bars,
        forming: Bars | None,
        start_ms: int,
        interval_ms: int,
        grid: Grid,
        long_usd: FloatArray,
        short_usd: FloatArray,
    ) -> None:
        estimator = Estimator(self._maps.kernel, interval_ms=bars.interval_ms)
        done = 0
        for column in range(len(long_usd)):
            end_ms = start_ms + (column + 1) * interval_ms
            until = int(np.searchsorted(bars.open_time_ms, end_ms))
            if until > done:
                estimator.advance(bars[done:until])
            last = forming if column == len(long_usd) - 1 else None
            if (until > done or last is not None) and until > 0:
                density = estimator.standing(last)
                price = float(last.close[0]) if last is not None else float(bars.close[until - 1])
                longs, shorts = group_cells_usd(density, grid, price)
                long_usd[column] += longs
                short_usd[column] += shorts
            done = until


def _candles(bars: Bars, start_ms: int, interval_ms: int, columns: int) -> FloatArray:
    candles = np.full((4, columns), np.nan)
    at = (bars.open_time_ms - start_ms) // interval_ms
    for row, column in enumerate(at.tolist()):
        if not 0 <= column < columns:
            continue
        if math.isnan(candles[0, column]):
            candles[:, column] = bars.open[row], bars.high[row], bars.low[row], bars.close[row]
        else:
            candles[1, column] = max(candles[1, column], bars.high[row])
            candles[2, column] = min(candles[2, column], bars.low[row])
            candles[3, column] = bars.close[row]
    return candles


def encode_history(matrix: HistoryMatrix) -> bytes:
    """The matrix as "LQH1": a JSON header, then byte planes of differences in time."""
    tick = matrix.grid.step / 1000
    gap = np.isnan(matrix.candles[0])
    header = {
        "symbol": matrix.symbol,
        "interval_ms": matrix.interval_ms,
        "t0": matrix.t0_ms,
        "columns": matrix.columns,
        "rows": matrix.grid.rows,
        "p0": matrix.grid.p0,
        "step": matrix.grid.step,
        "tick": tick,
        "gaps": _runs(gap),
        "epoch": matrix.epoch,
        "seq": matrix.seq,
        "source": matrix.source,
        "stale": matrix.stale,
        "quality": list(matrix.quality),
        "kernel": matrix.kernel,
        "exchanges": list(matrix.exchanges),
        "ladder": {"floor": LADDER_FLOOR_USD, "ratio": LADDER_RATIO},
        "partial": matrix.partial,
    }
    head = orjson.dumps(header)
    parts = [b"LQH1", len(head).to_bytes(4, "little"), head]
    for rungs in (matrix.long, matrix.short):
        moved = np.diff(rungs, axis=0, prepend=np.zeros((1, matrix.grid.rows), np.uint16)).astype(np.uint16)
        parts += [(moved & 0xFF).astype(np.uint8).tobytes(), (moved >> 8).astype(np.uint8).tobytes()]
    for column in _candle_differences(np.where(gap, 0, np.nan_to_num(matrix.candles)) / tick, gap):
        planes = column.astype("<i4").view(np.uint8).reshape(-1, 4)
        parts += [np.ascontiguousarray(planes[:, plane]).tobytes() for plane in range(4)]
    return b"".join(parts)


def _candle_differences(ticks: FloatArray, gap: np.ndarray[Any, np.dtype[np.bool_]]) -> list[FloatArray]:
    open_, high, low, close = np.rint(ticks)
    differences = [np.zeros(len(gap)) for _ in range(4)]
    previous = 0.0
    for column in np.flatnonzero(~gap):
        differences[0][column] = open_[column] - previous
        differences[1][column] = high[column] - max(open_[column], close[column])
        differences[2][column] = min(open_[column], close[column]) - low[column]
        differences[3][column] = close[column] - open_[column]
        previous = close[column]
    return differences


def _runs(gap: np.ndarray[Any, np.dtype[np.bool_]]) -> list[list[int]]:
    runs: list[list[int]] = []
    for column in np.flatnonzero(gap).tolist():
        if runs and runs[-1][0] + runs[-1][1] == column:
            runs[-1][1] += 1
        else:
            runs.append([column, 1])
    return runs


def history_columns(matrix: HistoryMatrix) -> Iterator[dict[str, Any]]:
    """Each column as the REST API says it: its time, its levels, cells that gained and cells swept."""
    prices = matrix.grid.prices().tolist()
    long, short = to_usd(matrix.long), to_usd(matrix.short)
    for column in range(matrix.columns):
        rows = np.flatnonzero(long[column] | short[column]).tolist()
        before = max(0, column - 1)
        yield {
            "timestamp": iso_utc(matrix.t0_ms + column * matrix.interval_ms),
            "levels": [
                {
                    "price": prices[row],
                    "long_density": int(long[column, row]),
                    "short_density": int(short[column, row]),
                }
                for row in rows
            ],
            "positions_created": int(
                (long[column] > long[before]).sum() + (short[column] > short[before]).sum()
            ),
            "positions_consumed": int(
                ((long[before] > 0) & (long[column] == 0)).sum()
                + ((short[before] > 0) & (short[column] == 0)).sum()
            ),
        }
