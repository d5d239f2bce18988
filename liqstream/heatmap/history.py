"""The time x price matrix behind the chart, for any window: built once from the store, then kept up.

The first request for a window reads its bars and two weeks before them and steps the model over them in a
worker thread; later ones cost the new bars alone. Histories that were not asked for lately are forgotten.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from liqstream.heatmap.history_encoding import HistoryMatrix
from liqstream.heatmap.history_track import Column, Track
from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.live import LiveMarket
from liqstream.heatmap.model import Estimator
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.warmup import Warmup, read_bars
from liqstream.heatmap.wire_state import Grid, grid_over
from liqstream.market import DAY_MS, Bars
from liqstream.store.market_store import MarketStore

WARM_UP_MS = 14 * DAY_MS
"""Bars before a window that its first column rests on: 95 % of the amplitude (docs/model.md)."""

SETTLE_MS = 10_000
"""A column is finished so long after its end: venues close the same bar seconds apart."""

MAX_ROWS = 600
MAX_CELLS = 24_000_000
"""Cells of all histories kept, about 100 MB; the one not asked for longest is forgotten first."""

_MARGIN = 0.015
_NEAREST = 0.005
"""The grid reaches 1.5 % beyond the window's prices; it is made anew once they come within .5 %."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What a track is kept for; windows of up to `size` columns share one.

    `start_ms` is the window's start where it does not reach the present, which needs a track of its own.
    """

    symbol: str
    exchanges: tuple[str, ...]
    interval_ms: int
    step: float | None
    size: int
    start_ms: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A track, and how often the maps had read stored history when it was begun: more since, and what it
    rests on may have been mended."""

    track: Track
    loads: int


class Histories:
    """Matrices of the followed symbols, cached and kept up to date."""

    def __init__(self, store: MarketStore, maps: LiveMaps) -> None:
        self._store = store
        self._maps = maps
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._locks: defaultdict[_Key, asyncio.Lock] = defaultdict(asyncio.Lock)

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
        """The matrix of columns that open from `start_ms` (a multiple of `interval_ms`) to before `end_ms`.

        `interval_ms` is a multiple of the model's bar interval. `step` is the price step in USD, by default
        the live map's; where it would make too many rows, a whole multiple of it is taken. Several venues
        are added up; the candles are the first one's. None without any data.
        """
        now, markets = await self._maps.of_venues(symbol, exchanges), self._maps.markets(symbol, exchanges)
        if now is None or start_ms >= end_ms:
            return None
        snapshot, _ = now
        columns = -(-(end_ms - start_ms) // interval_ms)
        key = _Key(
            symbol,
            tuple(market.key.exchange for market in markets),
            interval_ms,
            step,
            1 << (columns - 1).bit_length(),
            None if end_ms >= snapshot.timestamp_ms else start_ms,
        )
        async with self._locks[key]:
            return await self._matrix(key, snapshot, markets, start_ms, end_ms)

    async def _matrix(
        self, key: _Key, snapshot: HeatmapSnapshot, markets: list[LiveMarket], start_ms: int, end_ms: int
    ) -> HistoryMatrix | None:
        loads = self._maps.loads
        forming = [_forming_before(market, end_ms) for market in markets]
        track = self._usable(key, snapshot.grid, start_ms)
        news = await self._news(track, markets, start_ms, end_ms)
        if track is not None and not track.covers(*_prices(news[0].bars, forming[0], start_ms, _NEAREST)):
            track, news = None, await self._news(None, markets, start_ms, end_ms)
        if track is None:
            shown = _prices(news[0].bars, forming[0], start_ms, _MARGIN)
            if not math.isfinite(shown[0]):
                return None
            grid = _grid(shown, snapshot.grid, key.step)
            kernel = self._maps.kernel_of(snapshot.symbol)
            estimators = [Estimator(kernel, interval_ms=self._maps.interval_ms) for _ in markets]
            track = Track(key.interval_ms, start_ms, grid, estimators, [False] * len(markets))
        columns = await asyncio.to_thread(_brought_up, track, news, forming, start_ms, end_ms)
        track.drop_before(end_ms - key.size * key.interval_ms)
        self._keep(key, _Kept(track, loads))
        return _matrix_of(key, track.grid, snapshot, start_ms, end_ms, columns)

    def _usable(self, key: _Key, live: Grid, start_ms: int) -> Track | None:
        """The kept track if it still serves; taken out while it is worked on, so that a failure drops it."""
        kept = self._kept.pop(key, None)
        if kept is None or kept.loads != self._maps.loads or kept.track.t0_ms > start_ms:
            return None
        return kept.track if kept.track.covers(live.p0, live.top) else None

    async def _news(
        self, track: Track | None, markets: list[LiveMarket], start_ms: int, end_ms: int
    ) -> list[Warmup]:
        """Each venue's closed bars since the track's last finished column, or all of them."""
        await self._store.flush()
        bar_ms = self._maps.interval_ms
        return [
            await read_bars(
                self._store,
                market.key,
                interval_ms=bar_ms,
                start_ms=start_ms - WARM_UP_MS if track is None else track.next_ms,
                # A replay's store knows the future: only bars that have closed by then.
                end_ms=end_ms - bar_ms + 1,
                knows_liquidations=track is not None and track.knows_liquidations[number],
            )
            for number, market in enumerate(markets)
        ]

    def _keep(self, key: _Key, kept: _Kept) -> None:
        self._kept[key] = kept
        while len(self._kept) > 1 and self._cells() > MAX_CELLS:
            forgotten, _ = self._kept.popitem(last=False)
            if not self._locks[forgotten].locked():
                del self._locks[forgotten]

    def _cells(self) -> int:
        return sum(2 * len(kept.track.columns) * kept.track.grid.rows for kept in self._kept.values())


def _forming_before(market: LiveMarket, end_ms: int) -> Bars | None:
    forming = market.forming_bars()
    return forming if forming is not None and forming.open_time_ms[0] < end_ms else None


def _brought_up(
    track: Track, news: Sequence[Warmup], forming: Sequence[Bars | None], start_ms: int, end_ms: int
) -> list[Column]:
    """Finish what has ended and return the window's columns, the last as far as it has come."""
    rest = track.finish(news, end_ms - SETTLE_MS)
    open_bars = [
        bars if bars is not None and not (venue.bars.open_time_ms >= bars.open_time_ms[0]).any() else None
        for bars, venue in zip(forming, news, strict=True)
    ]
    columns = track.columns + track.provisional(rest, open_bars, end_ms)
    first = (start_ms - track.t0_ms) // track.interval_ms
    return columns[first : first - (-(end_ms - start_ms) // track.interval_ms)]


def _prices(bars: Bars, forming: Bars | None, start_ms: int, margin: float) -> tuple[float, float]:
    """The prices of a window and a margin beyond them; (inf, 0) where there are none."""
    shown = bars[int(np.searchsorted(bars.open_time_ms, start_ms)) :]
    parts = [part for part in (shown, forming) if part is not None]
    low = min(float(part.low.min(initial=np.inf)) for part in parts)
    high = max(float(part.high.max(initial=0.0)) for part in parts)
    return low * (1 - margin), high * (1 + margin)


def _grid(shown: tuple[float, float], live: Grid, step: float | None) -> Grid:
    """The live grid's prices and the window's on round prices: whole multiples of `step` or the live step."""
    low, high = min(live.p0, shown[0]), max(live.top, shown[1])
    finest = step or live.step
    factors = (mantissa * 10**decade for decade in range(9) for mantissa in (1, 2, 5))
    factor = next((f for f in factors if (high - low) / (finest * f) < MAX_ROWS), 10**9)
    return grid_over(low, high, step=finest * factor)


def _matrix_of(
    key: _Key,
    grid: Grid,
    snapshot: HeatmapSnapshot,
    start_ms: int,
    end_ms: int,
    columns: list[Column],
) -> HistoryMatrix:
    return HistoryMatrix(
        key.symbol,
        key.interval_ms,
        start_ms,
        len(columns),
        grid,
        np.array([column[0] for column in columns], dtype=np.uint16),
        np.array([column[1] for column in columns], dtype=np.uint16),
        np.array([column[2] for column in columns]).T,
        key.exchanges,
        snapshot.epoch,
        snapshot.seq,
        snapshot.source,
        snapshot.stale,
        snapshot.quality,
        snapshot.kernel,
        partial=start_ms + len(columns) * key.interval_ms > end_ms,
    )
