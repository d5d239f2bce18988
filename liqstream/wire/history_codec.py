"""A history's encodings: "LQH1", compact for the page, and objects for those who ask for JSON.

LQH1 is four bytes of name, the header's length (u32, little-endian), a JSON header, then per side (long,
short) the low and the high bytes of every cell's step less that of the column before, and per figure of the
candle (open, high, low, close) its four bytes, lowest first, in price steps. Differences in time are mostly
zero, so that gzip leaves little of them; planes put the zeros together. Whoever asks for it gets the levels
packed (packed_levels.py). docs/websocket_api.md describes both in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.quantise import FLOOR_USD, STEP_RATIO, QuantisedArray, dequantise
from liqstream.heatmap.snapshot import iso_utc
from liqstream.market import FloatArray
from liqstream.wire.numbers import json_number
from liqstream.wire.packed_levels import packed_levels

_MAX_DECIMALS = 14
_MAX_PRICE_STEPS = 2**31 - 1
_OFF_STEPS, _OFF_SHARE = 1e-4, 1e-7
"""How far a multiple of a price step may be off, in steps and as a share of the price."""


def encode_history(matrix: HistoryMatrix, *, packed: bool = False) -> bytes:
    """The matrix as "LQH1"; `packed`: in fewer bytes, unless its longs are not all below its shorts."""
    price_step = price_step_of(matrix.candles)
    header = {
        "symbol": matrix.symbol,
        "interval_ms": matrix.interval_ms,
        "t0": matrix.t0_ms,
        "columns": matrix.columns,
        "rows": matrix.grid.cells,
        "p0": matrix.grid.p0,
        "step": matrix.grid.step,
        "tick": price_step,
        "gaps": _runs(matrix.gaps),
        "epoch": matrix.epoch,
        "seq": matrix.seq,
        "source": matrix.source,
        "stale": matrix.stale,
        "quality": list(matrix.quality),
        "kernel": matrix.kernel,
        "exchanges": list(matrix.exchanges),
        "ladder": {"floor": FLOOR_USD, "ratio": STEP_RATIO},
        "partial": matrix.partial,
    }
    if matrix.groups:
        header["groups"] = list(matrix.groups)
    planes = packed_levels(matrix.long, matrix.short, max(1, len(matrix.groups))) if packed else None
    if planes is not None:
        header["packed"] = True
    else:
        planes = [plane for rungs in (matrix.long, matrix.short) for plane in _side_planes(rungs)]
    head = orjson.dumps(header)
    parts = [b"LQH1", len(head).to_bytes(4, "little"), head, *planes]
    for figures in _candle_differences(matrix.candles, price_step):
        parts += _planes(figures.astype("<i4"), 4)
    return b"".join(parts)


def _side_planes(rungs: QuantisedArray) -> list[bytes]:
    moved = rungs.astype("<u2")
    moved[1:] -= rungs[:-1]
    return _planes(moved.ravel(), 2)


def price_step_of(candles: FloatArray) -> float:
    """The coarsest power of ten of which every price is a multiple, as far as 31 bits can count it.

    Prices far below a dollar are no multiple of one that would make nothing of them.
    """
    prices = candles[np.isfinite(candles)]
    most = float(prices.max(initial=0.0))
    for decimals in range(_MAX_DECIMALS + 1):
        scaled = prices * 10**decimals
        too_fine = most * 10 ** (decimals + 1) > _MAX_PRICE_STEPS
        off = np.abs(scaled - np.rint(scaled))
        if too_fine or np.all(off <= np.minimum(_OFF_STEPS, _OFF_SHARE * scaled)):
            return float(f"1e-{decimals}")
    return float(f"1e-{_MAX_DECIMALS}")


def history_columns(matrix: HistoryMatrix) -> Iterator[dict[str, Any]]:
    """Each column as the REST API has it: its time, its levels, cells that gained and cells swept."""
    prices = matrix.grid.prices().tolist()
    # The first column is compared with itself: what came before it is not in the matrix.
    before = np.concatenate((matrix.long[:1], matrix.short[:1]), axis=1)
    for column in range(matrix.columns):
        rungs = np.concatenate((matrix.long[column : column + 1], matrix.short[column : column + 1]), axis=1)
        long, short = dequantise(matrix.long[column]), dequantise(matrix.short[column])
        rows = np.flatnonzero(long | short)
        yield {
            "timestamp": iso_utc(matrix.t0_ms + column * matrix.interval_ms),
            "levels": [
                {"price": json_number(prices[row]), "long_density": long_usd, "short_density": short_usd}
                for row, long_usd, short_usd in zip(
                    rows.tolist(), long[rows].tolist(), short[rows].tolist(), strict=True
                )
            ],
            "positions_created": int(np.count_nonzero(rungs > before)),
            "positions_consumed": int(np.count_nonzero((before > 0) & (rungs == 0))),
        }
        before = rungs


def _planes(values: NDArray[Any], count: int) -> list[bytes]:
    planes = values.view(np.uint8).reshape(-1, count)
    return [planes[:, plane].tobytes() for plane in range(count)]


def _candle_differences(candles: FloatArray, price_step: float) -> FloatArray:
    """Open less the close before, high above the body, low below it, close less open, in price steps; shape
    (4, columns), zeros in a gap."""
    known = np.flatnonzero(np.isfinite(candles[0]))
    open_, high, low, close = np.rint(candles[:, known] / price_step)
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
