"""The time x price matrix of a symbol's past, decoded from the compact form the page uses (LQH1).

The form (docs/websocket_api.md, "History"): a JSON header, then ladder rungs as differences in time, split
into byte planes, which compress to about one byte a cell.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from .errors import ClientError
from .levels import FloatArray, grid_prices
from .messages import MAX_ROWS
from .snapshot import Count, Price
from .tables import data_frame

MAGIC = b"LQH1"
_TOP_USD = 1e12
_MAX_TIME_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""
_MAX_COLUMNS = 10_000_000

TimeArray: TypeAlias = NDArray[np.int64]
_RungArray: TypeAlias = NDArray[np.uint16]


class _Ladder(msgspec.Struct):
    floor: Price
    ratio: Annotated[float, Meta(ge=1.001, le=10)]


class _Header(msgspec.Struct):
    symbol: str
    interval_ms: Annotated[int, Meta(ge=1, le=_MAX_TIME_MS)]
    t0: Annotated[int, Meta(ge=0, le=_MAX_TIME_MS)]
    columns: Annotated[int, Meta(ge=0, le=_MAX_COLUMNS)]
    rows: Annotated[int, Meta(ge=1, le=MAX_ROWS)]
    p0: Price
    step: Price
    price_step: Annotated[float, Meta(gt=1e-15, le=1e15)] = msgspec.field(name="tick")
    ladder: _Ladder
    gaps: list[tuple[Count, Count]] = []
    source: str = "live"
    stale: bool = False
    quality: list[str] = []
    kernel: str = ""
    exchanges: list[str] = []
    partial: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A symbol's heatmap over time, with the candles over it. USD and UTC epoch ms.

    `long_usd` and `short_usd` have the shape (columns, rows): what stood at each column's end at each of
    `prices`. `open`, `high`, `low` and `close` are NaN where `gap` is True. `partial` means that the last
    column is still forming.
    """

    symbol: str
    interval_ms: int
    open_time_ms: TimeArray
    prices: FloatArray
    long_usd: FloatArray
    short_usd: FloatArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    gap: NDArray[np.bool_]
    source: str
    stale: bool
    quality: tuple[str, ...]
    kernel: str
    exchanges: tuple[str, ...]
    partial: bool

    def __repr__(self) -> str:
        """One line: market, span, interval, size, and every reason to doubt it."""
        doubts = [self.source, *(["stale"] if self.stale else []), *self.quality]
        opened = self.open_time_ms[[0, -1]].tolist() if len(self.open_time_ms) else []
        ends = [datetime.fromtimestamp(time_ms / 1000, UTC) for time_ms in opened]
        span = " to ".join(f"{end:%Y-%m-%dT%H:%MZ}" for end in ends) or "empty"
        return (
            f"<History {self.symbol} {span}, {len(self.open_time_ms)} columns "
            f"of {self.interval_ms // 1000} s, {len(self.prices)} prices, {', '.join(doubts)}>"
        )

    def to_pandas(self) -> Any:
        """A DataFrame of candles by `time` (UTC), with `gap` and the sums of each column's levels in USD.

        The levels themselves are the arrays. Raises ImportError where pandas is missing.
        """
        columns = {
            "time": self.open_time_ms,
            "open": self.open,
            "high": self.high,
            "low": self.low,
            "close": self.close,
            "gap": self.gap,
            "long_usd": self.long_usd.sum(axis=1),
            "short_usd": self.short_usd.sum(axis=1),
        }
        facts = {"symbol": self.symbol, "source": self.source, "stale": self.stale, "quality": self.quality}
        return data_frame(columns, "time", facts, utc_ms=True)


def decode_history(body: bytes) -> History:
    """The history in an answer of /api/heatmap/{symbol}/history. Raises ClientError if it is damaged."""
    try:
        header, at = _header(body)
        cells = header.columns * header.rows
        wanted = at + 4 * cells + 16 * header.columns
        if len(body) != wanted:
            raise ValueError(f"{len(body)} bytes where {wanted} belong")
        return _history(header, np.frombuffer(body, np.uint8, offset=at))
    except (
        ValueError,
        ArithmeticError,
        IndexError,
        RecursionError,
        struct.error,
        msgspec.MsgspecError,
    ) as error:
        raise ClientError(f"the server's history cannot be read: {error}") from None


def _header(body: bytes) -> tuple[_Header, int]:
    if body[:4] != MAGIC:
        raise ValueError(f"it does not begin with {MAGIC.decode()}")
    (length,) = struct.unpack_from("<I", body, 4)
    return msgspec.json.decode(body[8 : 8 + length], type=_Header), 8 + length


def _history(header: _Header, planes: NDArray[np.uint8]) -> History:
    cells, columns = header.columns * header.rows, header.columns
    usd = _rungs_usd(header.ladder)
    gap = _gap(header)
    ohlc = _candles(planes[4 * cells :].reshape(4, 4, columns), gap, header.price_step)
    shared: dict[str, Any] = {
        name: getattr(header, name)
        for name in ("symbol", "interval_ms", "source", "stale", "kernel", "partial")
    }
    return History(
        **shared,
        open_time_ms=header.t0 + header.interval_ms * np.arange(columns, dtype=np.int64),
        prices=grid_prices(header.p0, header.step, header.rows),
        long_usd=usd[_rungs(planes[: 2 * cells], columns, header.rows)],
        short_usd=usd[_rungs(planes[2 * cells : 4 * cells], columns, header.rows)],
        open=ohlc[0],
        high=ohlc[1],
        low=ohlc[2],
        close=ohlc[3],
        gap=gap,
        quality=tuple(header.quality),
        exchanges=tuple(header.exchanges),
    )


def _rungs(planes: NDArray[np.uint8], columns: int, rows: int) -> _RungArray:
    low, high = planes.reshape(2, columns, rows).astype(np.uint16)
    rungs: _RungArray = np.cumsum(low | high << np.uint16(8), axis=0, dtype=np.uint16)
    return rungs


def _rungs_usd(ladder: _Ladder) -> FloatArray:
    """USD of every rung: nothing, the floor, then `ratio` times the one before, in whole USD."""
    top = int(np.ceil(np.log(_TOP_USD / ladder.floor) / np.log(ladder.ratio))) + 1
    return np.concatenate(([0.0], np.rint(ladder.floor * ladder.ratio ** np.arange(top))))


def _gap(header: _Header) -> NDArray[np.bool_]:
    gap = np.zeros(header.columns, dtype=np.bool_)
    for first, count in header.gaps:
        gap[first : first + count] = True
    return gap


def _candles(planes: NDArray[np.uint8], gap: NDArray[np.bool_], price_step: float) -> FloatArray:
    """Open, high, low and close in USD, shape (4, columns)."""
    weights = (1 << np.arange(0, 32, 8, dtype=np.uint64)).astype(np.uint32)
    steps = (planes.astype(np.uint32) * weights[:, None]).sum(axis=1, dtype=np.uint32).astype(np.int32)
    from_last_close, over, under, body = steps.astype(np.int64)
    close = np.cumsum(from_last_close + body)
    opened = close - body
    candles = np.stack(
        (opened, np.maximum(opened, close) + over, np.minimum(opened, close) - under, close)
    ).astype(np.float64)
    candles[:, gap] = np.nan
    # Dividing by the price steps of a dollar gives the decimal itself, multiplying by one its neighbour.
    usd: FloatArray = candles / round(1 / price_step) if price_step < 1 else candles * price_step
    return usd
