"""One history kept up to date: finished columns stay, new bars make new ones, the last is provisional.

A track belongs to one symbol, its exchanges, one column length and one price grid. It holds an estimator per
exchange as of the end of its last finished column, so that a request costs the new bars alone.

Columns are whole bars of the model's, or shorter: then each shows what the map showed at its end, the levels
of the closed bars less what the bar then forming had swept, which bars of a column's length tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from liqstream.heatmap.price_grid import Grid, group_cells_usd
from liqstream.heatmap.quantise import QuantisedArray, quantise
from liqstream.heatmap.warmup import Warmup
from liqstream.market import Bars, FloatArray, as_one_bar
from liqstream.market.bars import TimeArray
from liqstream.model.density import LEVERAGE_GROUPS
from liqstream.model.estimator import Estimator

Column = tuple[QuantisedArray, QuantisedArray, FloatArray]
"""Quantised longs and shorts, shape (cells,), or (groups * cells,) where leverage groups are kept apart, and
the candle: open, high, low, close in USD, NaN in a gap."""

DEAD_BAND_STEPS = 1
"""A cell of a finished column differs from the column before only when it moved by more steps (of 2 %) than
this, came or went: it saves bytes of a history. Three steps would save a sixth more, at cells off by up to
6 %. Columns still open are exact."""


@dataclass(slots=True)
class Track:
    """Finished columns from `t0_ms` on, `interval_ms` each, on `grid`.

    Per exchange there is an estimator.
    """

    interval_ms: int
    t0_ms: int
    grid: Grid
    estimators: list[Estimator]
    columns: list[Column] = field(default_factory=list)
    by_leverage: bool = False
    """Whether a column's leverage groups are kept apart, one after the other, lowest leverage first."""

    @property
    def bar_ms(self) -> int:
        """The length of the bars the estimators step over."""
        return self.estimators[0].interval_ms

    @property
    def is_fine(self) -> bool:
        """Whether columns are shorter than those bars."""
        return self.interval_ms < self.bar_ms

    @property
    def values_per_side(self) -> int:
        """Quantised values of one side of a column."""
        return self.grid.cells * (len(LEVERAGE_GROUPS) if self.by_leverage else 1)

    @property
    def next_ms(self) -> int:
        """When the first column that is not finished opens."""
        return self.t0_ms + len(self.columns) * self.interval_ms

    @property
    def first_bar_ms(self) -> int:
        """When the first bar opens that its next column needs."""
        return self.next_ms - self.next_ms % self.bar_ms if self.is_fine else self.next_ms

    def covers(self, low: float, high: float) -> bool:
        """Whether the grid spans these prices."""
        return self.grid.p0 <= low and high <= self.grid.top

    def finish(self, new_bars: Sequence[Warmup], until_ms: int, fine: Sequence[Bars] = ()) -> list[Warmup]:
        """Finish every column that ends by `until_ms`; returns each exchange's bars after the last of them.

        `new_bars` are each exchange's bars since the last finished column (the first time with the history
        before it, which warms the estimators up and makes no columns); `fine`, for columns shorter than
        these, each exchange's bars of a column's length from `first_bar_ms` on.
        """
        count = max(0, (until_ms - self.next_ms) // self.interval_ms)
        rest = _warmed(self.estimators, new_bars, self.next_ms)
        made, rest = make_columns(self, self.estimators, rest, count, fine=fine)
        for exact_long, exact_short, candle in made:
            previous = self.columns[-1] if self.columns else (exact_long, exact_short)
            # Five groups that were each a step off would no longer add up to the whole.
            sides = (
                (exact_long, exact_short)
                if self.by_leverage
                else (
                    _within_dead_band(exact_long, previous[0]),
                    _within_dead_band(exact_short, previous[1]),
                )
            )
            self.columns.append((*sides, candle))
        return rest

    def provisional(
        self,
        rest: Sequence[Warmup],
        forming: Sequence[Bars | None],
        until_ms: int,
        fine: Sequence[Bars] = (),
    ) -> list[Column]:
        """The columns after the finished ones that open before `until_ms`, as far as they have come.

        `rest` is what `finish` returned, `forming` each exchange's bar that is still open, if any, `fine` as
        for `finish`. The track stays as it was.
        """
        count = max(0, -(-(until_ms - self.next_ms) // self.interval_ms))
        if not count:
            return []
        estimators = [estimator.copy() for estimator in self.estimators]
        return make_columns(self, estimators, rest, count, forming, fine)[0]

    def drop_before(self, start_ms: int) -> None:
        """Forget the columns that open before `start_ms`."""
        gone = min(len(self.columns), max(0, (start_ms - self.t0_ms) // self.interval_ms))
        del self.columns[:gone]
        self.t0_ms += gone * self.interval_ms


def make_columns(
    track: Track,
    estimators: list[Estimator],
    new_bars: Sequence[Warmup],
    count: int,
    forming: Sequence[Bars | None] = (),
    fine: Sequence[Bars] = (),
) -> tuple[list[Column], list[Warmup]]:
    """Step the estimators over the next `count` columns; `forming` bars are applied to the last one.

    Returns the columns and each exchange's bars after the last of them. A column holds what stands at its
    end, added over the exchanges; its candle is the first exchange's, and without one it is a gap and empty.
    """
    ends_ms = track.next_ms + track.interval_ms * np.arange(1, count + 1, dtype=np.int64)
    bounds = [_closed_by(exchange.bars, ends_ms) for exchange in new_bars]
    made: list[Column] = []
    done = [0] * len(new_bars)
    for column in range(count):
        last: Sequence[Bars | None] = forming if column == count - 1 else ()
        end_ms = int(ends_ms[column])
        if track.is_fine:
            candle = _candle(_within(fine[0], end_ms - track.interval_ms, end_ms), None)
            so_far = [_so_far(bars, end_ms, track.bar_ms) for bars in fine]
            last = [one or other for one, other in zip(last or [None] * len(fine), so_far, strict=True)]
        else:
            candle = _candle(new_bars[0].bars[done[0] : int(bounds[0][column])], last[0] if last else None)
        for number, (exchange, estimator) in enumerate(zip(new_bars, estimators, strict=True)):
            until = int(bounds[number][column])
            _advance(estimator, exchange, slice(done[number], until))
            done[number] = until
        made.append((*_standing(track, estimators, last, candle), candle))
    return made, [exchange[start:] for exchange, start in zip(new_bars, done, strict=True)]


def _closed_by(bars: Bars, ends_ms: TimeArray) -> TimeArray:
    """How many of the bars have closed by each of these times."""
    count: TimeArray = np.searchsorted(bars.open_time_ms, ends_ms - bars.interval_ms, side="right")
    return count


def _within(bars: Bars, start_ms: int, end_ms: int) -> Bars:
    first, until = np.searchsorted(bars.open_time_ms, (start_ms, end_ms))
    return bars[int(first) : int(until)]


def _so_far(fine: Bars, end_ms: int, bar_ms: int) -> Bars | None:
    """The bar that forms at `end_ms`, as the bars in it make it; None where it has just begun."""
    parts = _within(fine, end_ms - end_ms % bar_ms, end_ms)
    return as_one_bar(parts, bar_ms) if len(parts) else None


def _within_dead_band(exact: QuantisedArray, previous: QuantisedArray) -> QuantisedArray:
    moved = np.abs(exact.astype(np.int32) - previous)
    keep = (moved <= DEAD_BAND_STEPS) & ((exact > 0) == (previous > 0))
    kept: QuantisedArray = np.where(keep, previous, exact)
    return kept


def _warmed(estimators: list[Estimator], new_bars: Sequence[Warmup], start_ms: int) -> list[Warmup]:
    """Take in what lies before `start_ms`; returns the rest."""
    rest = []
    for estimator, exchange in zip(estimators, new_bars, strict=True):
        first = int(_closed_by(exchange.bars, np.array([start_ms]))[0])
        _advance(estimator, exchange, slice(0, first))
        rest.append(exchange[first:])
    return rest


def _advance(estimator: Estimator, exchange: Warmup, rows: slice) -> None:
    if rows.stop > rows.start:
        estimator.advance(
            exchange.bars[rows],
            realised_long_usd=exchange.realised_long_usd[rows],
            realised_short_usd=exchange.realised_short_usd[rows],
        )


def _standing(
    track: Track, estimators: list[Estimator], forming: Sequence[Bars | None], candle: FloatArray
) -> tuple[QuantisedArray, QuantisedArray]:
    grid, by_leverage = track.grid, track.by_leverage
    rows = track.values_per_side // grid.cells
    long_usd, short_usd = np.zeros((rows, grid.cells)), np.zeros((rows, grid.cells))
    if np.isfinite(candle[3]):
        for number, estimator in enumerate(estimators):
            density = estimator.standing(forming[number] if forming else None, by_group=by_leverage)
            longs, shorts = group_cells_usd(density, grid, float(candle[3]))
            long_usd += longs
            short_usd += shorts
    return quantise(long_usd).ravel(), quantise(short_usd).ravel()


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
