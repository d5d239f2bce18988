"""One history kept up to date: finished columns stay, new bars make new ones, the last is provisional.

A track belongs to one symbol, venues, column length and price grid. It holds an estimator per venue as of
the end of its last finished column, so that a request costs the new bars alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from liqstream.heatmap.ladder import RungArray
from liqstream.heatmap.model import Estimator
from liqstream.heatmap.warmup import Warmup
from liqstream.heatmap.wire_state import Grid, group_cells_usd, wire_state
from liqstream.market import Bars, FloatArray

Column = tuple[RungArray, RungArray, FloatArray]
"""Long rungs, short rungs, and the candle (open, high, low, close; NaN in a gap)."""

DEAD_BAND_RUNGS = 3
"""A finished column says a cell anew only when it moved by more rungs (of 2 %) than this, came or went:
it halves the bytes of a history, and nobody sees a cell change by 6 %. Columns still open are exact."""


@dataclass(slots=True)
class Track:
    """Finished columns from `t0_ms` on, `interval_ms` each, on `grid`.

    Per venue there is an estimator, and whether its liquidations are known to be told.
    """

    interval_ms: int
    t0_ms: int
    grid: Grid
    estimators: list[Estimator]
    knows_liquidations: list[bool] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)

    @property
    def next_ms(self) -> int:
        """When the first column that is not finished opens."""
        return self.t0_ms + len(self.columns) * self.interval_ms

    def covers(self, low: float, high: float) -> bool:
        """Whether the grid spans these prices."""
        return self.grid.p0 <= low and high <= self.grid.top

    def finish(self, news: Sequence[Warmup], until_ms: int) -> list[Warmup]:
        """Finish every column that ends by `until_ms`; returns what is left of each venue's news.

        `news` are each venue's bars since the last finished column (the first time with the history before
        it, which warms the estimators up and makes no columns).
        """
        self.knows_liquidations = [
            known or venue.knows_liquidations
            for known, venue in zip(self.knows_liquidations, news, strict=True)
        ]
        count = max(0, (until_ms - self.next_ms) // self.interval_ms)
        rest = _warmed(self.estimators, news, self.next_ms)
        made, rest = make_columns(self, self.estimators, rest, count)
        for exact_long, exact_short, candle in made:
            before = self.columns[-1] if self.columns else (exact_long, exact_short)
            self.columns.append((_steadied(exact_long, before[0]), _steadied(exact_short, before[1]), candle))
        return rest

    def provisional(
        self, rest: Sequence[Warmup], forming: Sequence[Bars | None], until_ms: int
    ) -> list[Column]:
        """The columns after the finished ones that open before `until_ms`, as far as they have come."""
        count = max(0, -(-(until_ms - self.next_ms) // self.interval_ms))
        if not count:
            return []
        estimators = [estimator.copy() for estimator in self.estimators]
        return make_columns(self, estimators, rest, count, forming)[0]

    def drop_before(self, start_ms: int) -> None:
        """Forget the columns that open before `start_ms`."""
        gone = min(len(self.columns), max(0, (start_ms - self.t0_ms) // self.interval_ms))
        del self.columns[:gone]
        self.t0_ms += gone * self.interval_ms


def make_columns(
    track: Track,
    estimators: list[Estimator],
    news: Sequence[Warmup],
    count: int,
    forming: Sequence[Bars | None] = (),
) -> tuple[list[Column], list[Warmup]]:
    """Step the estimators over the next `count` columns; `forming` bars are applied to the last one.

    A column holds what stands at its end, added over the venues; its candle is the first venue's, and
    without one it is a gap and empty.
    """
    ends_ms = track.next_ms + track.interval_ms * np.arange(1, count + 1, dtype=np.int64)
    bounds = [np.searchsorted(venue.bars.open_time_ms, ends_ms) for venue in news]
    made: list[Column] = []
    done = [0] * len(news)
    for column in range(count):
        last: Sequence[Bars | None] = forming if column == count - 1 else ()
        candle = _candle(news[0].bars[done[0] : int(bounds[0][column])], last[0] if last else None)
        for number, (venue, estimator) in enumerate(zip(news, estimators, strict=True)):
            until = int(bounds[number][column])
            _advance(estimator, venue, slice(done[number], until))
            done[number] = until
        made.append((*_standing(track.grid, estimators, last, candle), candle))
    return made, [venue[start:] for venue, start in zip(news, done, strict=True)]


def _steadied(rungs: RungArray, before: RungArray) -> RungArray:
    moved = np.abs(rungs.astype(np.int32) - before)
    keep = (moved <= DEAD_BAND_RUNGS) & ((rungs > 0) == (before > 0))
    steadied: RungArray = np.where(keep, before, rungs)
    return steadied


def _warmed(estimators: list[Estimator], news: Sequence[Warmup], start_ms: int) -> list[Warmup]:
    """Take in what lies before `start_ms`; returns the rest."""
    rest = []
    for estimator, venue in zip(estimators, news, strict=True):
        first = int(np.searchsorted(venue.bars.open_time_ms, start_ms))
        _advance(estimator, venue, slice(0, first))
        rest.append(venue[first:])
    return rest


def _advance(estimator: Estimator, venue: Warmup, rows: slice) -> None:
    if rows.stop > rows.start:
        estimator.advance(
            venue.bars[rows],
            realised_long_usd=venue.realised_long_usd[rows],
            realised_short_usd=venue.realised_short_usd[rows],
        )


def _standing(
    grid: Grid, estimators: list[Estimator], forming: Sequence[Bars | None], candle: FloatArray
) -> tuple[RungArray, RungArray]:
    long_usd, short_usd = np.zeros((1, grid.rows)), np.zeros((1, grid.rows))
    if np.isfinite(candle[3]):
        for number, estimator in enumerate(estimators):
            density = estimator.standing(forming[number] if forming else None, by_group=False)
            longs, shorts = group_cells_usd(density, grid, float(candle[3]))
            long_usd += longs
            short_usd += shorts
    return wire_state(long_usd, short_usd)


def _candle(bars: Bars, forming: Bars | None) -> FloatArray:
    parts = [part for part in (bars, forming) if part is not None and len(part)]
    if not parts:
        return np.full(4, np.nan)
    return np.array(
        [
            parts[0].open[0],
            max(part.high.max() for part in parts),
            min(part.low.min() for part in parts),
            parts[-1].close[-1],
        ]
    )
