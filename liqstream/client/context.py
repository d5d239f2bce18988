"""What stands around a map: open interest, funding, volume and liquidations, over time and as of now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct

from .answer import read_answer
from .errors import ClientError
from .history import TimeArray
from .levels import FloatArray
from .tables import data_frame, short_usd


class ExchangeContext(Struct, frozen=True):
    """One exchange's figures of now; None where they are not known. Times are UTC epoch ms."""

    exchange: str
    open_interest_usd: float | None
    open_interest_time: int | None
    funding_rate: float | None
    funding_time: int | None
    next_funding_time: int | None
    volume_24h_usd: float | None


class ContextNow(Struct, frozen=True):
    """The figures of now, added up over `exchanges`; changes in percent, funding as a fraction per interval.

    `next_funding_time` is None where the exchange, `funding_exchange`, does not tell it.
    """

    open_interest_usd: float | None
    open_interest_time: int | None
    open_interest_1h: float | None
    open_interest_24h: float | None
    funding_exchange: str | None
    funding_rate: float | None
    funding_time: int | None
    next_funding_time: int | None
    volume_24h_usd: float | None
    volume_time: int | None
    exchanges: list[ExchangeContext]


@dataclass(frozen=True, slots=True, eq=False)
class LiquidationColumns:
    """Realised liquidations in USD of the intervals that have any."""

    interval_ms: int
    open_time_ms: TimeArray
    long_usd: FloatArray
    short_usd: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class MarketContext:
    """Series in columns, NaN where a figure is not known. USD and UTC epoch ms.

    `open_interest_usd` is as of each column's end, the sum over `open_interest_exchanges` exchanges;
    `funding_rate` the last one paid on `now.funding_exchange`. `partial`: the last column is still open.
    """

    symbol: str
    exchanges: list[str]
    source: str
    stale: bool
    time_ms: int
    interval_ms: int
    partial: bool
    open_time_ms: TimeArray
    open_interest_usd: FloatArray
    open_interest_exchanges: TimeArray
    funding_rate: FloatArray
    volume_usd: FloatArray
    liquidations: LiquidationColumns
    now: ContextNow

    def __repr__(self) -> str:
        """One line: market, columns, and what it is of."""
        held = self.now.open_interest_usd
        shown = "-" if held is None else short_usd(held)
        return (
            f"<MarketContext {self.symbol} {len(self.open_time_ms)} columns of {self.interval_ms // 1000} s, "
            f"open interest {shown}, {self.source}>"
        )

    def to_pandas(self) -> Any:
        """A DataFrame of the series by `time` (UTC). Raises ImportError where pandas is missing."""
        columns = {
            "time": self.open_time_ms,
            "open_interest_usd": self.open_interest_usd,
            "open_interest_exchanges": self.open_interest_exchanges,
            "funding_rate": self.funding_rate,
            "volume_usd": self.volume_usd,
        }
        facts = {"symbol": self.symbol, "source": self.source, "stale": self.stale}
        return data_frame(columns, "time", facts, utc_ms=True)


class _Liquidations(Struct):
    interval_ms: int
    timestamp: list[int]
    long_usd: list[float]
    short_usd: list[float]


class _Body(Struct):
    symbol: str
    exchanges: list[str]
    source: str
    stale: bool
    timestamp: int
    start_time: int
    interval_ms: int
    columns: int
    partial: bool
    open_interest_usd: list[float | None]
    open_interest_exchanges: list[int]
    funding_rate: list[float | None]
    volume_usd: list[float | None]
    liquidations: _Liquidations
    now: ContextNow


def decode_context(body: bytes) -> MarketContext:
    """The body of /api/context/{symbol}. Raises ClientError for anything else."""
    read = read_answer(body, _Body, "context")
    series = (read.open_interest_usd, read.open_interest_exchanges, read.funding_rate, read.volume_usd)
    sums = read.liquidations
    if any(len(each) != read.columns for each in series) or not (
        len(sums.timestamp) == len(sums.long_usd) == len(sums.short_usd)
    ):
        raise ClientError("the server's context cannot be read: its columns differ in length")
    return MarketContext(
        symbol=read.symbol,
        exchanges=read.exchanges,
        source=read.source,
        stale=read.stale,
        time_ms=read.timestamp,
        interval_ms=read.interval_ms,
        partial=read.partial,
        open_time_ms=read.start_time + read.interval_ms * np.arange(read.columns, dtype=np.int64),
        open_interest_usd=np.array(read.open_interest_usd, dtype=np.float64),
        open_interest_exchanges=np.array(read.open_interest_exchanges, dtype=np.int64),
        funding_rate=np.array(read.funding_rate, dtype=np.float64),
        volume_usd=np.array(read.volume_usd, dtype=np.float64),
        liquidations=LiquidationColumns(
            sums.interval_ms,
            np.array(sums.timestamp, dtype=np.int64),
            np.array(sums.long_usd, dtype=np.float64),
            np.array(sums.short_usd, dtype=np.float64),
        ),
        now=read.now,
    )
