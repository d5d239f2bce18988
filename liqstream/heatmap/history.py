"""Histories: the time x price matrix behind the chart, built once from the store, then kept up to date.

The first request for a window reads its bars and two weeks before them and steps the model over them in a
worker thread; later ones cost the new bars alone. Histories that were not asked for lately are forgotten.
Windows of more bars than can be stepped over in a few seconds are made of longer ones.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.history_rows import ALL_ROWS, Rows, grid_of_rows
from liqstream.heatmap.history_track import Column, Track
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.live_market import LiveMarket
from liqstream.heatmap.open_bar import open_bar
from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.warmup import Warmup, read_bars
from liqstream.market import DAY_MS, Bars, join_bars
from liqstream.model.density import LEVERAGE_GROUPS
from liqstream.store.market_store import MarketStore
from liqstream.symbols import INTERVALS_MS

WARM_UP_MS = 14 * DAY_MS
"""Bars before a window that its first column rests on: 95 % of the amplitude (docs/model.md)."""

SETTLE_MS = 10_000
"""A column is finished so long after its end: exchanges close the same bar seconds apart."""

MAX_STEPPED_BARS = 250_000
"""Bars of all exchanges that one history is made of, about 4 s of work; where there would be more, longer
ones are taken, of which the columns are whole multiples."""

MAX_KEPT_VALUES = 24_000_000
"""Quantised values of all histories kept, about 50 MB; the one not asked for longest is forgotten first."""
MAX_TRACKS = 64
"""Histories kept: each holds an estimator per exchange, some 400 KB, however few its columns are."""

_MARGIN = 0.015
_NEAREST = 0.005
"""The grid reaches 1.5 % beyond the window's prices; it is made anew once they come within .5 %."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What a track is kept for; windows of up to `size` columns share one.

    `start_ms` is the window's start where it does not reach the present, which needs a track of its own;
    `bar_ms` the length of the bars it is made of, longer than the columns where these are finer than the
    model's.
    """

    symbol: str
    exchanges: tuple[str, ...]
    interval_ms: int
    bar_ms: int
    rows: Rows
    size: int
    start_ms: int | None
    by_leverage: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A track, and how often the maps had read stored history when it was begun: more since, and a gap in the
    bars it rests on may have been filled."""

    track: Track
    loads: int


class Histories:
    """Matrices of the followed symbols, cached and kept up to date; for the event loop the maps run on."""

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
        rows: Rows = ALL_ROWS,
        by_leverage: bool = False,
    ) -> HistoryMatrix | None:
        """The matrix of columns that open from `start_ms` (a multiple of `interval_ms`) to before `end_ms`.

        `interval_ms` is a multiple of the model's bar interval, or a minute: columns of a minute need bars of
        one, and are gaps where there are none. `rows` are the prices shown and how fine. Several exchanges
        are added up; the candles are the first one's; `by_leverage` keeps the leverage groups apart. None
        while nothing is known of the symbol; a span without data has no columns. Raises StoreError.
        """
        now, markets = (
            await self._maps.snapshot_of_exchanges(symbol, exchanges),
            self._maps.markets(symbol, exchanges),
        )
        if now is None:
            return None
        snapshot, _ = now
        if start_ms >= end_ms:
            return _empty(symbol, markets, snapshot, start_ms, interval_ms)
        columns = -(-(end_ms - start_ms) // interval_ms)
        key = _Key(
            symbol,
            tuple(market.key.exchange for market in markets),
            interval_ms,
            _bar_ms(self._maps.interval_ms, interval_ms, len(markets) * (end_ms - start_ms + WARM_UP_MS)),
            rows,
            1 << (columns - 1).bit_length(),
            None if end_ms >= snapshot.timestamp_ms else start_ms,
            by_leverage,
        )
        lock = self._locks[key]
        try:
            async with lock:
                found = await self._matrix(key, snapshot, markets, start_ms, end_ms)
        finally:
            # A span without bars leaves no track: its lock must not stay either.
            if key not in self._kept and not lock.locked():
                self._locks.pop(key, None)
        return found or _empty(symbol, markets, snapshot, start_ms, interval_ms)

    async def _matrix(
        self, key: _Key, snapshot: HeatmapSnapshot, markets: list[LiveMarket], start_ms: int, end_ms: int
    ) -> HistoryMatrix | None:
        loads = self._maps.loads
        forming = [await open_bar(self._store, market, key.bar_ms, end_ms) for market in markets]
        track = self._usable(key, snapshot.grid, start_ms)
        new_bars = await self._new_bars(key.bar_ms, track, markets, start_ms, end_ms)
        if (
            key.rows.prices is None
            and track is not None
            and not track.covers(*_prices(new_bars[0].bars, forming[0], start_ms, _NEAREST))
        ):
            track, new_bars = None, await self._new_bars(key.bar_ms, None, markets, start_ms, end_ms)
        if track is None:
            shown = _prices(new_bars[0].bars, forming[0], start_ms, _MARGIN)
            if not math.isfinite(shown[0]):
                return None
            grid = grid_of_rows(shown, snapshot.grid, key.rows)
            estimators = [self._maps.model.new_estimator(each.key, key.bar_ms) for each in markets]
            track = Track(key.interval_ms, start_ms, grid, estimators, by_leverage=key.by_leverage)
        fine = await self._fine_bars(track, markets, end_ms) if track.is_fine else []
        columns = await asyncio.to_thread(
            _brought_up_to_date, track, (new_bars, forming, fine), start_ms, end_ms
        )
        track.drop_before(end_ms - key.size * key.interval_ms)
        self._keep(key, _Kept(track, loads))
        return _matrix_of(key, track.grid, snapshot, start_ms, end_ms, columns)

    def _usable(self, key: _Key, live: Grid, start_ms: int) -> Track | None:
        """The kept track if it still serves; taken out while it is worked on, so that a failure drops it."""
        kept = self._kept.pop(key, None)
        if kept is None or kept.loads != self._maps.loads or kept.track.t0_ms > start_ms:
            return None
        return kept.track if key.rows.prices is not None or kept.track.covers(live.p0, live.top) else None

    async def _new_bars(
        self, bar_ms: int, track: Track | None, markets: list[LiveMarket], start_ms: int, end_ms: int
    ) -> list[Warmup]:
        """Each exchange's closed bars since the track's last finished column, or all of them."""
        await self._store.flush()
        return [
            await read_bars(
                self._store,
                market.key,
                interval_ms=bar_ms,
                start_ms=start_ms - WARM_UP_MS if track is None else track.first_bar_ms,
                # A replay's store knows the future: only bars that have closed by then.
                end_ms=end_ms - bar_ms + 1,
            )
            for market in markets
        ]

    async def _fine_bars(self, track: Track, markets: list[LiveMarket], end_ms: int) -> list[Bars]:
        """Each exchange's bars of a column's length that the next columns need, the open one among them."""
        found = []
        for market in markets:
            bars = await self._store.bars(
                market.key.exchange,
                market.key.symbol,
                track.interval_ms,
                start_ms=track.first_bar_ms,
                end_ms=end_ms - track.interval_ms + 1,
            )
            forming = market.forming_minute_bars()
            if forming is not None and not (bars.open_time_ms >= forming.open_time_ms[0]).any():
                bars = join_bars(bars, forming) if forming.open_time_ms[0] < end_ms else bars
            found.append(bars)
        return found

    def _keep(self, key: _Key, kept: _Kept) -> None:
        self._kept[key] = kept
        while len(self._kept) > 1 and (len(self._kept) > MAX_TRACKS or self._kept_values() > MAX_KEPT_VALUES):
            forgotten, _ = self._kept.popitem(last=False)
            if not self._locks[forgotten].locked():
                del self._locks[forgotten]

    def _kept_values(self) -> int:
        return sum(2 * len(kept.track.columns) * kept.track.values_per_side for kept in self._kept.values())


def _brought_up_to_date(
    track: Track,
    bars: tuple[Sequence[Warmup], Sequence[Bars | None], Sequence[Bars]],
    start_ms: int,
    end_ms: int,
) -> list[Column]:
    """Finish what has ended and return the window's columns, the last as far as it has come.

    `bars` are each exchange's new ones, the one that forms, and those as short as the columns.
    """
    new_bars, forming, fine = bars
    rest = track.finish(new_bars, end_ms - SETTLE_MS, fine)
    open_bars = [
        bars if bars is not None and not (closed.bars.open_time_ms >= bars.open_time_ms[0]).any() else None
        for bars, closed in zip(forming, new_bars, strict=True)
    ]
    columns = track.columns + track.provisional(rest, open_bars, end_ms, fine)
    first = (start_ms - track.t0_ms) // track.interval_ms
    return columns[first : first - (-(end_ms - start_ms) // track.interval_ms)]


def _prices(bars: Bars, forming: Bars | None, start_ms: int, margin: float) -> tuple[float, float]:
    """The prices of a window and a margin beyond them; (inf, 0) where there are none."""
    shown = bars[int(np.searchsorted(bars.open_time_ms, start_ms)) :]
    parts = [part for part in (shown, forming) if part is not None]
    low = min(float(part.low.min(initial=np.inf)) for part in parts)
    high = max(float(part.high.max(initial=0.0)) for part in parts)
    return low * (1 - margin), high * (1 + margin)


def _bar_ms(model_ms: int, column_ms: int, span_ms: int) -> int:
    """The shortest bars, of the model's or a longer interval, of which no more than may be fill `span_ms`;
    of columns shorter than the model's bars these."""
    if column_ms < model_ms:
        return model_ms
    fitting = (
        bar_ms
        for bar_ms in INTERVALS_MS.values()
        if not bar_ms % model_ms and not column_ms % bar_ms and span_ms <= MAX_STEPPED_BARS * bar_ms
    )
    return min(fitting, default=column_ms)


def _empty(
    symbol: str, markets: list[LiveMarket], snapshot: HeatmapSnapshot, start_ms: int, interval_ms: int
) -> HistoryMatrix:
    """A matrix of no columns, on the live grid."""
    key = _Key(
        symbol, tuple(market.key.exchange for market in markets), interval_ms, interval_ms, ALL_ROWS, 0, None
    )
    return _matrix_of(key, snapshot.grid, snapshot, start_ms, start_ms, [])


def _matrix_of(
    key: _Key,
    grid: Grid,
    snapshot: HeatmapSnapshot,
    start_ms: int,
    end_ms: int,
    columns: list[Column],
) -> HistoryMatrix:
    groups = LEVERAGE_GROUPS if key.by_leverage else ()
    values = grid.cells * max(1, len(groups))
    return HistoryMatrix(
        key.symbol,
        key.interval_ms,
        start_ms,
        len(columns),
        grid,
        np.array([column[0] for column in columns], dtype=np.uint16).reshape(-1, values),
        np.array([column[1] for column in columns], dtype=np.uint16).reshape(-1, values),
        np.array([column[2] for column in columns], dtype=np.float64).reshape(-1, 4).T,
        key.exchanges,
        snapshot.epoch,
        snapshot.seq,
        snapshot.source,
        snapshot.stale,
        snapshot.quality,
        snapshot.kernel,
        partial=start_ms + len(columns) * key.interval_ms > end_ms,
        groups=groups,
    )
