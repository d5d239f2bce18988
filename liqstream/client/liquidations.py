"""Liquidations that happened: single ones and totals per interval, as a server has them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from msgspec import Struct, field

from .answer import read_answer
from .tables import data_frame, short_usd


class LiquidationEvent(Struct, frozen=True):
    """One liquidation: the side of the position, USD, base coin, UTC epoch ms."""

    time_ms: int = field(name="timestamp")
    exchange: str
    side: Literal["long", "short"]
    price: float
    quantity: float
    notional_usd: float


class LiquidationTotals(Struct, frozen=True):
    """USD liquidated per side in the interval that opened at `open_time_ms` (UTC epoch ms)."""

    open_time_ms: int = field(name="timestamp")
    interval_ms: int
    long_usd: float
    short_usd: float


class RealisedLiquidations(Struct, frozen=True):
    """Of a symbol: `events` ascending by time, of which the `older_omitted` oldest are left out, and `totals`
    of the intervals that have any, which hold them all.

    `capture` is the part of an exchange's liquidations that is found, where it publishes none.
    """

    symbol: str
    exchanges: list[str]
    events: list[LiquidationEvent] = field(name="data")
    totals: list[LiquidationTotals]
    older_omitted: int = 0
    capture: dict[str, float] = {}

    def __repr__(self) -> str:
        """One line: market, how many events, and USD of either side."""
        long_usd, short_usd_ = (sum(getattr(each, key) for each in self.totals) for key in _SIDES)
        return (
            f"<RealisedLiquidations {self.symbol} {len(self.events) + self.older_omitted} events, "
            f"longs {short_usd(long_usd)}, shorts {short_usd(short_usd_)}>"
        )

    def to_pandas(self) -> Any:
        """A DataFrame of the totals by `time` (UTC). Raises ImportError where pandas is missing."""
        times = np.array([each.open_time_ms for each in self.totals], dtype=np.int64)
        sides = {key: np.array([getattr(each, key) for each in self.totals], dtype=float) for key in _SIDES}
        return data_frame({"time": times, **sides}, "time", {"symbol": self.symbol}, utc_ms=True)


_SIDES = ("long_usd", "short_usd")


def decode_liquidations(body: bytes) -> RealisedLiquidations:
    """The body of /api/liquidations/{symbol}. Raises ClientError for anything else."""
    return read_answer(body, RealisedLiquidations, "liquidations")
