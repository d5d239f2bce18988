"""The vocabulary of markets: USD, base coin, UTC epoch milliseconds."""

from liqstream.market.columns import Bars, FloatArray, TimeArray, as_one_bar, join_bars
from liqstream.market.records import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Candle,
    FundingRate,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
    Side,
    Source,
)

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "MINUTE_MS",
    "Bars",
    "Candle",
    "FloatArray",
    "FundingRate",
    "Liquidation",
    "LiquidationTotal",
    "MarkPrice",
    "MarketEvent",
    "MarketKey",
    "OpenInterest",
    "Side",
    "Source",
    "TimeArray",
    "as_one_bar",
    "join_bars",
]
