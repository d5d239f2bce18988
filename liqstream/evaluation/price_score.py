"""Where within the price the map was right: single liquidations among the cells their window swept.

A row (the map, a simple rule) states a probability for every cell of the price a window ran through, and gets
log2(p x cells) bits for the cell a liquidation fell into: 0 for saying nothing, less than 0 for being wrong.
Everything is summed within windows, so that wide windows, which hold most USD and most far cells, do not make
any band look good (docs/scoring.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liqstream.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap, block_of, day_weights, interval_of
from liqstream.evaluation.price_windows import (
    BEYOND_HOURS,
    MAP,
    ROWS,
    IntArray,
    SweptWindows,
    swept_windows,
)
from liqstream.market import DAY_MS, Bars, FloatArray, TimeArray
from liqstream.model.kernel import Kernel
from liqstream.symbols import interval_name

WINDOWS_MS = (1_800_000, 3_600_000)
"""Half hours and hours; the first figures are those of hours."""
OUTSIDE = 0.002
"""A liquidation up to 20 bp outside of what was swept counts in the end cell; one farther off is left out."""
MOST_EVENTS = 20
"""Weight of a window: its events, this many at most."""
MIN_EVENTS = 50

RULES = {
    "distance": "distance from the price",
    "flat": "a flat kernel",
    "B3": "even levels",
    **{f"beyond_{hours}h": f"what lies beyond the last {hours} h" for hours in BEYOND_HOURS},
}
"""The rows that know nothing of the map, in words: a claim is made beside the strongest of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Single liquidations, ascending by time: USD at a price, by side of the position.

    `unknown_kind` counts those left out because it is not known what their price is the price of.
    """

    time_ms: TimeArray
    is_long: NDArray[np.bool_]
    price_usd: FloatArray
    usd: FloatArray
    unknown_kind: int = 0

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, slots=True, eq=False)
class PlacedEvents:
    """Events in the cells of some windows: window, cell (of all windows') and USD of each, and how many fell
    into none."""

    window: IntArray
    cell: IntArray
    usd: FloatArray
    outside: int


def price_score(
    bars: Bars,
    events: Events | None,
    kernel: Kernel,
    *,
    from_ms: int,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> dict[str, Any]:
    """Bits, lift and precision of the map and every simple rule, from `from_ms` on.

    Every key is there; where there are too few events they are None and `reason` says what is missing.
    """
    if events is None or not len(events):
        unknown = 0 if events is None else events.unknown_kind
        missing = (
            f"what the prices of {unknown} liquidations are the price of is not known: they are not scored"
        )
        return no_prices(
            missing
            if unknown
            else "no single liquidations with prices are stored: let the server "
            "collect them, or get them with `liqstream record`"
        ) | {"unknown_kind": unknown}
    lengths = [length for length in WINDOWS_MS if length % bars.interval_ms == 0]
    if not lengths:
        return no_prices(
            f"bars of {interval_name(bars.interval_ms)} are longer than an hour: "
            "import finer ones with `liqstream import`"
        )
    first_ms = max(from_ms, int(events.time_ms[0]) // DAY_MS * DAY_MS)
    swept = swept_windows(bars, kernel, lengths, from_ms=first_ms, to_ms=int(events.time_ms[-1]) + 1)
    found = {}
    for length, windows in swept.items():
        found[interval_name(length)] = graded(windows, place(windows, events), bootstrap)
    best = found[interval_name(lengths[-1])]
    by_window = {name: found.get(name) for name in map(interval_name, WINDOWS_MS)}
    return best | {"unknown_kind": events.unknown_kind, "by_window": by_window}


def no_prices(reason: str) -> dict[str, Any]:
    """The figures by price where there are none: every key, None, and why."""
    return {
        "bits": {MAP: None, "ci": None},
        "lift": {MAP: None, "ci": None},
        "baselines": None,
        "random_prices": None,
        "long": None,
        "short": None,
        "events": 0,
        "outside": 0,
        "unknown_kind": 0,
        "window": None,
        "windows": 0,
        "days": 0,
        "block": None,
        "verdict": None,
        "by_window": None,
        "reason": reason,
    }


def place(windows: SweptWindows, events: Events) -> PlacedEvents:
    """Each event in the cell of its window and side; those without one, or too far off, are counted."""
    window = np.full(len(events), -1, dtype=np.int64)
    for is_long in (True, False):
        rows = np.flatnonzero(windows.is_long == is_long)
        at = np.flatnonzero(events.is_long == is_long)
        opened = events.time_ms[at] // windows.length_ms * windows.length_ms
        places = np.searchsorted(windows.time_ms[rows], opened)
        known = places < len(rows)
        known[known] = windows.time_ms[rows[places[known]]] == opened[known]
        window[at[known]] = rows[places[known]]
    kept = np.flatnonzero(window >= 0)
    window = window[kept]
    sign = np.where(windows.is_long[window], -1.0, 1.0)
    outward = sign * (np.log(events.price_usd[kept]) - windows.start[window])
    reached = windows.reached[window]
    near = (outward >= -OUTSIDE) & (outward <= reached + OUTSIDE)
    kept, window, outward, reached = kept[near], window[near], outward[near], reached[near]
    cells = windows.cells[window]
    cell = np.clip((outward / reached * cells).astype(np.int64), 0, cells - 1)
    return PlacedEvents(window, windows.first_cell[window] + cell, events.usd[kept], len(events) - len(kept))


def graded(
    windows: SweptWindows, placed: PlacedEvents, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> dict[str, Any]:
    """Figures of one length's windows."""
    count = len(placed.window)
    head = {"events": count, "outside": placed.outside, "window": interval_name(windows.length_ms)}
    if count < MIN_EVENTS:
        return (
            no_prices(
                f"{count} single liquidations lie in windows that ran through 20 bp or more; "
                f"{MIN_EVENTS} are needed"
            )
            | head
        )
    sums = _Sums.of(windows, placed, bootstrap)
    everything = np.ones(len(windows), dtype=np.bool_)
    bits = [sums.bits(row, everything) for row in range(len(ROWS))]
    lifts = sums.lift(everything)
    baselines = {
        name: {"bits": _rounded(bits[row][0]), **_gain(bits[0] - bits[row], "difference")}
        for row, name in enumerate(ROWS)
        if name != MAP
    }
    sides = {"long": windows.is_long, "short": ~windows.is_long}
    return (
        no_prices("")
        | head
        | {
            "bits": {MAP: _rounded(bits[0][0]), "ci": _interval(bits[0])},
            "lift": {MAP: _rounded(lifts[0]), "ci": _interval(lifts)},
            "baselines": baselines,
            "random_prices": _rounded(sums.by_chance()),
            **{side: _side(sums, chosen) for side, chosen in sides.items()},
            "windows": len(np.unique(windows.time_ms)),
            "days": len(np.unique(windows.time_ms // DAY_MS)),
            "block": "1d" if block_of(windows.time_ms) == DAY_MS else "6h",
            "verdict": _verdict(bits),
            "reason": None,
        }
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """What each window adds to the figures, and how often each draw takes it."""

    weight: FloatArray  # per window, min(events, MOST_EVENTS)
    mean_bits: FloatArray  # rows x windows; 0 without events
    mean_bits_by_chance: FloatArray  # per window, of the map: mean over its cells
    usd: FloatArray
    usd_in_bands: FloatArray
    usd_by_area: FloatArray  # USD x bands' share of the cells
    top_cells: FloatArray
    top_hit: FloatArray
    top_hit_by_chance: FloatArray  # as many random cells of the same window
    events: FloatArray
    draws: FloatArray  # draws x blocks; row 0 is the data
    block: IntArray

    @classmethod
    def of(cls, windows: SweptWindows, placed: PlacedEvents, bootstrap: Bootstrap) -> _Sums:
        def per_window(index: IntArray, values: FloatArray | None = None) -> FloatArray:
            return np.bincount(index, values, len(windows)).astype(np.float64)

        events, usd = per_window(placed.window), per_window(placed.window, placed.usd)
        log_weights = np.log2(windows.weights)
        bits = np.stack([per_window(placed.window, row[placed.cell]) for row in log_weights])
        window_of_cell = windows.window_of_cell()
        cells = windows.cells.astype(np.float64)
        hit = (np.bincount(placed.cell, minlength=windows.weights.shape[1]) > 0).astype(np.float64)
        top_cells = per_window(window_of_cell, windows.tops)
        blocks, block = np.unique(windows.time_ms // block_of(windows.time_ms), return_inverse=True)
        return cls(
            np.minimum(events, MOST_EVENTS),
            bits / np.maximum(events, 1.0),
            per_window(window_of_cell, log_weights[0]) / cells,
            usd,
            per_window(placed.window, placed.usd * windows.bands[placed.cell]),
            usd * per_window(window_of_cell, windows.bands) / cells,
            top_cells,
            per_window(window_of_cell, windows.tops * hit),
            top_cells * per_window(window_of_cell, hit) / cells,
            events,
            np.concatenate(list(day_weights(blocks, bootstrap, 1))),
            block.astype(np.int64),
        )

    def bits(self, row: int, chosen: NDArray[np.bool_]) -> FloatArray:
        """Mean bits of a row over the chosen windows, per draw."""
        return self._ratio(self.weight * self.mean_bits[row], self.weight, chosen)

    def lift(self, chosen: NDArray[np.bool_]) -> FloatArray:
        """USD in bands over what their share of the cells would hold, per draw."""
        return self._ratio(self.usd_in_bands, self.usd_by_area, chosen)

    def by_chance(self) -> float:
        """The mean bits uniformly random prices would give the map: -D(uniform || p)."""
        return float((self.weight * self.mean_bits_by_chance).sum() / self.weight.sum())

    def _ratio(self, above: FloatArray, below: FloatArray, chosen: NDArray[np.bool_]) -> FloatArray:
        size = self.draws.shape[1]
        over, under = (
            self.draws @ np.bincount(self.block, np.where(chosen, part, 0.0), size) for part in (above, below)
        )
        out = np.full(len(over), np.nan)
        np.divide(over, under, out=out, where=under > 0)
        return out


def _side(sums: _Sums, chosen: NDArray[np.bool_]) -> dict[str, Any] | None:
    """One side's figures; None with too few events. Precision is that of the strongest tenth of the cells,
    `base_rate` that of as many random cells of the same windows."""
    events = int(sums.events[chosen].sum())
    usd, area = sums.usd[chosen].sum(), sums.usd_by_area[chosen].sum()
    if events < MIN_EVENTS or usd <= 0:
        return None
    lifts, bits = sums.lift(chosen), sums.bits(0, chosen)
    top = sums.top_cells[chosen].sum()
    return {
        "events": events,
        "precision": _rounded(sums.top_hit[chosen].sum() / top),
        "base_rate": _rounded(sums.top_hit_by_chance[chosen].sum() / top),
        "recall": _rounded(sums.usd_in_bands[chosen].sum() / usd),
        "price_area": _rounded(area / usd),
        "lift": _rounded(lifts[0]),
        "lift_ci": _interval(lifts),
        "bits": _rounded(bits[0]),
        "bits_ci": _interval(bits),
    }


def _verdict(bits: list[FloatArray]) -> str:
    """What may be claimed of single levels, by the bits of every row: the difference to distance counts as
    skill, where no other rule does as well."""
    if not interval_of(bits[0])[0] > 0:
        return "no better than chance"
    over = {name: bits[0] - bits[ROWS.index(name)] for name in RULES}
    as_good = [name for name, gain in over.items() if not interval_of(gain)[0] > 0]
    if "distance" in as_good:
        return "better than chance, not shown to be better than distance from the price"
    if as_good:
        nearest = min(as_good, key=lambda name: float(over[name][0]))
        return f"better than distance from the price, not shown to be better than {RULES[nearest]}"
    return "better than distance from the price"


def _gain(draws: FloatArray, name: str) -> dict[str, Any]:
    return {name: _rounded(draws[0]), "ci": _interval(draws)}


def _interval(draws: FloatArray) -> list[float | None]:
    return [_rounded(bound) for bound in interval_of(draws)]


def _rounded(value: float | np.floating[Any]) -> float | None:
    return round(float(value), 4) + 0.0 if np.isfinite(value) else None
