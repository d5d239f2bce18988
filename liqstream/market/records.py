"""Records: one fact from a feed each, the same for all exchanges.

Every exchange's message is turned into one of these records at the edge; nothing above the feeds knows
an exchange's own field names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["long", "short"]
"""The side of a *position*: a liquidated long was closed by a sell order."""

Source: TypeAlias = Literal["live", "replay", "simulated"]
"""Where data comes from; goes with everything made of it."""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
LAST_DATE_MS = 253_402_300_799_999
"""The end of the year 9999, beyond which no date is written."""
PRESENT_MS = MINUTE_MS
"""A liquidation that becomes known later after it happened is of the past, no part of what happens now."""


@dataclass(frozen=True, slots=True)
class MarketKey:
    """One market: a symbol on an exchange, e.g. ('binance', 'BTCUSDT')."""

    exchange: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar of a market's price in USD; `closed` is False while it is still forming.

    Volumes are None where the source has none.
    """

    exchange: str
    symbol: str
    interval_ms: int
    open_time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume_base: float | None = None
    volume_quote_usd: float | None = None
    taker_buy_base: float | None = None
    closed: bool = True

    @property
    def is_sound(self) -> bool:
        """Whether a market can have made it: prices positive and finite, open and close inside the range."""
        inside = 0 < self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high
        return inside and math.isfinite(self.high)


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open contracts of a market in base coin, counted on one side: each contract has a long and a short.

    `reported` is the number as the source gave it, before any conversion, in `reported_unit`: staleness
    shows only there (a frozen USD figure divided by a moving price moves). `one_sided` is stored with it, so
    that rows differ from those of sources that count both sides.
    """

    exchange: str
    symbol: str
    time_ms: int
    open_interest_base: float
    reported: float
    reported_unit: Literal["base", "usd", "contracts"] = "base"
    one_sided: bool = True


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One realised liquidation; `side` is the side of the position that was closed."""

    exchange: str
    symbol: str
    time_ms: int
    side: Side
    price_usd: float
    quantity_base: float

    @property
    def notional_usd(self) -> float:
        """Price times quantity."""
        return self.price_usd * self.quantity_base


@dataclass(frozen=True, slots=True)
class LiquidationTotal:
    """Realised liquidations of one interval, by side, where single events are not known."""

    exchange: str
    symbol: str
    interval_ms: int
    open_time_ms: int
    long_usd: float
    short_usd: float


@dataclass(frozen=True, slots=True)
class LiquidationSpan:
    """A span [start_ms, end_ms), UTC, in which a market's liquidations were listened to, or are known."""

    exchange: str
    symbol: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class FundingRate:
    """Funding paid by longs to shorts at `time_ms`, as a fraction of notional per funding interval.

    It is stored and can be read back; the map and the estimator do not use it.
    """

    exchange: str
    symbol: str
    time_ms: int
    rate: float


@dataclass(frozen=True, slots=True)
class ComingFunding:
    """The payment that an exchange announced at `time_ms` for `due_ms`: a fraction of notional.

    No record, and kept in memory only: it is what a feed knows now, and changes until it is paid.
    """

    time_ms: int
    due_ms: int
    rate: float


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """The price liquidations are triggered by; kept in memory only."""

    exchange: str
    symbol: str
    time_ms: int
    price_usd: float


MarketEvent: TypeAlias = (
    Candle | OpenInterest | Liquidation | LiquidationTotal | LiquidationSpan | FundingRate | MarkPrice
)
