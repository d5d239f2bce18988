"""Where within the price the map was right: its strongest bands against single liquidations with prices.

A bar is judged by the map as it stood before it. Of the cells the price then ran through, some belong to the
map's strongest bands: more should have been liquidated there than in as much price elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liqstream.heatmap.kernel import Kernel
from liqstream.heatmap.model import Estimator
from liqstream.heatmap.spread import BIN_WIDTH
from liqstream.market import Bars, FloatArray, Side, TimeArray

CELL_BINS = 5
"""Cells of 10 bp."""
REACH_CELLS = 50
"""Bands are chosen among the cells up to 5 % from the price."""
TOP_SHARE = 0.2
"""The strongest fifth of the cells are the bands."""
MIN_EVENTS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Single liquidations, ascending by time: USD at a price, by side of the position."""

    time_ms: TimeArray
    is_long: NDArray[np.bool_]
    price_usd: FloatArray
    usd: FloatArray


@dataclass(slots=True)
class _Tally:
    """Sums over bars of one side."""

    events: int = 0
    reached: int = 0
    reached_bands: int = 0
    hit: int = 0
    hit_bands: int = 0
    usd: float = 0.0
    usd_in_bands: float = 0.0


def price_score(bars: Bars, events: Events, kernel: Kernel, *, from_ms: int) -> dict[str, Any]:
    """Per side: precision, recall and lift over price area of the strongest bands, from `from_ms` on.

    `recall` is the share of liquidated USD that fell into bands, `price_area` the share of the cells the
    price ran through that were bands, `lift` their ratio; `precision` is the share of bands run through in
    which anything was liquidated, `base_rate` the same of all cells. None for a side with too few events.
    """
    estimator = Estimator(kernel, interval_ms=bars.interval_ms)
    tallies: dict[Side, _Tally] = {"long": _Tally(), "short": _Tally()}
    bar_of = np.searchsorted(bars.open_time_ms, events.time_ms, side="right") - 1
    inside = (bar_of > 0) & (events.time_ms >= from_ms)
    inside &= events.time_ms < bars.open_time_ms[np.maximum(bar_of, 0)] + bars.interval_ms
    done = 0
    for row in np.unique(bar_of[inside]).tolist():
        estimator.advance(bars[done:row])
        done = row
        density = estimator.standing(by_group=False)
        start = float(np.log(bars.close[row - 1]))
        at = inside & (bar_of == row)
        sides: tuple[tuple[Side, NDArray[np.bool_], FloatArray, float, int], ...] = (
            ("long", events.is_long, density.long_usd[0], bars.low[row], -1),
            ("short", ~events.is_long, density.short_usd[0], bars.high[row], 1),
        )
        for side, of_side, standing, extreme, sign in sides:
            chosen = at & of_side
            if chosen.any():
                edge = round(start / BIN_WIDTH) - round(density.low_log_price / BIN_WIDTH)
                cells = _cells(standing, edge, sign)
                reached = sign * (float(np.log(extreme)) - start)
                prices = sign * (np.log(events.price_usd[chosen]) - start)
                _add(tallies[side], cells, reached, prices, events.usd[chosen])
    return {side: _figures(tally) for side, tally in tallies.items()}


def _cells(standing: FloatArray, edge: int, sign: int) -> FloatArray:
    """USD per cell outward from the price."""
    bins = CELL_BINS * REACH_CELLS
    outward = standing[edge : edge + bins] if sign > 0 else standing[max(edge - bins, 0) : edge][::-1]
    padded = np.zeros(bins)
    padded[: len(outward)] = outward
    sums: FloatArray = padded.reshape(REACH_CELLS, CELL_BINS).sum(axis=1)
    return sums


def _add(tally: _Tally, cells: FloatArray, reached: float, prices: FloatArray, usd: FloatArray) -> None:
    width = CELL_BINS * BIN_WIDTH
    count = min(REACH_CELLS, int(np.ceil(reached / width)))
    if count < 1:
        return
    bands = np.zeros(REACH_CELLS, dtype=np.bool_)
    bands[np.argsort(cells, kind="stable")[-round(TOP_SHARE * REACH_CELLS) :]] = True
    bands &= cells > 0
    # A liquidation is filled a little beyond its level: it belongs to the nearest cell that was reached.
    cell = np.clip((prices / width).astype(np.int64), 0, count - 1)
    hit = np.zeros(count, dtype=np.bool_)
    hit[cell] = True
    tally.events += len(usd)
    tally.reached += count
    tally.reached_bands += int(bands[:count].sum())
    tally.hit += int(hit.sum())
    tally.hit_bands += int((hit & bands[:count]).sum())
    tally.usd += float(usd.sum())
    tally.usd_in_bands += float(usd[bands[cell]].sum())


def _figures(tally: _Tally) -> dict[str, Any] | None:
    if tally.events < MIN_EVENTS or not tally.reached_bands or tally.usd <= 0:
        return None
    recall, area = tally.usd_in_bands / tally.usd, tally.reached_bands / tally.reached
    return {
        "events": tally.events,
        "precision": round(tally.hit_bands / tally.reached_bands, 4),
        "base_rate": round(tally.hit / tally.reached, 4),
        "recall": round(recall, 4),
        "price_area": round(area, 4),
        "lift": round(recall / area, 4),
    }
