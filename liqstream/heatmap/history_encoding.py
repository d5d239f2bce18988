"""How a history is said: "LQH1", compact for the page, and objects for those who ask for JSON.

LQH1 is four bytes of name, the header's length (u32, little-endian), a JSON header, then per side (long,
short) the low and the high bytes of every cell's rung less that of the column before, and per figure of the
candle (open, high, low, close) its four bytes, lowest first, in ticks. Differences in time are mostly zero,
so that gzip leaves little of them; planes put the zeros together. docs/ARCHITECTURE.md tells it in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from liqstream.heatmap.ladder import LADDER_FLOOR_USD, LADDER_RATIO, RungArray, to_usd
from liqstream.heatmap.snapshot import iso_utc
from liqstream.heatmap.wire_state import Grid
from liqstream.market import FloatArray, Source

_MAX_DECIMALS = 9
_MAX_TICKS = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class HistoryMatrix:
    """What stood at the end of every column, and a candle per column.

    `long` and `short` are ladder rungs of shape (columns, rows of `grid`); `candles` are open, high, low and
    close in USD, shape (4, columns), NaN in a gap, whose rungs are all 0. `partial` says that the last column
    is still forming.
    """

    symbol: str
    interval_ms: int
    t0_ms: int
    columns: int
    grid: Grid
    long: RungArray
    short: RungArray
    candles: FloatArray
    exchanges: tuple[str, ...]
    epoch: int
    seq: int
    source: Source
    stale: bool
    quality: tuple[str, ...]
    kernel: str
    partial: bool

    @property
    def gaps(self) -> NDArray[np.bool_]:
        """True for the columns without a bar."""
        gaps: NDArray[np.bool_] = np.isnan(self.candles[0])
        return gaps


def encode_history(matrix: HistoryMatrix) -> bytes:
    """The matrix as "LQH1"."""
    tick = tick_of(matrix.candles)
    header = {
        "symbol": matrix.symbol,
        "interval_ms": matrix.interval_ms,
        "t0": matrix.t0_ms,
        "columns": matrix.columns,
        "rows": matrix.grid.rows,
        "p0": matrix.grid.p0,
        "step": matrix.grid.step,
        "tick": tick,
        "gaps": _runs(matrix.gaps),
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
        moved = rungs.astype("<u2")
        moved[1:] -= rungs[:-1]
        parts += _planes(moved.ravel(), 2)
    for figures in _candle_differences(matrix.candles, tick):
        parts += _planes(figures.astype("<i4"), 4)
    return b"".join(parts)


def tick_of(candles: FloatArray) -> float:
    """The coarsest power of ten of which every price is a multiple, as far as 31 bits can count it."""
    prices = candles[np.isfinite(candles)]
    most = float(prices.max(initial=0.0))
    for decimals in range(_MAX_DECIMALS + 1):
        scaled = prices * 10**decimals
        too_fine = most * 10 ** (decimals + 1) > _MAX_TICKS
        if too_fine or np.allclose(scaled, np.rint(scaled), rtol=0, atol=1e-4):
            return float(f"1e-{decimals}")
    return float(f"1e-{_MAX_DECIMALS}")


def history_columns(matrix: HistoryMatrix) -> Iterator[dict[str, Any]]:
    """Each column as the REST API says it: its time, its levels, cells that gained and cells swept."""
    prices = matrix.grid.prices().tolist()
    long, short = to_usd(matrix.long), to_usd(matrix.short)
    both = np.concatenate((matrix.long, matrix.short), axis=1)
    before = np.concatenate((both[:1], both[:-1]))
    created = np.count_nonzero(both > before, axis=1).tolist()
    consumed = np.count_nonzero((before > 0) & (both == 0), axis=1).tolist()
    for column in range(matrix.columns):
        rows = np.flatnonzero(long[column] | short[column])
        yield {
            "timestamp": iso_utc(matrix.t0_ms + column * matrix.interval_ms),
            "levels": [
                {"price": prices[row], "long_density": long_usd, "short_density": short_usd}
                for row, long_usd, short_usd in zip(
                    rows.tolist(), long[column, rows].tolist(), short[column, rows].tolist(), strict=True
                )
            ],
            "positions_created": created[column],
            "positions_consumed": consumed[column],
        }


def _planes(values: NDArray[Any], count: int) -> list[bytes]:
    planes = values.view(np.uint8).reshape(-1, count)
    return [planes[:, plane].tobytes() for plane in range(count)]


def _candle_differences(candles: FloatArray, tick: float) -> FloatArray:
    """Open less the close before, high above the body, low below it, close less open, in ticks; shape
    (4, columns), zeros in a gap."""
    known = np.flatnonzero(np.isfinite(candles[0]))
    open_, high, low, close = np.rint(candles[:, known] / tick)
    differences = np.zeros_like(candles)
    differences[:, known] = (
        open_ - np.concatenate(([0.0], close[:-1])),
        high - np.maximum(open_, close),
        np.minimum(open_, close) - low,
        close - open_,
    )
    return differences


def _runs(gaps: NDArray[np.bool_]) -> list[list[int]]:
    """Runs of gap columns as (first, count)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], gaps, [False])).astype(np.int8)))
    return [
        [first, end - first] for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
