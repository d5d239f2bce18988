"""Bytes per client and tick: every variant at 5, 20 and 100 % changed levels, and on recorded bars."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np

from bench.fanout_payloads import Market
from liqstream.file_import.reader import read_bars_file
from liqstream.heatmap.market_map import MarketMap
from liqstream.heatmap.price_grid import Grid, follow_grid, group_cells_usd, quantised_levels
from liqstream.heatmap.quantise import dequantise
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import Bars, Candle, OpenInterest
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import tiered
from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from tests.support.recorded_data import TEST_DATA

RECORDED = TEST_DATA / "binance_btcusdt_5m_20260525_20260603.csv"
_BAR_MS = 300_000
_WARMUP_BARS = 864

VARIANTS = {
    "v1": Variant(Shape.V1, 0),
    "columns": Variant(Shape.COLUMNS, 0),
    "delta": Variant(Shape.DELTA, 0),
    "v1 deflated": Variant(Shape.V1, 15),
    "columns deflated": Variant(Shape.COLUMNS, 15),
    "delta deflated": Variant(Shape.DELTA, 15),
}


def frame_bytes(old: HeatmapSnapshot, new: HeatmapSnapshot) -> dict[str, int]:
    """The size of each variant's frame for a client that holds `old`."""
    base, said = EncodedSnapshot(old), EncodedSnapshot(new)
    return {name: len(said.frame(variant, base=base)) for name, variant in VARIANTS.items()}


def drawn(changed_share: float, *, rows: int = 300, ticks: int = 20) -> dict[str, float]:
    """Median sizes of a map of 300 levels of which a share changes per tick."""
    market = Market("BTCUSDT", rows, changed_share=changed_share)
    sizes = [frame_bytes(market.snapshot, market.advance()) for _ in range(ticks)]
    return {name: statistics.median(each[name] for each in sizes) for name in VARIANTS}


def recorded_bars(path: Path) -> Bars:
    """The recorded bars with their open interest."""
    events, _ = read_bars_file(path, exchange="binance", symbol="BTCUSDT", interval_ms=_BAR_MS)
    rows: list[tuple[float, ...]] = []
    held = reported = float("nan")
    for event in events:
        if isinstance(event, OpenInterest):
            held, reported = event.open_interest_base, event.reported
        elif isinstance(event, Candle):
            rows.append((event.open_time_ms, event.open, event.high, event.low, event.close, held, reported))
    columns = np.array(rows).T
    unknown = np.full(len(rows), np.nan)
    times, prices, interest = columns[0].astype(np.int64), columns[1:5], columns[5:7]
    return Bars(_BAR_MS, times, *prices, *interest, unknown, unknown)  # type: ignore[call-arg]


def replayed(path: Path = RECORDED) -> dict[str, Any]:
    """Median sizes over the recorded bars after three days of warm-up, one bar per tick."""
    bars = recorded_bars(path)
    made = MarketMap(Estimator(tiered(), interval_ms=_BAR_MS))
    unknown = np.full(len(bars), np.nan)
    made.load(bars[:_WARMUP_BARS], unknown[:_WARMUP_BARS], unknown[:_WARMUP_BARS])
    grid: Grid | None = None
    previous: HeatmapSnapshot | None = None
    sizes: list[dict[str, int]] = []
    for row in range(_WARMUP_BARS, len(bars)):
        made.load(bars[row : row + 1], unknown[:1], unknown[:1])
        price = float(bars.close[row])
        grid = follow_grid(grid, price, made.half_range())
        long_rungs, short_rungs = quantised_levels(*group_cells_usd(made.standing(None), grid, price))
        snapshot = HeatmapSnapshot(
            symbol="BTCUSDT",
            timestamp_ms=int(bars.open_time_ms[row]) + _BAR_MS,
            epoch=1,
            seq=row,
            grid=grid,
            long=dequantise(long_rungs),
            short=dequantise(short_rungs),
            current_price=price,
            positions_created=0,
            positions_consumed=0,
            stale=False,
            source="replay",
        )
        if previous is not None:
            sizes.append(frame_bytes(previous, snapshot))
        previous = snapshot
    medians = {name: statistics.median(each[name] for each in sizes) for name in VARIANTS}
    shares = sorted(each["delta"] / each["v1"] for each in sizes)
    return {"ticks": len(sizes), **medians, "delta_share_of_v1": statistics.median(shares)}


def main() -> None:
    """Print the figures."""
    for share in (0.05, 0.2, 1.0):
        sizes = drawn(share)
        told = ", ".join(f"{name} {size:.0f} ({size / sizes['v1']:.1%})" for name, size in sizes.items())
        print(f"{share:.0%} changed: {told}")
    if RECORDED.exists():
        sizes = replayed()
        print("recorded:", {name: round(value, 4) for name, value in sizes.items()})


if __name__ == "__main__":
    main()
